/* SPDX-License-Identifier: ISC */
/*
 * read: gives messages back, while apply may run.
 *
 * A reader copies the message's entry under the guard and then reads without it. When a segment
 * or a large file has vanished meanwhile, or holds something else, the message was moved or removed: it
 * looks again.
 */
#include "log.h"

#include "checkpoint.h"
#include "name.h"

#include "../common/failure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_TRIES 8

/* What one message consists of, on its way to the sink. */
struct fetched {
    uint8_t *buffer; /* record and inline content lie in it, or NULL */
    uint8_t *buffer_of_content;
    struct sluice_span record;
    struct sluice_span content;
    int content_fd; /* -1: not large */
};

static void fetched_done(struct fetched *fetched)
{
    free(fetched->buffer);
    free(fetched->buffer_of_content);
    if (fetched->content_fd != -1)
        close(fetched->content_fd);
}

static sluice_status damaged(const struct sluice_errors *errors, uint64_t id, struct place place,
                             const char *what)
{
    char name[NAME_SIZE];

    name_format(name, NAME_SEGMENT, place.segment);
    return failure(errors, SLUICE_TEMP, "4.3.0",
                   "message %016" PRIX64 " is damaged: its %s, %s at %" PRIu32, id, what, name,
                   place.offset);
}

static sluice_status gone(const struct sluice_errors *errors, const struct index_entry *entry)
{
    if (!entry->is_large)
        return damaged(errors, entry->id, entry->put, "segment is gone");
    return failure(errors, SLUICE_TEMP, "4.3.0",
                   "message %016" PRIX64 " is damaged: " LARGE_FOLDER "/%016" PRIX64 " is gone",
                   entry->id, entry->id);
}

static struct sluice_span span_at(const uint8_t *bytes, size_t size)
{
    return (struct sluice_span){(const char *)bytes, size};
}

/* Reads size bytes of a frame at place into a new buffer, header and all, and checks the header. */
static sluice_status read_frame(const struct sluice_queue *queue, struct place place, uint64_t id,
                                size_t size, const struct sluice_errors *errors,
                                uint8_t **ret_bytes, struct frame *ret_frame)
{
    uint8_t *bytes;
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, place.segment, O_RDONLY, errors, &fd);
    if (st != SLUICE_OK)
        return st;
    bytes = malloc(size);
    if (bytes == NULL)
        st = failure(errors, SLUICE_TEMP, "4.3.0", "no memory to read a message");
    else
        st = segment_read(fd, bytes, size, place.offset, errors);
    close(fd);
    if (st == SLUICE_OK && (!format_parse_frame(bytes, format_peek_salt(bytes), ret_frame) ||
                            ret_frame->id != id || frame_size(ret_frame) < size))
        st = damaged(errors, id, place, "header");
    if (st != SLUICE_OK) {
        free(bytes);
        return st;
    }
    *ret_bytes = bytes;
    return SLUICE_OK;
}

static sluice_status check_record(const struct frame *frame, struct place place,
                                  const uint8_t *bytes, const struct sluice_errors *errors,
                                  struct sluice_span *ret_record)
{
    const uint8_t *record = bytes + FORMAT_FRAME_SIZE;

    if (format_crc(record, frame->record_size) != frame->record_crc)
        return damaged(errors, frame->id, place, "record");
    *ret_record = span_at(record, frame->record_size);
    return SLUICE_OK;
}

static sluice_status check_content(const struct frame *frame, struct place place,
                                   const uint8_t *bytes, const struct sluice_errors *errors,
                                   struct sluice_span *ret_content)
{
    const uint8_t *content = bytes + FORMAT_FRAME_SIZE + frame->record_size;

    if (format_crc(content, (size_t)frame->content_size) != frame->content_crc)
        return damaged(errors, frame->id, place, "content");
    *ret_content = span_at(content, (size_t)frame->content_size);
    return SLUICE_OK;
}

/* The record of an entry, and more bytes that follow it there. */
static sluice_status fetch_record(const struct sluice_queue *queue, const struct index_entry *entry,
                                  size_t more, const struct sluice_errors *errors,
                                  struct fetched *fetched, struct frame *ret_frame)
{
    size_t size = FORMAT_FRAME_SIZE + (size_t)entry->record_size + more;
    sluice_status st =
        read_frame(queue, entry->record, entry->id, size, errors, &fetched->buffer, ret_frame);

