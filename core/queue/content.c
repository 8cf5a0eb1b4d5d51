/* SPDX-License-Identifier: ISC */
/*
 * content: see content.h.
 */
#include "queue/content.h"

#include "base/clock.h"
#include "base/span.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "queue/state.h"

#include <unistd.h>

static sluice_status write_chunk(struct session *session, struct sluice_span chunk)
{
    if (stream_write(session->stream, chunk, clock_monotonic_ms() + CONTROL_SILENCE_MS) ==
        SLUICE_OK)
        return SLUICE_OK;
    return error_set(&session->err, SLUICE_TEMP, "the answer cannot be written");
}

static sluice_status write_file(struct session *session, int fd, uint64_t size)
{
    char chunk[CONTENT_CHUNK_SIZE];
    uint64_t sent = 0;
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && sent < size) {
        size_t len = size - sent < sizeof(chunk) ? (size_t)(size - sent) : sizeof(chunk);
        ssize_t n = pread(fd, chunk, len, (off_t)sent);

        if (n <= 0)
            return error_set(&session->err, SLUICE_TEMP, "the content cannot be read");
        st = write_chunk(session, (struct sluice_span){.ptr = chunk, .len = (size_t)n});
        sent += (uint64_t)n;
    }
    return st;
}

static sluice_status write_content(struct session *session, const struct store_content *content)
{
    sluice_status st =
        session_put(session, json_pack("{s:I}", "content_size", (json_int_t)content->size));

    if (st == SLUICE_OK)
        st = session_send(session);
    if (st == SLUICE_OK && content->fd != -1)
        st = write_file(session, content->fd, content->size);
    else if (st == SLUICE_OK)
        st = write_chunk(session, buffer_span(&content->bytes));
    if (st != SLUICE_OK)
        session->is_broken = true;
    return st;
}

sluice_status content_send(struct session *session, json_t *request)
{
    struct queue_message *message = inspect_find(session, session_text(request, "id"));
    struct store_content content = STORE_CONTENT_INIT;
    struct buffer record = BUFFER_INIT;

    if (message == NULL)
        return SLUICE_NOT_FOUND;
    sluice_status st =
        store_read(session->queue->store, message->id, &record, &content, &session->err);
    buffer_done(&record); /* there may be a newer one */
    if (st == SLUICE_OK)
        st = inspect_message(session, request);
    if (st == SLUICE_OK)
        st = write_content(session, &content);
    store_content_done(&content);
    return st;
}
