/* SPDX-License-Identifier: ISC */
/*
 * append: the end of the log, where batches go.
 *
 * One run of frames, one fdatasync. If that fails nobody knows what reached the disk, so the segment
 * is never written again, and the next one's header declares the batch void.
 */
#include "append.h"

#include "log.h"
#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_KEEP ((size_t)8 << 20) /* a longer buffer is given back with a shorter batch */

/* ---- segments -------------------------------------------------------------------------------- */

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
                                   const struct sluice_errors *errors, struct segment **ret_segment)
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
static sluice_status rotate(struct sluice_queue *queue, uint64_t needed, enum append_kind kind,
                            const struct sluice_errors *errors)
{
    struct segment *segment = NULL;
    struct segment_file file;
    sluice_status st = spare_take(queue, needed + FORMAT_HEADER_SIZE, kind, errors, &file);

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

static sluice_status make_room(struct sluice_queue *queue, uint64_t needed, enum append_kind kind,
                               const struct sluice_errors *errors)
{
    bool is_short = kind == APPEND_MAIL && !(queue->reserve.is_whole && queue->room.is_whole);

    /* Not by compaction, which is a part of maintenance. */
    if (kind != APPEND_COPIES && (is_short || !has_room(queue, needed)))
        reap_if_late(queue);
    /* Spares are given up for what is kept back. */
    if (is_short && !log_keep_back(queue) && !(spare_release(queue) && log_keep_back(queue)))
        return failure(errors, SLUICE_TEMP, "4.3.1",
                       "the disk is full: what is left is kept for results");
    if (has_room(queue, needed))
        return SLUICE_OK;
    return rotate(queue, needed, kind, errors);
}

static sluice_status make_memory(struct sluice_queue *queue, uint64_t size, size_t count)
{
    bool is_too_long = queue->buffer_size > BUFFER_KEEP && size <= BUFFER_KEEP;
    sluice_status st;

    if (size > queue->buffer_size || is_too_long) {
        uint8_t *buffer = realloc(queue->buffer, size);

        if (buffer == NULL)
            return SLUICE_TEMP;
        queue->buffer = buffer;
        queue->buffer_size = size;
    }
    pthread_rwlock_wrlock(&queue->guard);
    st = index_reserve(&queue->ledger.index, count);
    pthread_rwlock_unlock(&queue->guard);
    return st;
}

sluice_status append_begin(struct sluice_queue *queue, uint64_t size, size_t count,
                           enum append_kind kind, const struct sluice_errors *errors)
{
    sluice_status st = make_room(queue, size, kind, errors);

    if (st == SLUICE_OK && make_memory(queue, size, count) != SLUICE_OK)
        st = failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a batch");
    return st;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The frame at that place of the batch in the buffer. */
static struct frame frame_at(const struct sluice_queue *queue, uint64_t at)
{
    struct frame frame = {0};
    bool is_whole = format_parse_frame(queue->buffer + at, queue->current->salt, &frame);

    assert(is_whole);
    (void)is_whole;
    return frame;
}

/* All the memory that the ledger will need. */
static sluice_status prepare(struct sluice_queue *queue, size_t size)
{
    sluice_status st = SLUICE_OK;

    for (uint64_t at = 0; st == SLUICE_OK && at < size;) {
        struct frame frame = frame_at(queue, at);

        st = ledger_prepare(&queue->ledger, queue->current, &frame);
        at += frame_size(&frame);
    }
    return st;
}

/* The segment is left for good. */
static void abandon(struct sluice_queue *queue, enum append_kind kind)
{
    queue->void_number = queue->current->number;
    queue->next++;
    leave_segment(queue);
    if (rotate(queue, 0, kind, NULL) == SLUICE_OK)
        reap_if_late(queue); /* or a disk that fails again and again would be filled with them */
}

static sluice_status write_out(struct sluice_queue *queue, size_t size, enum append_kind kind,
                               const struct sluice_errors *errors)
{
    sluice_status st = SLUICE_OK;

    if (folder_write(queue->current_fd, queue->buffer, size, queue->current->end) != SLUICE_OK)
        st = failure_errno(errors, "cannot write", "to a segment");
    else if (fdatasync(queue->current_fd) == -1)
        st = failure_errno(errors, "cannot sync", "a segment");
    if (st != SLUICE_OK)
        abandon(queue, kind);
    return st;
}

/* From here on readers see it. Nothing below can fail. */
static void publish(struct sluice_queue *queue, size_t size)
{
    uint64_t at = 0;

    pthread_rwlock_wrlock(&queue->guard);
    while (at < size) {
        struct place place = {queue->current->number, (uint32_t)(queue->current->end + at)};
        struct frame frame = frame_at(queue, at);

        ledger_enter(&queue->ledger, &frame, place);
        at += frame_size(&frame);
        queue->current->frames++;
    }
    queue->current->end += size;
    queue->current->last = queue->next;
    pthread_rwlock_unlock(&queue->guard);
    queue->durable = queue->next++;
}

sluice_status append_finish(struct sluice_queue *queue, size_t size, enum append_kind kind,
                            const struct sluice_errors *errors)
{
    sluice_status st = prepare(queue, size);

    if (st != SLUICE_OK)
        return failure(errors, st, "4.3.0", "no memory for a batch");
    st = write_out(queue, size, kind, errors);
    if (st == SLUICE_OK)
        publish(queue, size);
    return st;
}
