/* SPDX-License-Identifier: ISC */
/*
 * session: see session.h.
 */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CODE_CLOSING 421 /* RFC 5321 3.8: the server closes; may answer any command */

struct sluice_connection *session_new(const struct sluice_transport *transport,
                                      const struct sluice_target *target)
{
    struct sluice_connection *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return NULL;
    session->transport = transport;
    session->doing = "connecting";
    (void)snprintf(session->label, sizeof(session->label), "%.*s[%.*s]", (int)target->host.len,
                   target->host.ptr, (int)target->address.len, target->address.ptr);
    return session;
}

void session_free(struct sluice_connection *session)
{
    if (session == NULL)
        return;
    session->transport->io->close(session->stream);
    free(session);
}

void session_begin(struct sluice_connection *session, int64_t deadline_ms)
{
    session->deadline_ms = deadline_ms;
}

static int64_t now_ms(const struct sluice_connection *session)
{
    return session->transport->clock->monotonic_ms(session->transport->host);
}

static int64_t deadline_of(const struct sluice_connection *session, int64_t timeout_ms)
{
    int64_t deadline_ms = now_ms(session) + timeout_ms;

    return deadline_ms < session->deadline_ms ? deadline_ms : session->deadline_ms;
}

int session_is_disturbed(struct sluice_connection *session)
{
    return session->input_start < session->input_end ||
           session->transport->io->is_readable(session->stream) != 0;
}

static sluice_status fail(struct sluice_connection *session, enum session_failure failure)
{
    session->failure = failure;
    session->is_finished = 1;
    return SLUICE_TEMP;
}

static sluice_status fail_io(struct sluice_connection *session, int64_t deadline_ms)
{
    return fail(session, now_ms(session) >= deadline_ms ? SESSION_TIMED_OUT : SESSION_LOST);
}

sluice_status session_send(struct sluice_connection *session, struct sluice_span bytes,
                           int64_t timeout_ms)
{
    int64_t deadline_ms = deadline_of(session, timeout_ms);

    if (session->transport->io->write(session->stream, bytes, deadline_ms) != SLUICE_OK)
        return fail_io(session, deadline_ms);
    return SLUICE_OK;
}

/* ---- replies -------------------------------------------------------------------------------- */

/* More bytes behind those in input. There is room: input holds more than a longest line. */
static sluice_status fill_input(struct sluice_connection *session, int64_t deadline_ms)
{
    size_t len = 0;

    memmove(session->input, session->input + session->input_start,
            session->input_end - session->input_start);
    session->input_end -= session->input_start;
    session->input_start = 0;
    if (session->transport->io->read(session->stream, session->input + session->input_end,
                                     sizeof(session->input) - session->input_end, deadline_ms,
                                     &len) != SLUICE_OK)
        return fail_io(session, deadline_ms);
    if (len == 0)
        return fail(session, SESSION_LOST);
    session->input_end += len;
    return SLUICE_OK;
}

/* The next line without its line end; valid until the next call. A bare line feed ends a line as
 * well: there is nothing that a server could smuggle past us by it. */
static sluice_status read_line(struct sluice_connection *session, int64_t deadline_ms,
                               struct sluice_span *ret_line)
{
    size_t searched = 0;

    for (;;) {
        char *start = session->input + session->input_start;
        size_t len = session->input_end - session->input_start;
        char *end = memchr(start + searched, '\n', len - searched);

        if (end != NULL && (size_t)(end - start) <= REPLY_LINE_MAX) {
            session->input_start += (size_t)(end - start) + 1;
            ret_line->ptr = start;
            ret_line->len = (size_t)(end - start);
            if (ret_line->len > 0 && end[-1] == '\r')
                ret_line->len--;
            return SLUICE_OK;
        }
        if (len > REPLY_LINE_MAX) {
            ret_line->ptr = start;
            ret_line->len = REPLY_LINE_MAX;
            return SLUICE_UNSUPPORTED; /* the caller makes it a reply that is none */
        }
        searched = len;
        if (fill_input(session, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
    }
}

sluice_status session_receive(struct sluice_connection *session, int64_t timeout_ms)
{
    int64_t deadline_ms = deadline_of(session, timeout_ms);
    enum reply_progress progress;

    reply_init(&session->reply);
    do {
        struct sluice_span line;
        sluice_status st = read_line(session, deadline_ms, &line);

        if (st == SLUICE_TEMP)
            return SLUICE_TEMP;
        progress = reply_add_line(&session->reply, line);
        if (st != SLUICE_OK || progress == REPLY_BAD)
            return fail(session, SESSION_NOT_SMTP);
    } while (progress == REPLY_MORE);
    if (session->reply.code == CODE_CLOSING)
        session->is_finished = 1;
    return SLUICE_OK;
}

/* ---- verdicts ------------------------------------------------------------------------------- */

/* Both fit, or are cut; snprintf() would take longer than all else that a good reply needs. */
static void set_verdict(struct session_verdict *verdict, sluice_status status, const char *dsn,
                        const char *text)
{
    size_t dsn_len = strnlen(dsn, sizeof(verdict->dsn) - 1);
    size_t text_len = strnlen(text, sizeof(verdict->text) - 1);

    verdict->status = status;
    verdict->reply[0] = '\0';
    memcpy(verdict->dsn, dsn, dsn_len);
    verdict->dsn[dsn_len] = '\0';
    memcpy(verdict->text, text, text_len);
    verdict->text[text_len] = '\0';
}

void session_verdict_set(struct session_verdict *verdict, sluice_status status, const char *dsn,
                         const char *format, ...)
{
    char text[SESSION_VERDICT_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    set_verdict(verdict, status, dsn, text);
}

const char *session_reply_text(const struct sluice_connection *session, char *text, size_t size)
{
    size_t len = session->reply.text_len < size ? session->reply.text_len : size - 1;

    for (size_t i = 0; i < len; i++)
        text[i] = (char)(session->reply.text[i] == '\n' ? ' ' : session->reply.text[i]);
    text[len] = '\0';
    return text;
}

void session_verdict_failure(const struct sluice_connection *session,
                             struct session_verdict *verdict)
{
    char text[SESSION_VERDICT_TEXT_MAX];

    switch (session->failure) {
    case SESSION_TIMED_OUT:
        session_verdict_set(verdict, SLUICE_TEMP, "4.4.2",
                            "conversation with %s timed out while %s", session->label,
                            session->doing);
        break;
    case SESSION_NOT_SMTP:
        session_verdict_set(verdict, SLUICE_TEMP, "4.5.0",
                            "host %s does not speak SMTP while %s: %.500s", session->label,
                            session->doing, session_reply_text(session, text, sizeof(text)));
        break;
    default:
        session_verdict_set(verdict, SLUICE_TEMP, "4.4.2", "lost connection with %s while %s",
                            session->label, session->doing);
        break;
    }
}

void session_verdict_reply(const struct sluice_connection *session, const char *command,
                           int good_class, struct session_verdict *verdict)
{
    char text[SESSION_REPLY_MAX], dsn[REPLY_DSN_MAX];
    int class = reply_class(&session->reply);

    (void)session_reply_text(session, text, sizeof(text));
    reply_dsn(&session->reply, class == good_class ? 2 : class == 5 ? 5 : 4, dsn);
    if (class == good_class)
        set_verdict(verdict, SLUICE_OK, dsn, text);
    else
        session_verdict_set(verdict, class == 5 ? SLUICE_PERM : SLUICE_TEMP, dsn,
                            "host %s said: %s (in reply to %s command)", session->label, text,
                            command);
    memcpy(verdict->reply, text, strlen(text) + 1);
}
