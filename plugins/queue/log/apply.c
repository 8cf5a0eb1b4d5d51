/* SPDX-License-Identifier: ISC */
/*
 * apply: makes a batch of the host's changes.
 *
 * Everything that can fail comes first: the check, memory, room in a segment, large contents. Then
 * the write (append.c).
 */
#include "append.h"
#include "log.h"

#include "../common/batch.h"
#include "../common/failure.h"

#define BATCH_MAX ((uint64_t)256 << 20) /* bytes in a segment; large contents do not count */

_Static_assert(FRAME_PUT == SLUICE_QUEUE_PUT && FRAME_UPDATE == SLUICE_QUEUE_UPDATE &&
                   FRAME_REMOVE == SLUICE_QUEUE_REMOVE,
               "a change and its frame share their numbers");

static sluice_status exists(void *user, uint64_t id)
{
    const struct sluice_queue *queue = user;

    return index_find(&queue->ledger.index, id) != NULL ? SLUICE_OK : SLUICE_NOT_FOUND;
}

/* The frame of a change, but for the checksums and the size of a large content. */
static struct frame frame_of(const struct sluice_queue *queue,
                             const struct sluice_queue_change *change, size_t position)
{
    struct frame frame = {.type = (uint8_t)change->kind,
                          .position = (uint32_t)position,
                          .sequence = queue->next,
                          .id = change->id};
    const struct index_entry *entry;

    if (change->kind == SLUICE_QUEUE_REMOVE) {
        entry = index_find(&queue->ledger.index, change->id);
        frame.is_large = entry != NULL && entry->is_large;
        frame.origin = entry != NULL ? entry->put.segment : 0;
        return frame;
    }
    frame.flags = change->flags;
    frame.record_size = (uint32_t)change->record.len;
    if (change->kind == SLUICE_QUEUE_PUT) {
        frame.is_large = large_wants(&queue->large, change);
        frame.content_size = change->content.len;
    }
    return frame;
}

static sluice_status measure(const struct sluice_queue *queue, const struct batch *batch,
                             const struct sluice_errors *errors, uint64_t *ret_size)
{
    uint64_t size = FORMAT_FRAME_SIZE; /* COMMIT */

    for (size_t i = 0; i < batch->count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);
        struct frame frame;

        if (change->record.len > FORMAT_RECORD_MAX)
            return failure(errors, SLUICE_UNSUPPORTED, "5.3.4", "a record of %zu bytes is too long",
                           change->record.len);
        frame = frame_of(queue, change, i);
        size += frame_size(&frame);
        if (size > BATCH_MAX)
            return failure(errors, SLUICE_UNSUPPORTED, "5.3.4", "a batch is over %llu bytes long",
                           (unsigned long long)BATCH_MAX);
    }
    *ret_size = size;
    return SLUICE_OK;
}

/* The frame with its checksums; gives back where the next one goes. */
static uint8_t *put_frame(uint8_t *out, uint64_t salt, struct frame *frame,
                          const struct sluice_queue_change *change)
{
    frame->record_crc = format_crc(change->record.ptr, frame->record_size);
    frame->content_crc = format_crc(change->content.ptr, (size_t)frame_inline_size(frame));
    return format_whole_frame(out, salt, frame, change->record.ptr, change->content.ptr);
}

/* Takes back the contents that the first count changes brought as files. */
static void drop_large(const struct sluice_queue *queue, const struct batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);

        if (change->kind == SLUICE_QUEUE_PUT && large_wants(&queue->large, change))
            large_remove(&queue->large, change->id);
    }
}

static sluice_status build_frames(struct sluice_queue *queue, const struct batch *batch,
                                  const struct sluice_errors *errors, size_t *ret_built,
                                  bool *ret_has_large)
{
    const struct frame commit = {
        .type = FRAME_COMMIT, .position = (uint32_t)batch->count, .sequence = queue->next};
    uint8_t *out = queue->buffer;

    for (size_t i = 0; i < batch->count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);
        struct frame frame = frame_of(queue, change, i);

        if (frame.type == FRAME_PUT && frame.is_large) {
            sluice_status st = large_add(&queue->large, change, errors, &frame.content_size);

            if (st != SLUICE_OK)
                return st;
            *ret_built = i + 1;
            *ret_has_large = true;
            if (frame.content_size > INDEX_CONTENT_MAX)
                return failure(errors, SLUICE_UNSUPPORTED, "5.3.4", "a content is too long");
        }
        out = put_frame(out, queue->current->salt, &frame, change);
    }
    format_frame(out, queue->current->salt, &commit);
    return SLUICE_OK;
}

/* The batch in the buffer, and its large contents durable under their names. */
static sluice_status build(struct sluice_queue *queue, const struct batch *batch,
                           const struct sluice_errors *errors)
{
    bool has_large = false;
    size_t built = 0;
    sluice_status st = build_frames(queue, batch, errors, &built, &has_large);

    if (st == SLUICE_OK && has_large)
        st = large_sync(&queue->large, errors);
    if (st != SLUICE_OK)
        drop_large(queue, batch, built);
    return st;
}

/* Also of a message that the batch both put and removed. */
static void tidy_up(struct sluice_queue *queue, size_t size)
{
    struct frame frame = {0};

    for (uint64_t at = 0; at < size; at += frame_size(&frame)) {
        (void)format_parse_frame(queue->buffer + at, queue->current->salt, &frame);
        if (frame.is_large && index_find(&queue->ledger.index, frame.id) == NULL)
            large_remove(&queue->large, frame.id);
    }
}

static sluice_status apply(struct sluice_queue *queue, const struct batch *batch,
                           const struct sluice_errors *errors)
{
    enum append_kind kind = batch_has_put(batch) ? APPEND_MAIL : APPEND_RESULTS;
    uint64_t size = 0;
    sluice_status st = batch_check(batch, exists, queue, errors);

    if (st != SLUICE_OK || batch->count == 0)
        return st;
    st = measure(queue, batch, errors, &size);
    if (st == SLUICE_OK)
        st = append_begin(queue, size, batch->count, kind, errors);
    if (st == SLUICE_OK)
        st = build(queue, batch, errors);
    if (st != SLUICE_OK)
        return st;
    st = append_finish(queue, (size_t)size, kind, errors);
    if (st == SLUICE_OK)
        tidy_up(queue, (size_t)size);
    else if (queue->void_number == 0) /* else a restart may find the batch whole, and them in it */
        drop_large(queue, batch, batch->count);
    return st;
}

sluice_status log_apply(struct sluice_queue *queue, const struct sluice_queue_change *changes,
                        size_t count, size_t change_size, const struct sluice_errors *errors)
{
    struct batch batch = {changes, count, change_size};
    sluice_status st;

    log_lock(queue);
    st = apply(queue, &batch, errors);
    log_unlock(queue);
    return st;
}
