/* SPDX-License-Identifier: ISC */
/*
 * replay: enters what a segment says into the ledger, at the start.
 *
 * From its checkpoint, or else from the segment itself.
 *
 * What counts as a batch, and what as damage. A batch is only begun when the one before it was
 * synced, so whatever can be followed by a batch is known to have been written: by a later batch
 * in the segment, or by the next segment, whose header says up to which batch. Such a batch is
 * entered even if parts of it are unreadable; these are explained, and the segment is kept for
 * whoever looks into it. The others, the last of their segment, were never acknowledged: one that
 * is whole is entered, one that is not is a torn write, and one that the next header calls void is
 * not looked at.
 */
#include "log.h"

#include "checkpoint.h"
#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct pending {
    struct frame frame;
    uint32_t offset;
    bool is_readable; /* the checksums of record and content agree */
};

struct replay {
    struct sluice_queue *queue;
    const struct sluice_errors *errors;
    const struct head *head;
    struct segment *segment;
    uint8_t *data;          /* the segment's file */
    bool has_next;          /* there is a later segment ... */
    uint64_t next_durable;  /* ... whose header says that batches up to here were written */
    bool is_consecutive;    /* ... and it is the very next one */
    bool is_torn;           /* something was left out as never acknowledged */
    uint64_t last_begin;    /* of the last batch that counts */
    struct pending *frames; /* of the batch that is being read */
    size_t count;
    size_t capacity;
};

/* What lies at that place of the segment's file is not what it should be. */
static void note_damage(struct replay *replay, uint64_t at, const char *what)
{
    char name[NAME_SIZE];

    replay->segment->is_damaged = true;
    name_format(name, NAME_SEGMENT, replay->head->number);
    (void)failure(replay->errors, SLUICE_TEMP, "4.3.0", "%s is damaged at %llu: %s", name,
                  (unsigned long long)at, what);
}

static void note_lost(struct replay *replay, uint64_t first, uint64_t last)
{
    char what[80];

    (void)snprintf(what, sizeof(what), "nothing can be read of batches %llu to %llu",
                   (unsigned long long)first, (unsigned long long)last);
    note_damage(replay, replay->segment->end, what);
}

static bool is_payload_readable(const uint8_t *bytes, const struct frame *frame)
{
    const uint8_t *record = bytes + FORMAT_FRAME_SIZE;
    const uint8_t *content = record + frame->record_size;

    return format_crc(record, frame->record_size) == frame->record_crc &&
           format_crc(content, (size_t)frame_inline_size(frame)) == frame->content_crc;
}

/* A frame of this segment at offset, the whole of it inside the file. */
static bool find_frame(const struct replay *replay, uint64_t offset, struct frame *ret_frame)
{
    uint64_t left = replay->head->size - offset;

    return left >= FORMAT_FRAME_SIZE &&
           format_parse_frame(replay->data + offset, replay->head->header.salt, ret_frame) &&
           ret_frame->type >= FRAME_PUT && ret_frame->type <= FRAME_TYPE_MAX &&
           ret_frame->record_size <= left && frame_inline_size(ret_frame) <= left &&
           frame_size(ret_frame) <= left;
}

/* The first frame at or after offset; size of the file if there is none. */
static uint64_t next_frame(const struct replay *replay, uint64_t offset, struct frame *ret_frame)
{
    const struct head *head = replay->head;

    for (; offset + FORMAT_FRAME_SIZE <= head->size; offset += FORMAT_ALIGNMENT) {
        if (format_peek_salt(replay->data + offset) == head->header.salt &&
            find_frame(replay, offset, ret_frame))
            return offset;
    }
    return head->size;
}

static sluice_status enter(struct replay *replay, const struct frame *frame, uint64_t offset)
{
    struct ledger *ledger = &replay->queue->ledger;
    struct place place = {replay->head->number, (uint32_t)offset};
    sluice_status st = index_reserve(&ledger->index, 1);

    if (st == SLUICE_OK)
        st = ledger_prepare(ledger, replay->segment, frame);
    if (st != SLUICE_OK)
        return failure(replay->errors, st, "4.3.0", "no memory for the index");
    ledger_enter(ledger, frame, place);
    return SLUICE_OK;
}

/* Batches up to this one count. */
static void note_last(struct replay *replay, uint64_t last, uint64_t end)
{
    struct sluice_queue *queue = replay->queue;

    replay->segment->last = last;
    replay->segment->end = end;
    if (last > queue->durable)
        queue->durable = last;
    if (last >= queue->next)
        queue->next = last + 1;
}

/* Where something of the batch is missing or unreadable; 0: nowhere. It began where the one before ended. */
static uint64_t find_defect(const struct replay *replay)
{
    uint64_t end = replay->segment->end;

    for (size_t i = 0; i < replay->count; i++) {
        const struct pending *pending = &replay->frames[i];

        if (pending->frame.position != i)
            return end;
        if (!pending->is_readable)
            return pending->offset;
        end = pending->offset + frame_size(&pending->frame);
    }
    return replay->frames[replay->count - 1].frame.type == FRAME_COMMIT ? 0 : end;
}