    if (st != SLUICE_OK)
        return st;
    if (ret_frame->record_size != entry->record_size)
        return damaged(errors, entry->id, entry->record, "header");
    return check_record(ret_frame, entry->record, fetched->buffer, errors, &fetched->record);
}

/* The content of a message that was updated: how long the record before it is, says its header. */
static sluice_status fetch_content(const struct sluice_queue *queue,
                                   const struct index_entry *entry,
                                   const struct sluice_errors *errors, struct fetched *fetched)
{
    struct frame frame = {0};
    uint8_t *header;
    sluice_status st =
        read_frame(queue, entry->put, entry->id, FORMAT_FRAME_SIZE, errors, &header, &frame);

    if (st != SLUICE_OK)
        return st;
    free(header);
    if (frame.content_size != entry->content_size || frame.is_large)
        return damaged(errors, entry->id, entry->put, "header");
    st = read_frame(queue, entry->put, entry->id, (size_t)frame_size(&frame), errors,
                    &fetched->buffer_of_content, &frame);
    if (st != SLUICE_OK)
        return st;
    return check_content(&frame, entry->put, fetched->buffer_of_content, errors, &fetched->content);
}

static bool is_updated(const struct index_entry *entry)
{
    return entry->put.segment != entry->record.segment || entry->put.offset != entry->record.offset;
}

static sluice_status fetch(const struct sluice_queue *queue, const struct index_entry *entry,
                           bool with_content, const struct sluice_errors *errors,
                           struct fetched *fetched)
{
    bool is_together = !entry->is_large && !is_updated(entry);
    size_t more = with_content && is_together ? (size_t)entry->content_size : 0;
    struct frame frame = {0};
    sluice_status st = fetch_record(queue, entry, more, errors, fetched, &frame);

    if (st != SLUICE_OK || !with_content)
        return st;
    if (entry->is_large)
        return large_find(&queue->large, entry->id, entry->content_size, errors,
                          &fetched->content_fd);
    if (!is_together)
        return fetch_content(queue, entry, errors, fetched);
    if (frame.content_size != entry->content_size)
        return damaged(errors, entry->id, entry->put, "header");
    return check_content(&frame, entry->put, fetched->buffer, errors, &fetched->content);
}

static sluice_status give(const struct index_entry *entry, const struct fetched *fetched,
                          const struct sluice_queue_sink *sink)
{
    sluice_status st =
        sink->message(sink, entry->id, entry->flags, fetched->record, entry->content_size);

    if (st != SLUICE_OK || sink->content == NULL)
        return st;
    if (fetched->content_fd != -1)
        return sink->content_file(sink, fetched->content_fd, entry->content_size);
    return sink->content(sink, fetched->content);
}

bool log_find_entry(struct sluice_queue *queue, uint64_t id, struct index_entry *ret_entry)
{
    const struct index_entry *entry;

    pthread_rwlock_rdlock(&queue->guard);
    entry = index_find(&queue->ledger.index, id);
    if (entry != NULL)
        *ret_entry = *entry;
    pthread_rwlock_unlock(&queue->guard);
    return entry != NULL;
}

static bool has_moved(struct sluice_queue *queue, const struct index_entry *entry)
{
    struct index_entry now;

    return !log_find_entry(queue, entry->id, &now) || now.put.segment != entry->put.segment ||
           now.put.offset != entry->put.offset || now.record.segment != entry->record.segment ||
           now.record.offset != entry->record.offset;
}

static sluice_status read_entry(const struct sluice_queue *queue, const struct index_entry *entry,
                                const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors, bool *ret_is_fetched)
{
    struct fetched fetched = {.content_fd = -1};
    sluice_status st = fetch(queue, entry, sink->content != NULL, errors, &fetched);

    *ret_is_fetched = st == SLUICE_OK;
    if (st == SLUICE_OK)
        st = give(entry, &fetched, sink);
    fetched_done(&fetched);
    return st;
}

/* What cannot be read is said of a message that has not moved meanwhile. */
sluice_status log_read(struct sluice_queue *queue, uint64_t id,
                       const struct sluice_queue_sink *sink, const struct sluice_errors *errors)
{
    struct index_entry entry;
    bool is_fetched;
    sluice_status st;
    int tries = 0;

    do {
        if (!log_find_entry(queue, id, &entry))
            return SLUICE_NOT_FOUND;
        st = read_entry(queue, &entry, sink, NULL, &is_fetched);
    } while (!is_fetched && has_moved(queue, &entry) && ++tries < READ_TRIES);
    if (!is_fetched)
        st = read_entry(queue, &entry, sink, errors, &is_fetched);
    if (!is_fetched && st == SLUICE_NOT_FOUND)
        return gone(errors, &entry);
    return st;
}

