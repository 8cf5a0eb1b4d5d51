/* SPDX-License-Identifier: ISC */
/* compact: empties segments that hold little that is needed. */
#include "compact.h"

#include "append.h"
#include "log.h"

#include "../common/failure.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WASTE_PART 5 /* worth it from a fifth of what is live on, two segments at least, ... */
#define GAIN_PART 16 /* ... and where a victim gives at least a sixteenth of its size */
#define WINDOW_SIZE ((size_t)1 << 20)
#define SLICE_BYTES                                                                                \
    ((uint64_t)512 << 10) /* in one batch, as commits wait for it; unless a frame is longer */
#define SLICE_ITEMS 1024

/* A frame that is to be written again. */
struct item {
    struct frame frame;
    uint64_t offset;          /* where it lies in the victim */
    struct index_entry entry; /* as it was when the frame was looked at; not of a REMOVE */
    const uint8_t *record;
    const uint8_t *content;
    uint8_t *owned;  /* the record of another segment */
    bool is_dropped; /* not needed after all */
};

struct slice {
    struct item items[SLICE_ITEMS];
    size_t count;
    size_t taken; /* into the batch, but for those that are dropped */
    uint64_t bytes;
    uint64_t offset; /* where it ends in the victim */
};

void compaction_done(struct compaction *compaction)
{
    free(compaction->window);
}

static void slice_free(struct slice *slice)
{
    for (size_t i = 0; i < slice->count; i++)
        free(slice->items[i].owned);
    free(slice);
}

/* ---- the victim ------------------------------------------------------------------------------ */

/* One in which nothing is live is given up, if that can be done, and not read again and again. */
static bool is_movable(const struct sluice_queue *queue, const struct segment *segment)
{
    return segment != queue->current && segment->frames > 0 && segment->live > 0 &&
           !segment->is_damaged && !segment->is_retired && !segment->is_stuck &&
           !ledger_is_held(&queue->ledger, segment);
}

/* Less of it is live, for its size. */
static bool is_better(const struct segment *segment, const struct segment *than)
{
    return than == NULL || segment->live * than->size < than->live * segment->size;
}

/* A batch that failed may have left more REMOVEs in the count than there are. */
static uint64_t waste_of(const struct segment *segment)
{
    return segment->live < segment->size ? segment->size - segment->live : 0;
}

/* Without what is kept back no mail is taken: then any gain will do. */
static bool is_worth_it(const struct sluice_queue *queue, uint64_t live, uint64_t waste)
{
    return !queue->reserve.is_whole || !queue->room.is_whole ||
           (waste >= live / WASTE_PART && waste >= 2 * queue->segment_size);
}

/* With the lock. NULL: it is not worth it. */
static const struct segment *find_victim(const struct sluice_queue *queue)
{
    const struct segment *victim = NULL;
    uint64_t live = 0;
    uint64_t waste = 0;

    for (const struct segment *segment = queue->ledger.segments; segment != NULL;
         segment = segment->hh.next) {
        if (!is_movable(queue, segment))
            continue;
        live += segment->live;
        waste += waste_of(segment);
        if (is_better(segment, victim))
            victim = segment;
    }
    if (victim == NULL || !is_worth_it(queue, live, waste) ||
        waste_of(victim) < victim->size / GAIN_PART)
        return NULL;
    return victim;
}

static bool choose(struct sluice_queue *queue)
{
    struct compaction *compaction = &queue->compaction;
    const struct segment *victim;

    log_lock(queue);
    victim = find_victim(queue);
    if (victim != NULL) {
        compaction->victim = victim->number;
        compaction->salt = victim->salt;
        compaction->offset = FORMAT_HEADER_SIZE;
        compaction->end = victim->end;
        compaction->is_again = false;
        compaction->has_skipped = false;
        compaction->is_broken = false;
    }
    log_unlock(queue);
    return victim != NULL;
}

