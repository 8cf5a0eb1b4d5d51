/* SPDX-License-Identifier: ISC */
/*
 * message_keys: see message_keys.h. Of MIME it knows what it takes to find headers inside a body:
 * boundaries (RFC 2046 5.1.1) and message/rfc822.
 */
#include "message_keys.h"

#include "base/buffer.h"
#include "base/span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 20    /* parts inside of parts */
#define BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */

struct reader {
    const struct message_keys *wanted;
    int (*act)(void *user, struct sluice_span key);
    void *user;
    int code; /* of act; not 0: the end */
    bool is_in_body;
    bool has_message; /* the header says that another message follows */
    struct buffer field;
    char boundaries[DEPTH_MAX][BOUNDARY_MAX + 1]; /* the innermost last */
    size_t depth;
};

static void emit(struct reader *reader, bool is_wanted, struct sluice_span key)
{
    if (is_wanted && reader->code == 0)
        reader->code = reader->act(reader->user, key);
}

/* ---- header fields --------------------------------------------------------------------------- */

static bool is_field(struct sluice_span line)
{
    size_t len = 0;

    while (len < line.len && line.ptr[len] > ' ' && line.ptr[len] < 127 && line.ptr[len] != ':')
        len++;
    return len > 0 && len < line.len && span_trim(span_skip(line, len)).len > 0 &&
           span_trim(span_skip(line, len)).ptr[0] == ':';
}

/* The value of boundary=, quoted or not; empty if there is none. */
static struct sluice_span boundary_of(struct sluice_span value)
{
    static const struct sluice_span name = {"boundary=", 9};
    bool is_quoted;

    while (value.len > 0 && !span_starts_case(value, name))
        value = span_skip(value, 1);
    value = span_skip(value, name.len);
    is_quoted = value.len > 0 && value.ptr[0] == '"';
    if (is_quoted)
        return span_first(span_skip(value, 1), span_find(span_skip(value, 1), '"'));
    for (size_t i = 0; i < value.len; i++) {
        if (strchr("; \t\n", value.ptr[i]) != NULL)
            return span_first(value, i);
    }
    return value;
}

/* What a Content-Type field announces. */
static void take_type(struct reader *reader, struct sluice_span field)
{
    static const struct sluice_span name = {"content-type:", 13};
    struct sluice_span value, boundary;

    if (!span_starts_case(field, name))
        return;
    value = span_trim(span_skip(field, name.len));
    if (span_starts_case(value, SPAN_LITERAL("message/rfc822")))
        reader->has_message = true;
    if (!span_starts_case(value, SPAN_LITERAL("multipart/")))
        return;
    boundary = boundary_of(value);
    if (boundary.len > 0 && boundary.len <= BOUNDARY_MAX && reader->depth < DEPTH_MAX) {
        char *slot = reader->boundaries[reader->depth++];

        memcpy(slot, boundary.ptr, boundary.len);
        slot[boundary.len] = '\0';
    }
}

static void end_field(struct reader *reader)
{
    struct sluice_span field = buffer_span(&reader->field);

    if (field.len == 0)
        return;
    emit(reader, reader->wanted->header, field);
    if (reader->wanted->parts)
        take_type(reader, field);
    buffer_clear(&reader->field);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* A part's header follows a boundary, unless it is the last one. */
static void take_boundary(struct reader *reader, struct sluice_span line)
{
    struct sluice_span rest = span_skip(line, 2);

    if (!span_starts_case(line, SPAN_LITERAL("--")))
        return;
    for (size_t i = reader->depth; i > 0; i--) {
        struct sluice_span boundary = sluice_span_of(reader->boundaries[i - 1]);

        if (!span_equal(span_first(rest, boundary.len), boundary))
            continue;
        reader->is_in_body = span_starts_case(span_skip(rest, boundary.len), SPAN_LITERAL("--"));
        reader->depth = reader->is_in_body ? i - 1 : i;
        return;
    }
}

static void take_body_line(struct reader *reader, struct sluice_span line)
{
    emit(reader, reader->wanted->body, line);
    if (reader->wanted->parts)
        take_boundary(reader, line);
}

static void take_header_line(struct reader *reader, struct sluice_span line)
{
    if (line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t') && reader->field.len > 0) {
        buffer_add_byte(&reader->field, '\n');
        buffer_add_span(&reader->field, line);
        return;
    }
    end_field(reader);
    if (is_field(line)) {
        buffer_add_span(&reader->field, line);
        return;
    }
    /* A line that is no field ends a header as an empty one would have. */
    emit(reader, reader->wanted->body, span_first(line, 0));
    reader->is_in_body = !reader->has_message;
    reader->has_message = false;
    if (line.len > 0)
        take_body_line(reader, line);
}

static bool is_over(const struct reader *reader)
{
    return reader->code != 0 || buffer_failed(&reader->field) ||
           (reader->is_in_body && !reader->wanted->body && !reader->wanted->parts);
}

int message_keys_each(FILE *file, const struct message_keys *wanted,
                      int (*act)(void *user, struct sluice_span key), void *user,
                      sluice_status *ret_st, struct error *err)
{
    struct reader reader = {.wanted = wanted, .act = act, .user = user};
    char *text = NULL;
    size_t size = 0;
    ssize_t len;

    *ret_st = SLUICE_OK;
    while (!is_over(&reader) && (len = getline(&text, &size, file)) != -1) {
        struct sluice_span line = {text, (size_t)len};

        if (line.len > 0 && line.ptr[line.len - 1] == '\n')
            line.len--;
        if (reader.is_in_body)
            take_body_line(&reader, line);
        else
            take_header_line(&reader, line);
    }
    if (ferror(file) != 0)
        *ret_st = error_set(err, SLUICE_TEMP, "read the message: %s", strerror(errno));
    else if (buffer_failed(&reader.field))
        *ret_st = error_set(err, SLUICE_TEMP, "out of memory");
    else
        end_field(&reader);
    free(text);
    buffer_done(&reader.field);
    return reader.code;
}
