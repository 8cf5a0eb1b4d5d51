/* SPDX-License-Identifier: ISC */
/*
 * apply: writes a batch as one run of frames with one fdatasync, and enters it into the ledger.
 *
 * Everything that can fail comes first: the check, memory, room in a segment, large contents. Then
 * the write. If that fails nobody knows what reached the disk, so the segment is never written
 * again, and the next one's header declares the batch void.
 */
#include "log.h"

#include "name.h"

#include "../common/batch.h"
#include "../common/failure.h"
#include "../common/folder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define BATCH_MAX ((uint64_t)256 << 20) /* bytes in a segment; large contents do not count */
#define BUFFER_KEEP ((size_t)8 << 20)   /* a longer buffer is given back after the batch */

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
        frame.is_large = large_wants(change);
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

static void leave_segment(struct sluice_queue *queue)
{
    if (queue->current == NULL)
        return;
    close(queue->current_fd); /* all that counts was synced */
    pthread_rwlock_wrlock(&queue->guard);
    queue->current = NULL;
    queue->ledger.may_reap = true;
    pthread_rwlock_unlock(&queue->guard);
}

/* Batches between durable and next are void from here on. */
static sluice_status begin_segment(struct sluice_queue *queue, const struct segment_file *file,
                                   const struct sluice_errors *errors,
                                   struct segment **ret_segment)
{
    const struct segment_header header = {.version = FORMAT_VERSION,
                                          .number = file->number,
                                          .salt = file->salt,
                                          .first = queue->next,
                                          .durable = queue->durable,
                                          .messages = queue->ledger.index.count};
    struct segment *segment = NULL;
    sluice_status st = segment_write_header(file->fd, &header, errors);

    if (st != SLUICE_OK)
        return st;
    pthread_rwlock_wrlock(&queue->guard);
    st = ledger_add_segment(&queue->ledger, &header, file->size, &segment);
    pthread_rwlock_unlock(&queue->guard);
    if (st == SLUICE_OK && queue->void_number != 0)
        st = ledger_add_need(segment, queue->void_number);
    if (st != SLUICE_OK)
        return failure(errors, st, "4.3.0", "no memory for a segment");
    *ret_segment = segment;
    return SLUICE_OK;
}

/* Goes on in another segment with room for needed bytes. Without a file for it the present one stays; but
 * not after a failed beginning, which a restart may find: that header would void what is written
 * here from now on. */
static sluice_status rotate(struct sluice_queue *queue, uint64_t needed, bool may_use_reserve,
                            const struct sluice_errors *errors)
{
    struct segment *segment = NULL;
    struct segment_file file;
    sluice_status st =
        spare_take(queue, needed + FORMAT_HEADER_SIZE, may_use_reserve, errors, &file);

    if (st != SLUICE_OK)
        return st;
    leave_segment(queue);
    st = begin_segment(queue, &file, errors, &segment);
    if (st != SLUICE_OK) {
        close(file.fd);
        (void)name_unlink(queue->folder, NAME_SEGMENT, file.number);
        return st;
    }
    pthread_rwlock_wrlock(&queue->guard);
    queue->current = segment;
    queue->current_fd = file.fd;
    pthread_rwlock_unlock(&queue->guard);
    queue->void_number = 0;
    queue->is_maintained = false;
    return SLUICE_OK;
}

/* Where maintain is not called, or does not keep up, what it would have freed is freed here. */
static void reap_if_late(struct sluice_queue *queue)
{
    if (!queue->is_maintained)
        (void)log_reap(queue);
}

static bool has_room(const struct sluice_queue *queue, uint64_t needed)
{
    return queue->current != NULL && queue->current->size - queue->current->end >= needed;
}

static bool fill_reserve(struct sluice_queue *queue)
{
    return folder_reserve_fill(queue->folder, queue->reserve_size) ||
           (spare_release(queue) && folder_reserve_fill(queue->folder, queue->reserve_size));
}

static sluice_status make_room(struct sluice_queue *queue, uint64_t needed, bool has_put,
                               const struct sluice_errors *errors)
{
    bool is_short = has_put && !queue->has_reserve;

    if (is_short || !has_room(queue, needed))
        reap_if_late(queue);
    if (is_short) {
        queue->has_reserve = fill_reserve(queue);
        if (!queue->has_reserve)
            return failure(errors, SLUICE_TEMP, "4.3.1",
                           "the disk is full: what is left is kept for results");
    }
    if (has_room(queue, needed))
        return SLUICE_OK;
    return rotate(queue, needed, !has_put, errors);
}