/* A victim that is broken is left as it is, unless somebody has removed all of it in the meantime. */
static sluice_status give_up(struct sluice_queue *queue, sluice_status st)
{
    struct segment *victim;

    if (!queue->compaction.is_broken)
        return st; /* no memory: later */
    log_lock(queue);
    victim = ledger_find_segment(&queue->ledger, queue->compaction.victim);
    if (victim == NULL || victim->is_retired)
        st = SLUICE_OK;
    else
        victim->is_stuck = true;
    log_unlock(queue);
    queue->compaction.victim = 0;
    return st;
}

/* ---- reading, without the lock --------------------------------------------------------------- */

static sluice_status unreadable(struct sluice_queue *queue, const char *what,
                                const struct sluice_errors *errors)
{
    queue->compaction.is_broken = true;
    return failure(errors, SLUICE_TEMP, "4.3.0", "segment %08x is damaged (%s) and stays as it is",
                   queue->compaction.victim, what);
}

static bool is_same(struct place a, struct place b)
{
    return a.segment == b.segment && a.offset == b.offset;
}

/* The frame as it is to be written; false if nobody needs it. entry: NULL: there is no such message. */
static bool plan(struct item *item, const struct index_entry *entry, struct place place)
{
    switch (item->frame.type) {
    case FRAME_PUT:
    case FRAME_COPY:
        if (entry == NULL || !is_same(entry->put, place))
            return false;
        item->frame.type = FRAME_COPY;
        break;
    case FRAME_UPDATE: /* the COPY takes it along if the PUT is here, too */
        if (entry == NULL || !is_same(entry->record, place) || entry->put.segment == place.segment)
            return false;
        break;
    case FRAME_REMOVE:
        return entry == NULL && item->frame.origin != 0;
    default:
        return false;
    }
    item->entry = *entry;
    item->frame.flags = entry->flags;
    return true;
}

/* The record that counts lies elsewhere. */
static sluice_status fetch_record(struct sluice_queue *queue, struct item *item,
                                  const struct sluice_errors *errors)
{
    sluice_status st = log_read_record(queue, &item->entry, errors, &item->owned, &item->record);

    if (st == SLUICE_OK) {
        item->frame.record_size = item->entry.record_size;
        item->frame.record_crc = format_crc(item->record, item->frame.record_size);
    } else if (st != SLUICE_NOT_FOUND) {
        queue->compaction.is_broken = true;
    }
    return st;
}

/* Record and content of a frame, the whole of which lies at bytes. */
static sluice_status take_payload(struct sluice_queue *queue, struct item *item,
                                  const uint8_t *bytes, struct place place,
                                  const struct sluice_errors *errors)
{
    struct frame *frame = &item->frame;

    item->record = bytes + FORMAT_FRAME_SIZE;
    item->content = item->record + frame->record_size;
    if (format_crc(item->content, (size_t)frame_inline_size(frame)) != frame->content_crc)
        return unreadable(queue, "content", errors);
    if (frame->type == FRAME_COPY && !is_same(item->entry.record, place))
        return fetch_record(queue, item, errors);
    if (format_crc(item->record, frame->record_size) != frame->record_crc)
        return unreadable(queue, "record", errors);
    return SLUICE_OK;
}

static sluice_status look_at(struct sluice_queue *queue, const struct frame *frame,
                             const uint8_t *bytes, struct place place, struct slice *slice,
                             const struct sluice_errors *errors)
{
    struct item *item = &slice->items[slice->count];
    struct index_entry entry;
    bool is_there;
    sluice_status st;

    if (frame->type == FRAME_REMOVE && queue->compaction.is_again)
        return SLUICE_OK;
    *item = (struct item){.frame = *frame, .offset = place.offset};
    is_there = log_find_entry(queue, frame->id, &entry);
    if (!plan(item, is_there ? &entry : NULL, place))
        return SLUICE_OK;
    st = take_payload(queue, item, bytes, place, errors);
    if (st == SLUICE_NOT_FOUND) { /* changed meanwhile */
        queue->compaction.has_skipped = true;
        return SLUICE_OK;
    }
    if (st != SLUICE_OK)
        return st;
    slice->count++;
    slice->bytes += frame_size(&item->frame);
    return SLUICE_OK;
}

