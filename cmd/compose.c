/* SPDX-License-Identifier: ISC */
/*
 * compose: line by line. The header is held back while recipients are looked for in it, since they go
 * before it.
 */
#include "compose.h"

#include "base/buffer.h"
#include "base/span.h"
#include "ipc/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FULL_NAME_MAX 200 /* longer ones are cut */

struct composer {
    const struct compose *compose;
    FILE *out;
    bool is_in_header; /* and what is composed is held back */
    struct buffer held;
    struct buffer to;        /* values of To, Cc and Bcc */
    struct buffer resent_to; /* and of Resent-To, ... */
    struct buffer *field;    /* the one that the present field belongs to; NULL: none */
    bool is_resent;
    bool has_line;
    bool has_ended; /* by a dot alone */
    uint64_t size;
    struct error *err;
};

/* ---- out ------------------------------------------------------------------------------------- */

static void put(struct composer *composer, const char *bytes, size_t len)
{
    if (composer->is_in_header)
        buffer_add(&composer->held, bytes, len);
    else
        (void)fwrite(bytes, 1, len, composer->out); /* finish() looks for errors */
}

static void put_text(struct composer *composer, const char *text)
{
    put(composer, text, strlen(text));
}

/* RFC 3461 4 */
static void put_xtext(struct composer *composer, const char *name, const char *text, size_t max)
{
    put_text(composer, name);
    for (size_t i = 0; text[i] != '\0' && i < max; i++) {
        char escaped[4];
        if (text[i] > ' ' && text[i] <= '~' && text[i] != '+' && text[i] != '=')
            (void)snprintf(escaped, sizeof(escaped), "%c", text[i]);
        else
            (void)snprintf(escaped, sizeof(escaped), "+%02X", (unsigned)(unsigned char)text[i]);
        put_text(composer, escaped);
    }
}

static void put_sender(struct composer *composer)
{
    const struct compose *compose = composer->compose;

    put_text(composer, "MAIL FROM:<");
    put_text(composer, compose->sender);
    put_text(composer, ">");
    if (compose->is_8bit)
        put_text(composer, " BODY=8BITMIME");
    if (compose->is_verify)
        put_text(composer, " XVERIFY");
    if (compose->ret != NULL) {
        put_text(composer, " RET=");
        put_text(composer, compose->ret);
    }
    if (compose->envid != NULL)
        put_xtext(composer, " ENVID=", compose->envid, SIZE_MAX);
    if (compose->full_name[0] != '\0')
        put_xtext(composer, " XFULLNAME=", compose->full_name, FULL_NAME_MAX);
    put_text(composer, "\r\n");
}

static void put_recipient(struct composer *composer, const char *recipient)
{
    put_text(composer, "RCPT TO:<");
    put_text(composer, recipient);
    put_text(composer, ">");
    if (composer->compose->notify != NULL) {
        put_text(composer, " NOTIFY=");
        put_text(composer, composer->compose->notify);
    }
    put_text(composer, "\r\n");
}

/* ---- recipients in the header ---------------------------------------------------------------- */

/* Where the value of that field goes; NULL: it names no recipients. */
static struct buffer *field_of(struct composer *composer, struct sluice_span name)
{
    static const char *const names[] = {"To", "Cc", "Bcc"};
    struct sluice_span prefix = SPAN_LITERAL("Resent-");
    bool is_resent = span_starts_case(name, prefix);

    name = span_skip(name, is_resent ? prefix.len : 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!span_equal_case(name, sluice_span_of(names[i])))
            continue;
        composer->is_resent = composer->is_resent || is_resent;
        return is_resent ? &composer->resent_to : &composer->to;
    }
    return NULL;
}

/* False: it is no part of a header. */
static bool take_header_line(struct composer *composer, struct sluice_span line)
{
    size_t colon = span_find(line, ':');
    bool is_continued = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');

    if (!is_continued) {
        struct sluice_span name = span_trim(span_first(line, colon));
        if (colon == line.len || name.len == 0 || span_find(name, ' ') < name.len)
            return false;
        composer->field = field_of(composer, name);
        line = span_skip(line, colon + 1);
        if (composer->field != NULL)
            buffer_add_byte(composer->field, ','); /* parts it from the field before */
    }
    if (composer->field != NULL)
        buffer_add_span(composer->field, line);
    return true;
}

/* A message that is resent goes where that was said, and not where it went before. */
static sluice_status add_recipients(struct composer *composer)
{
    struct buffer *from = composer->is_resent ? &composer->resent_to : &composer->to;

    if (buffer_failed(from))
        return error_set(composer->err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < from->len; i++) {
        if (from->ptr[i] == '\0')
            from->ptr[i] = ' ';
    }
    if (address_list_add(composer->compose->recipients, buffer_span(from)) != SLUICE_OK)
        return error_set(composer->err, SLUICE_TEMP, "out of memory");
    return SLUICE_OK;
}