/* All the memory that the batch will need on its way and in the ledger. */
static sluice_status make_memory(struct sluice_queue *queue, const struct batch *batch,
                                 uint64_t size)
{
    sluice_status st = SLUICE_OK;

    if (size > queue->buffer_size) {
        uint8_t *buffer = realloc(queue->buffer, size);

        if (buffer == NULL)
            return SLUICE_TEMP;
        queue->buffer = buffer;
        queue->buffer_size = size;
    }
    for (size_t i = 0; st == SLUICE_OK && i < batch->count; i++) {
        struct frame frame = frame_of(queue, batch_get(batch, i), i);

        st = ledger_prepare(&queue->ledger, queue->current, &frame);
    }
    if (st == SLUICE_OK) {
        pthread_rwlock_wrlock(&queue->guard);
        st = index_reserve(&queue->ledger.index, batch->count);
        pthread_rwlock_unlock(&queue->guard);
    }
    return st;
}

/* Writes a frame at out and gives back where the next one goes. */
static uint8_t *put_frame(uint8_t *out, uint64_t salt, struct frame *frame,
                          struct sluice_span record, struct sluice_span content)
{
    uint8_t *end = out + frame_size(frame);
    uint8_t *at = out + FORMAT_FRAME_SIZE;

    frame->record_crc = format_crc(record.ptr, frame->record_size);
    frame->content_crc = format_crc(content.ptr, (size_t)frame_inline_size(frame));
    format_frame(out, salt, frame);
    if (frame->record_size > 0)
        memcpy(at, record.ptr, frame->record_size);
    at += frame->record_size;
    if (frame_inline_size(frame) > 0)
        memcpy(at, content.ptr, (size_t)frame_inline_size(frame));
    at += frame_inline_size(frame);
    memset(at, 0, (size_t)(end - at));
    return end;
}

/* Takes back the contents that the first count changes brought as files. */
static void drop_large(const struct sluice_queue *queue, const struct batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);

        if (change->kind == SLUICE_QUEUE_PUT && large_wants(change))
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
        out = put_frame(out, queue->current->salt, &frame, change->record, change->content);
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

/* The segment is left for good. Large contents go only when a new one has made the batch void: a
 * restart before that may find it whole, and them in it. */
static void abandon(struct sluice_queue *queue, const struct batch *batch)
{
    queue->void_number = queue->current->number;
    queue->next++;
    leave_segment(queue);
    if (rotate(queue, 0, !batch_has_put(batch), NULL) != SLUICE_OK)
        return;
    drop_large(queue, batch, batch->count);
    reap_if_late(queue); /* or a disk that fails again and again would be filled with them */
}

static sluice_status write_out(struct sluice_queue *queue, const struct batch *batch, size_t size,
                               const struct sluice_errors *errors)
{
    sluice_status st = SLUICE_OK;

    if (folder_write(queue->current_fd, queue->buffer, size, queue->current->end) != SLUICE_OK)
        st = failure_errno(errors, "cannot write", "to a segment");
    else if (fdatasync(queue->current_fd) == -1)
        st = failure_errno(errors, "cannot sync", "a segment");
    if (st != SLUICE_OK)
        abandon(queue, batch);
    return st;
}

/* From here on readers see it. Nothing below can fail. */
static void publish(struct sluice_queue *queue, size_t size)
{
    uint64_t at = 0;

    pthread_rwlock_wrlock(&queue->guard);
    while (at < size) {
        struct place place = {queue->current->number, (uint32_t)(queue->current->end + at)};
        struct frame frame = {0};
        bool is_whole = format_parse_frame(queue->buffer + at, queue->current->salt, &frame);

        assert(is_whole);
        (void)is_whole;
        ledger_enter(&queue->ledger, &frame, place);
        at += frame_size(&frame);
        queue->current->frames++;
    }
    queue->current->end += size;
    queue->current->last = queue->next;
    pthread_rwlock_unlock(&queue->guard);
    queue->durable = queue->next++;
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
    if (queue->buffer_size > BUFFER_KEEP) {
        free(queue->buffer);
        queue->buffer = NULL;
        queue->buffer_size = 0;
    }
}

static sluice_status apply(struct sluice_queue *queue, const struct batch *batch,
                           const struct sluice_errors *errors)
{
    uint64_t size = 0;
    sluice_status st = batch_check(batch, exists, queue, errors);

    if (st != SLUICE_OK || batch->count == 0)
        return st;
    st = measure(queue, batch, errors, &size);
    if (st == SLUICE_OK)
        st = make_room(queue, size, batch_has_put(batch), errors);
    if (st != SLUICE_OK)
        return st;
    if (make_memory(queue, batch, size) != SLUICE_OK)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a batch");
    st = build(queue, batch, errors);
    if (st == SLUICE_OK)
        st = write_out(queue, batch, (size_t)size, errors);
    if (st != SLUICE_OK)
        return st;
    publish(queue, (size_t)size);
    tidy_up(queue, (size_t)size);
    return SLUICE_OK;
}

sluice_status log_apply(struct sluice_queue *queue, const struct sluice_queue_change *changes,
                        size_t count, size_t change_size, const struct sluice_errors *errors)
{
    struct batch batch = {changes, count, change_size};
    sluice_status st;

    pthread_mutex_lock(&queue->lock);
    st = apply(queue, &batch, errors);
    pthread_mutex_unlock(&queue->lock);
    return st;
}
