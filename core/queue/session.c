/* SPDX-License-Identifier: ISC */
/*
 * session: lines of JSON over a stream.
 */
#include "queue/session.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/span.h"
#include "queue/control.h"

#include <unistd.h>

bool session_is_privileged(const struct session *session)
{
    return session->uid == 0 || (session->uid != UID_UNKNOWN && session->uid == geteuid());
}

static sluice_status read_line(struct session *session, struct sluice_span *ret_line)
{
    int64_t deadline_ms = clock_monotonic_ms() + CONTROL_SILENCE_MS;

    for (;;) {
        struct sluice_span all = stream_buffered(session->stream);
        size_t len = span_find(all, '\n');

        if (len < all.len && len <= CONTROL_LINE_MAX) {
            *ret_line = span_first(all, len);
            return SLUICE_OK;
        }
        if (all.len > CONTROL_LINE_MAX)
            return error_set(&session->err, SLUICE_PERM, "the request is too long");
        if (stream_fill(session->stream, deadline_ms) != SLUICE_OK)
            return error_set(&session->err, SLUICE_TEMP, "no request");
    }
}

sluice_status session_read_request(struct session *session, json_t **ret_request)
{
    struct sluice_span line = SPAN_EMPTY;
    sluice_status st = read_line(session, &line);

    if (st == SLUICE_OK) {
        json_t *request = json_loadb(line.ptr, line.len, 0, NULL);

        stream_consume(session->stream, line.len + 1);
        if (json_is_object(request)) {
            *ret_request = request;
            return SLUICE_OK;
        }
        json_decref(request);
        st = error_set(&session->err, SLUICE_PERM, "the request is no object of JSON");
    }
    session_end(session, st);
    return st;
}

const char *session_text(const json_t *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request, name));

    return text != NULL ? text : "";
}

sluice_status session_send(struct session *session)
{
    sluice_status st = SLUICE_TEMP;

    if (!buffer_failed(&session->out))
        st = stream_write(session->stream, buffer_span(&session->out),
                          clock_monotonic_ms() + CONTROL_SILENCE_MS);
    buffer_clear(&session->out);
    return st;
}

static int add_text(const char *text, size_t len, void *buffer)
{
    buffer_add(buffer, text, len);
    return 0;
}

/* Lines leave together, or each would cost both sides a turn. */
static sluice_status write_line(struct session *session, json_t *object)
{
    if (json_dump_callback(object, add_text, &session->out, JSON_COMPACT) == -1)
        return SLUICE_TEMP;
    buffer_add_byte(&session->out, '\n');
    return session->out.len >= SESSION_GATHER || buffer_failed(&session->out)
               ? session_send(session)
               : SLUICE_OK;
}

sluice_status session_put(struct session *session, json_t *object)
{
    if (object == NULL)
        return error_set(&session->err, SLUICE_TEMP, "out of memory");
    sluice_status st = write_line(session, object);
    json_decref(object);
    if (st != SLUICE_OK)
        return error_set(&session->err, st, "the answer cannot be written");
    return SLUICE_OK;
}

void session_end(struct session *session, sluice_status status)
{
    if (session->is_broken) {
        buffer_done(&session->out);
        return;
    }
    json_t *end = json_pack("{s:b, s:s, s:o}", "end", 1, "status", status_name(status), "text",
                            json_text(sluice_span_of(session->err.text)));

    if (end != NULL)
        (void)write_line(session, end);
    json_decref(end);
    (void)session_send(session); /* who has gone does not want it */
    buffer_done(&session->out);
}