/* All recipients are known: what was held back follows them. */
static sluice_status begin(struct composer *composer)
{
    const struct address_list *recipients = composer->compose->recipients;
    sluice_status st = composer->is_in_header ? add_recipients(composer) : SLUICE_OK;

    if (st == SLUICE_OK && recipients->count == 0)
        st = SLUICE_NOT_FOUND;
    if (st != SLUICE_OK)
        return st;
    if (recipients->count > ENVELOPE_RECIPIENTS_MAX)
        return error_set(composer->err, SLUICE_PERM, "more than %d recipients",
                         ENVELOPE_RECIPIENTS_MAX);
    if (buffer_failed(&composer->held))
        return error_set(composer->err, SLUICE_TEMP, "out of memory");
    composer->is_in_header = false;
    put_sender(composer);
    for (size_t i = 0; i < recipients->count; i++)
        put_recipient(composer, recipients->items[i]);
    put_text(composer, "DATA\r\n");
    if (composer->held.len > 0)
        put(composer, composer->held.ptr, composer->held.len);
    return SLUICE_OK;
}

/* ---- content --------------------------------------------------------------------------------- */

static sluice_status check_line(struct composer *composer, struct sluice_span line)
{
    const struct compose *compose = composer->compose;

    composer->size += line.len + 2;
    if (compose->size_limit > 0 && composer->size > compose->size_limit)
        return error_set_dsn(composer->err, SLUICE_PERM, "5.3.4", COMPOSE_TOO_BIG);
    for (size_t i = 0; i < compose->reject_characters.len; i++) {
        if (span_find(line, compose->reject_characters.ptr[i]) < line.len)
            return error_set_dsn(composer->err, SLUICE_PERM, "5.7.1",
                                 "disallowed character in the message");
    }
    return SLUICE_OK;
}

static void put_line(struct composer *composer, struct sluice_span line)
{
    if (line.len > 0 && line.ptr[0] == '.')
        put_text(composer, "."); /* RFC 5321 4.5.2 */
    put(composer, line.ptr, line.len);
    put_text(composer, "\r\n");
}

static sluice_status take_line(struct composer *composer, struct sluice_span line)
{
    bool is_first = !composer->has_line;
    sluice_status st = SLUICE_OK;

    composer->has_line = true;
    if (!composer->compose->ignores_dot && span_equal(line, SPAN_LITERAL("."))) {
        composer->has_ended = true;
        return SLUICE_OK;
    }
    if (is_first && line.len > 5 && memcmp(line.ptr, "From ", 5) == 0)
        return SLUICE_OK;
    if (composer->is_in_header && !take_header_line(composer, line))
        st = begin(composer);
    if (st == SLUICE_OK)
        st = check_line(composer, line);
    if (st == SLUICE_OK)
        put_line(composer, line);
    return st;
}

static struct sluice_span without_end(const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\n')
        len--;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    return (struct sluice_span){.ptr = line, .len = len};
}

static sluice_status take_input(struct composer *composer, FILE *input)
{
    sluice_status st = SLUICE_OK;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while (st == SLUICE_OK && !composer->has_ended && (len = getline(&line, &size, input)) > 0)
        st = take_line(composer, without_end(line, (size_t)len));
    if (st == SLUICE_OK && !composer->has_ended && feof(input) == 0)
        st = error_set(composer->err, SLUICE_TEMP, "error reading input: %s", strerror(errno));
    free(line);
    return st;
}

static sluice_status run(struct composer *composer, FILE *input)
{
    sluice_status st = composer->compose->reads_header ? SLUICE_OK : begin(composer);

    if (st == SLUICE_OK && !composer->compose->is_verify)
        st = take_input(composer, input);
    if (st == SLUICE_OK && composer->is_in_header)
        st = begin(composer); /* there was nothing but a header */
    if (st != SLUICE_OK)
        return st;
    put_text(composer, ".\r\n");
    if (fflush(composer->out) == EOF || ferror(composer->out) != 0)
        return error_set(composer->err, SLUICE_TEMP, "no place for the message: %s",
                         strerror(errno));
    return SLUICE_OK;
}

sluice_status compose_batch(const struct compose *compose, FILE *input, int *ret_fd,
                            struct error *err)
{
    struct composer composer = {
        .compose = compose, .is_in_header = compose->reads_header, .err = err};
    int fd = memfd_create("message", MFD_CLOEXEC);
    int copy = fd != -1 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    sluice_status st;

    composer.out = copy != -1 ? fdopen(copy, "w") : NULL;
    if (composer.out == NULL) {
        st = error_set(err, SLUICE_TEMP, "no place for the message: %s", strerror(errno));
        if (copy != -1)
            (void)close(copy); /* empty */
    } else {
        st = run(&composer, input);
        (void)fclose(composer.out); /* memory only, and flushed */
    }
    buffer_done(&composer.held);
    buffer_done(&composer.to);
    buffer_done(&composer.resent_to);
    if (st == SLUICE_OK)
        *ret_fd = fd;
    else if (fd != -1)
        (void)close(fd);
    return st;
}
