/* SPDX-License-Identifier: ISC */
/* forward: an SMTP client for one server that is ours. See forward.h. */
#include "forward.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 2560            /* an address of 2,000 bytes, ORCPT and what is around them */
#define PIECE ((size_t)16 * 1024) /* of the content */
#define REPLY_LINES_MAX 100
#define BAD_ADDRESS "forwarding: bad address syntax"
#define REPLY_TIME_MAX_MS                                                                          \
    ((int64_t)300 * 1000) /* more than commit_timeout and lookup_timeout are */

struct client {
    const struct forward *forward;
    struct sluice_stream *stream;
    struct result *result;
    char in[4096];
    size_t in_len;
    char reply[512];    /* the last line */
    bool is_line_start; /* of the content */
    char piece[PIECE];
    char out[2 * PIECE + 8]; /* dots may be doubled */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static int64_t deadline_of(const struct client *client)
{
    const struct station *station = client->forward->station;
    int64_t end_ms = station->clock->monotonic_ms(station->host) + REPLY_TIME_MAX_MS;

    return end_ms < client->forward->deadline_ms ? end_ms : client->forward->deadline_ms;
}

static sluice_status fail(struct client *client, const char *what)
{
    const struct sluice_io *io = client->forward->station->io;

    return result_set(client->result, SLUICE_TEMP, "4.3.0", "forwarding: %s: %s", what,
                      io->explain(client->stream));
}

static sluice_status write_bytes(struct client *client, const char *bytes, size_t len)
{
    const struct sluice_io *io = client->forward->station->io;

    if (io->write(client->stream, (struct sluice_span){bytes, len}, deadline_of(client)) !=
        SLUICE_OK)
        return fail(client, "write");
    return SLUICE_OK;
}

static bool take_line(struct client *client)
{
    char *end = memchr(client->in, '\n', client->in_len);

    if (end == NULL)
        return false;
    size_t len = (size_t)(end - client->in);
    size_t text_len = len > 0 && client->in[len - 1] == '\r' ? len - 1 : len;
    (void)snprintf(client->reply, sizeof(client->reply), "%.*s", (int)text_len, client->in);
    client->in_len -= len + 1;
    memmove(client->in, end + 1, client->in_len);
    return true;
}

static sluice_status read_line(struct client *client)
{
    const struct sluice_io *io = client->forward->station->io;

    while (!take_line(client)) {
        size_t len;

        if (client->in_len == sizeof(client->in))
            return result_set(client->result, SLUICE_TEMP, "4.3.0",
                              "forwarding: a reply is too long");
        if (io->read(client->stream, client->in + client->in_len,
                     sizeof(client->in) - client->in_len, deadline_of(client), &len) != SLUICE_OK)
            return fail(client, "read");
        if (len == 0)
            return result_set(client->result, SLUICE_TEMP, "4.3.0",
                              "forwarding: the connection was closed");
        client->in_len += len;
    }
    return SLUICE_OK;
}

/* "450 4.3.0 text": what our own server says is what there is to say. */
static sluice_status refuse(struct client *client)
{
    bool is_final = client->reply[0] == '5';
    const char *text = strlen(client->reply) > 4 ? client->reply + 4 : "";
    char dsn[RESULT_DSN_MAX] = "";
    int len = 0;

    if (sscanf(text, "%11[245.0-9]%n", dsn, &len) != 1 || dsn[0] != client->reply[0] ||
        strchr(dsn, '.') == NULL)
        (void)snprintf(dsn, sizeof(dsn), is_final ? "5.0.0" : "4.3.0");
    return result_set(client->result, is_final ? SLUICE_PERM : SLUICE_TEMP, dsn, "forwarding: %s",
                      client->reply);
}

/* A whole reply, which is to begin with that digit. */
static sluice_status expect(struct client *client, char digit)
{
    for (int i = 0; i < REPLY_LINES_MAX; i++) {
        if (read_line(client) != SLUICE_OK)
            return client->result->status;
        if (client->reply[0] == '\0' || client->reply[3] != '-')
            return client->reply[0] == digit ? SLUICE_OK : refuse(client);
    }
    return result_set(client->result, SLUICE_TEMP, "4.3.0", "forwarding: a reply does not end");
}

static sluice_status say(struct client *client, char digit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static sluice_status say(struct client *client, char digit, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(line, sizeof(line) - 2, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof(line) - 2 || strpbrk(line, "\r\n") != NULL)
        return result_set(client->result, SLUICE_PERM, "5.1.3", BAD_ADDRESS);
    memcpy(line + len, "\r\n", 2);
    if (write_bytes(client, line, (size_t)len + 2) != SLUICE_OK)
        return client->result->status;
    return expect(client, digit);
}

/* ---- the envelope ---------------------------------------------------------------------------- */

bool forward_passes_dsn(const struct forward *forward)
{
    return forward->owner == NULL;
}

static sluice_status say_mail(struct client *client)
{
    const struct forward *forward = client->forward;
    const struct sluice_message *message = forward->message;
    bool passes = forward_passes_dsn(forward);
    struct sluice_span sender =
        forward->owner != NULL ? sluice_span_of(forward->owner) : message->sender;
    const char *ret = message->ret == SLUICE_RET_FULL   ? " RET=FULL"
                      : message->ret == SLUICE_RET_HDRS ? " RET=HDRS"
                                                        : "";
    int envid_len = passes ? (int)message->envid.len : 0;

    return say(client, '2', "MAIL FROM:<%.*s> XUNCHANGED%s%s%s%.*s", (int)sender.len,
               sender.len > 0 ? sender.ptr : "",
               message->body == SLUICE_BODY_8BITMIME ? " BODY=8BITMIME" : "", passes ? ret : "",
               envid_len > 0 ? " ENVID=" : "", envid_len, envid_len > 0 ? message->envid.ptr : "");
}

/* RFC 3461 5.2.7.2: as the sender has asked for it. */
static void format_notify(uint32_t notify, char text[48])
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {{SLUICE_NOTIFY_NEVER, "NEVER"},
                 {SLUICE_NOTIFY_SUCCESS, "SUCCESS"},
                 {SLUICE_NOTIFY_FAILURE, "FAILURE"},
                 {SLUICE_NOTIFY_DELAY, "DELAY"}};

    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((notify & words[i].bit) != 0)
            len += (size_t)snprintf(text + len, 48 - len, "%s%s", len == 0 ? " NOTIFY=" : ",",
                                    words[i].word); /* there is room for all */
    }
}

