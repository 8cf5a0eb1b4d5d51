/* SPDX-License-Identifier: ISC */
/*
 * line: lines of any length, in any portions.
 */
#include "receive/line.h"

#include "receive/upload.h"

/* Waits for more; what was replied goes out first. The whole command must be there in time. */
static sluice_status fill(struct session *session, int64_t deadline_ms)
{
    if (!session_flush(session))
        return SLUICE_TEMP;
    return session->upload != NULL ? upload_fill(session->upload, deadline_ms)
                                   : session_fill(session, deadline_ms);
}

static void cut_end(struct line *line, struct sluice_span buffered, size_t end)
{
    bool has_cr = end > 0 && buffered.ptr[end - 1] == '\r';

    line->text = span_first(buffered, has_cr ? end - 1 : end);
    line->is_bare = !has_cr;
}

sluice_status line_read(struct session *session, struct line *ret_line)
{
    size_t limit = session->receiver->settings.line_length_limit;
    int64_t deadline_ms = session_deadline(session);
    struct line line = {.is_too_long = false};

    for (;;) {
        struct sluice_span buffered = stream_buffered(session->stream);
        size_t end = span_find(buffered, '\n');
        if (end < buffered.len) {
            cut_end(&line, buffered, end);
            line.is_too_long = line.is_too_long || line.text.len > limit;
            session->line_size = end + 1;
            session->has_more = buffered.len > end + 1;
            *ret_line = line;
            return SLUICE_OK;
        }
        if (buffered.len > limit + 1) { /* swallowed as it comes */
            line.is_too_long = true;
            stream_consume(session->stream, buffered.len);
        }
        sluice_status st = fill(session, deadline_ms);
        if (st != SLUICE_OK)
            return st;
    }
}

void line_drop(struct session *session)
{
    stream_consume(session->stream, session->line_size);
    session->line_size = 0;
}