/* Frames of the window, as many as belong into one batch. */
static sluice_status look_through(struct sluice_queue *queue, size_t filled, struct slice *slice,
                                  const struct sluice_errors *errors)
{
    struct compaction *compaction = &queue->compaction;
    size_t at = 0;
    sluice_status st = SLUICE_OK;

    while (st == SLUICE_OK && at < filled && slice->count < SLICE_ITEMS &&
           slice->bytes < SLICE_BYTES) {
        struct place place = {compaction->victim, (uint32_t)(compaction->offset + at)};
        struct frame frame = {0};

        if (filled - at < FORMAT_FRAME_SIZE)
            break;
        if (!format_parse_frame(compaction->window + at, compaction->salt, &frame) ||
            frame_size(&frame) > compaction->end - place.offset)
            return unreadable(queue, "header", errors);
        if (frame_size(&frame) > filled - at)
            break;
        st = look_at(queue, &frame, compaction->window + at, place, slice, errors);
        at += (size_t)frame_size(&frame);
    }
    slice->offset = compaction->offset + at;
    return st;
}

static sluice_status fill_window(struct sluice_queue *queue, size_t size,
                                 const struct sluice_errors *errors)
{
    struct compaction *compaction = &queue->compaction;
    sluice_status st;
    int fd;

    if (size > compaction->window_size) {
        uint8_t *window = realloc(compaction->window, size);

        if (window == NULL)
            return failure(errors, SLUICE_TEMP, "4.3.0", "no memory to compact the store");
        compaction->window = window;
        compaction->window_size = size;
    }
    st = segment_open(queue->folder, compaction->victim, O_RDONLY, NULL, &fd);
    if (st != SLUICE_OK)
        return unreadable(queue, "it cannot be opened", errors);
    st = segment_read(fd, compaction->window, size, compaction->offset, NULL);
    close(fd);
    return st == SLUICE_OK ? st : unreadable(queue, "the disk cannot read it", errors);
}

/* The length of the frame that the window begins with. */
static size_t first_frame(const struct compaction *compaction)
{
    struct frame frame = {0};

    (void)format_parse_frame(compaction->window, compaction->salt,
                             &frame); /* it was found before */
    return (size_t)frame_size(&frame);
}

static sluice_status read_slice(struct sluice_queue *queue, struct slice *slice,
                                const struct sluice_errors *errors)
{
    const struct compaction *compaction = &queue->compaction;
    uint64_t left = compaction->end - compaction->offset;
    size_t size = left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE;
    sluice_status st = fill_window(queue, size, errors);

    if (st == SLUICE_OK)
        st = look_through(queue, size, slice, errors);
    if (st != SLUICE_OK || slice->offset > compaction->offset)
        return st;
    if (size < FORMAT_FRAME_SIZE)
        return unreadable(queue, "end", errors);
    size = first_frame(compaction); /* is longer than the window */
    st = fill_window(queue, size, errors);
    return st == SLUICE_OK ? look_through(queue, size, slice, errors) : st;
}

/* ---- writing, with the lock ------------------------------------------------------------------ */

/* Still as it was looked at. */
static bool is_still_needed(struct sluice_queue *queue, const struct item *item)
{
    const struct index_entry *entry = index_find(&queue->ledger.index, item->frame.id);
    uint32_t victim = queue->compaction.victim;

    if (item->frame.type == FRAME_REMOVE)
        return entry == NULL && ledger_find_segment(&queue->ledger, item->frame.origin) != NULL;
    if (entry == NULL)
        return false;
    if (is_same(entry->put, item->entry.put) && is_same(entry->record, item->entry.record))
        return true;
    if (entry->put.segment == victim || entry->record.segment == victim)
        queue->compaction.has_skipped = true;
    return false;
}

/* To the end of the current segment, so that none is left half empty; or of another one. */
static uint64_t room_for_batch(const struct sluice_queue *queue, const struct item *first)
{
    const struct segment *current = queue->current;

    if (current != NULL &&
        current->size - current->end >= frame_size(&first->frame) + FORMAT_FRAME_SIZE)
        return current->size - current->end;
    return queue->segment_size - FORMAT_HEADER_SIZE;
}