/* An address that would end its brackets is none. */
static sluice_status say_recipient(struct client *client, const char *address, const char *notify,
                                   struct sluice_span orcpt)
{
    if (strpbrk(address, "<>") != NULL)
        return result_set(client->result, SLUICE_PERM, "5.1.3", BAD_ADDRESS);
    return say(client, '2', "RCPT TO:<%s>%s%s%.*s", address, notify, orcpt.len > 0 ? " ORCPT=" : "",
               (int)orcpt.len, orcpt.len > 0 ? orcpt.ptr : "");
}

static sluice_status say_recipients(struct client *client)
{
    const struct forward *forward = client->forward;
    bool passes = forward_passes_dsn(forward);
    struct sluice_span orcpt = passes ? forward->recipient->orcpt : (struct sluice_span){0};
    char notify[48] = "";
    sluice_status st = SLUICE_OK;

    if (passes)
        format_notify(forward->recipient->notify, notify);
    for (size_t i = 0; i < forward->members->count && st == SLUICE_OK; i++) {
        const struct member *member = &forward->members->items[i];

        if (member->kind == MEMBER_ADDRESS)
            st = say_recipient(client, member->text, notify, orcpt);
    }
    return st;
}

/* ---- the content ----------------------------------------------------------------------------- */

static sluice_status write_piece(struct client *client, size_t len)
{
    size_t out_len = 0;

    for (size_t i = 0; i < len; i++) {
        if (client->is_line_start && client->piece[i] == '.')
            client->out[out_len++] = '.';
        client->out[out_len++] = client->piece[i];
        client->is_line_start = client->piece[i] == '\n';
    }
    return write_bytes(client, client->out, out_len);
}

static sluice_status write_content(struct client *client)
{
    const struct sluice_message *message = client->forward->message;
    struct sluice_span address = client->forward->recipient->address;
    int head_len = snprintf(client->out, sizeof(client->out), "Delivered-To: %.*s\r\n",
                            (int)address.len, address.ptr);
    sluice_status st = write_bytes(client, client->out, (size_t)head_len);

    client->is_line_start = true;
    for (uint64_t offset = 0; offset < message->size && st == SLUICE_OK;) {
        size_t len = 0;

        st = message->read(message, offset, client->piece, sizeof(client->piece), &len);
        if (st != SLUICE_OK || len == 0) /* the connection breaks off: nothing is accepted */
            return result_set(client->result, SLUICE_TEMP, "4.3.0", "the message cannot be read");
        offset += len;
        st = write_piece(client, len);
    }
    return st;
}

static sluice_status converse(struct client *client)
{
    sluice_status st = expect(client, '2');

    if (st == SLUICE_OK)
        st = say(client, '2', "EHLO localhost");
    if (st == SLUICE_OK)
        st = say_mail(client);
    if (st == SLUICE_OK)
        st = say_recipients(client);
    if (st == SLUICE_OK)
        st = say(client, '3', "DATA");
    if (st == SLUICE_OK)
        st = write_content(client);
    return st == SLUICE_OK ? say(client, '2', ".") : st;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Where the host's io explains itself. */
struct reason {
    struct sluice_errors errors;
    char text[256];
};

static void take_reason(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    struct reason *reason = (struct reason *)(uintptr_t)errors;

    (void)dsn; /* it is always 4.3.0 */
    (void)snprintf(reason->text, sizeof(reason->text), "%s", text);
}

static sluice_status connect_to(struct client *client)
{
    const struct station *station = client->forward->station;
    struct reason reason = {
        .errors = {.struct_size = sizeof(reason.errors), .explain = take_reason}};
    const struct sluice_endpoint to = {.struct_size = sizeof(to),
                                       .address = sluice_span_of(client->forward->socket)};

    if (station->io->connect(station->host, &to, deadline_of(client), &reason.errors,
                             &client->stream) == SLUICE_OK)
        return SLUICE_OK;
    client->stream = NULL;
    return result_set(client->result, SLUICE_TEMP, "4.3.0", "forwarding: connect to %s: %s",
                      client->forward->socket, reason.text);
}

sluice_status forward_send(const struct forward *forward, struct result *result)
{
    struct client *client = calloc(1, sizeof(*client));
    sluice_status st;

    if (client == NULL)
        return result_set(result, SLUICE_TEMP, "4.3.0", "out of memory");
    client->forward = forward;
    client->result = result;
    st = connect_to(client);
    if (st == SLUICE_OK)
        st = converse(client);
    if (st == SLUICE_OK) {
        const char *id = strrchr(client->reply, ' ');

        (void)result_set(result, SLUICE_OK, "2.0.0", "forwarded as %s", id != NULL ? id + 1 : "");
    }
    if (client->stream != NULL)
        forward->station->io->close(client->stream);
    free(client);
    return st;
}