/* An unreadable UPDATE leaves the record that was there before, and an unreadable COPY the message. */
static bool counts(const struct replay *replay, const struct pending *pending)
{
    if (pending->is_readable)
        return true;
    return pending->frame.type != FRAME_UPDATE &&
           (pending->frame.type != FRAME_COPY ||
            index_find(&replay->queue->ledger.index, pending->frame.id) == NULL);
}

/* A message with an unreadable part stays in the ledger, so that it is listed. */
static sluice_status enter_frames(struct replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        const struct pending *pending = &replay->frames[i];
        sluice_status st = SLUICE_OK;

        if (counts(replay, pending))
            st = enter(replay, &pending->frame, pending->offset);
        if (st != SLUICE_OK)
            return st;
    }
    return SLUICE_OK;
}

/* The batch in frames is over. has_follower: a later one stands in the same segment. */
static sluice_status close_batch(struct replay *replay, bool has_follower)
{
    struct segment *segment = replay->segment;
    uint64_t sequence;
    sluice_status st = SLUICE_OK;
    uint64_t defect;
    bool is_void;
    bool is_known;

    if (replay->count == 0)
        return SLUICE_OK;
    sequence = replay->frames[0].frame.sequence;
    is_void = replay->has_next && sequence > replay->next_durable;
    is_known = has_follower || replay->has_next;
    defect = find_defect(replay);
    if (is_void || (!is_known && defect != 0)) {
        replay->is_torn = true;
    } else {
        const struct pending *last = &replay->frames[replay->count - 1];

        if (sequence > segment->last + 1)
            note_lost(replay, segment->last + 1, sequence - 1);
        if (defect != 0)
            note_damage(replay, defect, "a part of a batch cannot be read");
        st = enter_frames(replay);
        segment->frames += replay->count;
        replay->last_begin = replay->frames[0].offset;
        note_last(replay, sequence, last->offset + frame_size(&last->frame));
    }
    if (sequence >= replay->queue->next)
        replay->queue->next = sequence + 1;
    replay->count = 0;
    return st;
}

static sluice_status add_frame(struct replay *replay, const struct frame *frame, uint64_t offset)
{
    const uint8_t *bytes = replay->data + offset;

    if (replay->count > 0 && frame->sequence != replay->frames[0].frame.sequence) {
        sluice_status st = close_batch(replay, true);

        if (st != SLUICE_OK)
            return st;
    }
    if (replay->count == replay->capacity) {
        size_t capacity = replay->capacity * 2 + 64;
        struct pending *frames = realloc(replay->frames, capacity * sizeof(*frames));

        if (frames == NULL)
            return failure(replay->errors, SLUICE_TEMP, "4.3.0", "no memory for a batch");
        replay->frames = frames;
        replay->capacity = capacity;
    }
    replay->frames[replay->count++] =
        (struct pending){*frame, (uint32_t)offset, is_payload_readable(bytes, frame)};
    return SLUICE_OK;
}

static sluice_status walk(struct replay *replay)
{
    uint64_t offset = FORMAT_HEADER_SIZE;
    sluice_status st = SLUICE_OK;
    struct frame frame = {0};

    while (st == SLUICE_OK) {
        offset = next_frame(replay, offset, &frame);
        if (offset == replay->head->size)
            break;
        st = add_frame(replay, &frame, offset);
        offset += frame_size(&frame);
    }
    if (st == SLUICE_OK)
        st = close_batch(replay, false);
    if (st == SLUICE_OK && replay->is_consecutive && replay->next_durable > replay->segment->last)
        note_lost(replay, replay->segment->last + 1, replay->next_durable);
    free(replay->frames);
    return st;
}

/* ---- the end of the last segment ------------------------------------------------------------- */

static bool is_zero(const uint8_t *data, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

/* Batches may go on in it if nothing follows those that were read: neither a torn write, whatever
 * that may still turn into, nor what the file was used for before, which could hide one. One that
 * has a checkpoint was left; the checkpoint says that nothing follows. */
static bool is_clean(const struct replay *replay)
{
    const struct segment *segment = replay->segment;
    char name[NAME_SIZE];

    name_format(name, NAME_CHECKPOINT, segment->number);
    return !replay->is_torn && !segment->is_damaged &&
           is_zero(replay->data, segment->end, replay->head->size) &&
           faccessat(replay->queue->folder, name, F_OK, 0) == -1 && errno == ENOENT;
}

/* What was read may not have reached the disk yet, and others will rely on it. A sync may even have failed,
 * and then there is nothing left to do for the next one, unless all that may be missing is written
 * again: the header, and the last batch, since each was only begun when the one before was synced. */
static sluice_status sync_again(const struct replay *replay, int fd)
{
    const struct segment *segment = replay->segment;
    sluice_status st = SLUICE_OK;

    if (!segment->is_damaged)
        st = folder_write(fd, replay->data, FORMAT_HEADER_SIZE, 0);
    if (st == SLUICE_OK && !segment->is_damaged && segment->frames > 0)
        st = folder_write(fd, replay->data + replay->last_begin,
                          segment->end - replay->last_begin, replay->last_begin);
    if (st != SLUICE_OK || fsync(fd) == -1)
        return failure_errno(replay->errors, "cannot sync", "the last segment");
    return SLUICE_OK;
}

/* A segment of an older version is left as it is: what knows that version only can still read it. The next
 * one makes void only what was seen here: it must outlive this segment then, and is not compacted before. */
static sluice_status take_up(struct replay *replay)
{
    struct sluice_queue *queue = replay->queue;
    bool may_follow = is_clean(replay);
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, replay->head->number, O_RDWR, replay->errors, &fd);
    if (st != SLUICE_OK)
        return st;
    st = sync_again(replay, fd);
    if (st != SLUICE_OK) {
        close(fd);
        return st;
    }
    if (may_follow && replay->head->header.version == FORMAT_VERSION) {
        queue->current = replay->segment;
        queue->current_fd = fd;
        return SLUICE_OK;
    }
    close(fd);
    if (!replay->is_torn && !replay->segment->is_damaged)
        return SLUICE_OK;
    queue->void_number = replay->head->number;
    if (queue->next < queue->durable + 2)
        queue->next = queue->durable + 2;
    return SLUICE_OK;
}