sluice_status log_read_record(struct sluice_queue *queue, const struct index_entry *entry,
                              const struct sluice_errors *errors, uint8_t **ret_memory,
                              const uint8_t **ret_record)
{
    struct fetched fetched = {.content_fd = -1};
    struct frame frame = {0};
    sluice_status st = fetch_record(queue, entry, 0, NULL, &fetched, &frame);

    if (st == SLUICE_OK) {
        *ret_memory = fetched.buffer;
        *ret_record = (const uint8_t *)fetched.record.ptr;
        return SLUICE_OK;
    }
    fetched_done(&fetched);
    return has_moved(queue, entry) ? SLUICE_NOT_FOUND
                                   : damaged(errors, entry->id, entry->record, "record");
}

/* ---- the scan ------------------------------------------------------------------------------- */

static sluice_status give_record(const struct index_entry *entry, struct sluice_span record,
                                 const struct sluice_queue_sink *sink)
{
    return sink->message(sink, entry->id, entry->flags, record, entry->content_size);
}

/* What cannot be read is explained; the others can be all the same. */
static sluice_status scan_entry(const struct sluice_queue *queue, const struct index_entry *entry,
                                const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors)
{
    struct fetched fetched = {.content_fd = -1};
    struct frame frame = {0};
    sluice_status st = fetch_record(queue, entry, 0, errors, &fetched, &frame);

    if (st == SLUICE_NOT_FOUND)
        (void)damaged(errors, entry->id, entry->record, "segment is gone");
    st = st == SLUICE_OK ? give_record(entry, fetched.record, sink) : SLUICE_OK;
    fetched_done(&fetched);
    return st;
}

/* Where the checkpoint's frame is the last word on its message. */
static sluice_status scan_frame(const struct sluice_queue *queue, struct checkpoint *checkpoint,
                                const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors)
{
    const struct frame *frame = &checkpoint->frame;
    const struct index_entry *entry = index_find(&queue->ledger.index, frame->id);
    const uint8_t *record;

    if (frame->type == FRAME_COMMIT || entry == NULL ||
        entry->record.segment != checkpoint->header.number ||
        entry->record.offset != checkpoint->offset)
        return SLUICE_OK;
    record = checkpoint_record(checkpoint);
    if (record == NULL)
        return scan_entry(queue, entry, sink, errors);
    return give_record(entry, span_at(record, frame->record_size), sink);
}

static sluice_status scan_checkpoint(const struct sluice_queue *queue, struct segment *segment,
                                     const struct sluice_queue_sink *sink,
                                     const struct sluice_errors *errors)
{
    struct checkpoint checkpoint;
    sluice_status st = SLUICE_OK;

    segment->scanned = 0;
    if (!segment->has_checkpoint ||
        checkpoint_open(queue->folder, segment->number, segment->salt, &checkpoint) != SLUICE_OK)
        return SLUICE_OK;
    while (st == SLUICE_OK && checkpoint_next(&checkpoint))
        st = scan_frame(queue, &checkpoint, sink, errors);
    segment->scanned = checkpoint.next_offset;
    checkpoint_close(&checkpoint);
    return st;
}

/* What the checkpoints have not given. Neighbours in the index mostly lie in the same segment. */
static sluice_status scan_index(const struct sluice_queue *queue,
                                const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors)
{
    const struct segment *segment = NULL;
    const struct index_entry *entry;
    uint32_t cursor = 0;
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && (entry = index_next(&queue->ledger.index, &cursor)) != NULL) {
        if (segment == NULL || segment->number != entry->record.segment)
            segment = ledger_find_segment(&queue->ledger, entry->record.segment);
        if (segment == NULL || entry->record.offset >= segment->scanned)
            st = scan_entry(queue, entry, sink, errors);
    }
    return st;
}

/* apply never runs during a scan, so all stands still. A million records come in order from the
 * checkpoints, not from a million places. */
sluice_status log_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                       const struct sluice_errors *errors)
{
    sluice_status st = SLUICE_OK;

    for (struct segment *segment = queue->ledger.segments; st == SLUICE_OK && segment != NULL;
         segment = segment->hh.next)
        st = scan_checkpoint(queue, segment, sink, errors);
    return st == SLUICE_OK ? scan_index(queue, sink, errors) : st;
}