/* What is still needed and fits, at least one frame of it; the rest is for another slice. Returns the size of the
 * batch. */
static uint64_t sift(struct sluice_queue *queue, struct slice *slice, size_t *ret_count)
{
    uint64_t size = FORMAT_FRAME_SIZE; /* COMMIT */
    uint64_t room = 0;

    *ret_count = 0;
    for (size_t i = 0; i < slice->count; i++) {
        struct item *item = &slice->items[i];

        item->is_dropped = !is_still_needed(queue, item);
        if (item->is_dropped)
            continue;
        if (*ret_count == 0)
            room = room_for_batch(queue, item);
        else if (size + frame_size(&item->frame) > room) {
            slice->taken = i;
            slice->offset = item->offset;
            return size;
        }
        size += frame_size(&item->frame);
        ++*ret_count;
    }
    slice->taken = slice->count;
    return size;
}

static void build(struct sluice_queue *queue, struct slice *slice, size_t count)
{
    const struct frame commit = {
        .type = FRAME_COMMIT, .position = (uint32_t)count, .sequence = queue->next};
    uint8_t *out = queue->buffer;
    uint32_t position = 0;

    for (size_t i = 0; i < slice->taken; i++) {
        struct item *item = &slice->items[i];

        if (item->is_dropped)
            continue;
        item->frame.position = position++;
        item->frame.sequence = queue->next;
        out = format_whole_frame(out, queue->current->salt, &item->frame, item->record,
                                 item->content);
    }
    format_frame(out, queue->current->salt, &commit);
}

static sluice_status write_slice(struct sluice_queue *queue, struct slice *slice,
                                 const struct sluice_errors *errors)
{
    size_t count;
    uint64_t size = sift(queue, slice, &count);
    sluice_status st;

    if (count == 0)
        return SLUICE_OK;
    st = append_begin(queue, size, count, APPEND_COPIES, errors);
    if (st != SLUICE_OK)
        return st;
    build(queue, slice, count);
    return append_finish(queue, (size_t)size, APPEND_COPIES, errors);
}

/* All of the victim has been looked at. */
static sluice_status finish(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    struct compaction *compaction = &queue->compaction;
    struct segment *victim = ledger_find_segment(&queue->ledger, compaction->victim);

    if (compaction->has_skipped) {
        compaction->offset = FORMAT_HEADER_SIZE;
        compaction->is_again = true;
        compaction->has_skipped = false;
        return SLUICE_OK;
    }
    if (victim != NULL && victim->used > 0)
        return unreadable(queue, "not all that it should hold is in it", errors);
    if (victim != NULL)
        ledger_drop_removes(&queue->ledger, victim);
    compaction->victim = 0;
    return SLUICE_OK;
}

static sluice_status move_slice(struct sluice_queue *queue, struct slice *slice,
                                const struct sluice_errors *errors)
{
    struct compaction *compaction = &queue->compaction;
    sluice_status st = read_slice(queue, slice, errors);

    if (st != SLUICE_OK)
        return give_up(queue, st);
    log_lock(queue);
    st = write_slice(queue, slice, errors);
    if (st == SLUICE_OK)
        compaction->offset = slice->offset;
    log_unlock(queue);
    if (st != SLUICE_OK || compaction->offset < compaction->end)
        return st;
    log_lock(queue);
    st = finish(queue, errors);
    log_unlock(queue);
    return st == SLUICE_OK ? st : give_up(queue, st);
}

sluice_status log_compact(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    struct slice *slice;
    sluice_status st;

    if (queue->compaction.victim == 0 && !choose(queue))
        return SLUICE_NOT_FOUND;
    slice = malloc(sizeof(*slice));
    if (slice == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory to compact the store");
    slice->count = 0;
    slice->bytes = 0;
    st = move_slice(queue, slice, errors);
    slice_free(slice);
    return st;
}