/* ---- a segment ------------------------------------------------------------------------------- */

static sluice_status replay_file(struct replay *replay)
{
    struct sluice_queue *queue = replay->queue;
    uint64_t size;
    uint64_t hole;
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, replay->head->number, O_RDONLY, replay->errors, &fd);
    if (st != SLUICE_OK)
        return st == SLUICE_NOT_FOUND ? SLUICE_TEMP : st;
    st = segment_load(fd, replay->errors, &replay->data, &size, &hole);
    close(fd);
    if (st != SLUICE_OK)
        return st;
    if (hole < size)
        note_damage(replay, hole, "the disk cannot read it");
    if (replay->head->is_made_up)
        note_damage(replay, 0, "its header cannot be read");
    st = walk(replay);
    if (st == SLUICE_OK && !replay->has_next && !queue->is_examined)
        st = take_up(replay);
    free(replay->data);
    return st;
}

static bool is_complete(const struct replay *replay, const struct checkpoint *checkpoint)
{
    return !replay->is_consecutive || checkpoint->header.last >= replay->next_durable;
}

/* NOT_FOUND: there is none that is of use. The last segment is read itself: how it ends counts. */
static sluice_status replay_checkpoint(struct replay *replay)
{
    struct segment *segment = replay->segment;
    struct checkpoint checkpoint;
    sluice_status st = SLUICE_NOT_FOUND;

    if (replay->has_next && !replay->head->is_made_up && !replay->queue->is_examined)
        st = checkpoint_open(replay->queue->folder, segment->number, segment->salt, &checkpoint);
    if (st == SLUICE_TEMP)
        return failure(replay->errors, st, "4.3.0", "no memory for a checkpoint");
    if (st != SLUICE_OK)
        return st;
    if (!is_complete(replay, &checkpoint)) {
        checkpoint_close(&checkpoint);
        return SLUICE_NOT_FOUND;
    }
    while (st == SLUICE_OK && checkpoint_next(&checkpoint))
        st = enter(replay, &checkpoint.frame, checkpoint.offset);
    if (st == SLUICE_OK && checkpoint.taken < checkpoint.header.count)
        st = failure(replay->errors, SLUICE_TEMP, "4.3.0", "cannot read checkpoint %08x",
                     segment->number);
    note_last(replay, checkpoint.header.last, checkpoint.header.end);
    segment->frames = checkpoint.header.count;
    segment->has_checkpoint = true;
    checkpoint_close(&checkpoint);
    return st;
}

static sluice_status enter_header(struct replay *replay, uint32_t previous)
{
    struct sluice_queue *queue = replay->queue;
    const struct segment_header *header = &replay->head->header;
    sluice_status st =
        ledger_add_segment(&queue->ledger, header, replay->head->size, &replay->segment);

    if (st == SLUICE_OK && previous != 0 && header->first > header->durable + 1)
        st = ledger_add_need(replay->segment, previous);
    if (st != SLUICE_OK)
        return failure(replay->errors, st, "4.3.0", "no memory for a segment");
    if (header->durable > queue->durable)
        queue->durable = header->durable;
    if (header->first > queue->next)
        queue->next = header->first;
    return SLUICE_OK;
}

sluice_status log_replay(struct sluice_queue *queue, const struct head *head,
                         const struct head *next, uint32_t previous,
                         const struct sluice_errors *errors, bool *ret_is_damaged)
{
    struct replay replay = {.queue = queue,
                            .errors = errors,
                            .head = head,
                            .has_next = next != NULL,
                            .next_durable = next != NULL ? next->header.durable : 0,
                            .is_consecutive = next != NULL && next->number == head->number + 1};
    sluice_status st = enter_header(&replay, previous);

    if (st == SLUICE_OK)
        st = replay_checkpoint(&replay);
    if (st == SLUICE_NOT_FOUND)
        st = replay_file(&replay);
    if (st == SLUICE_OK && replay.segment->is_damaged)
        *ret_is_damaged = true;
    return st;
}
