/* SPDX-License-Identifier: ISC */
/*
 * replay: reads all segments at the start and enters what they say into the ledger.
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

#include "../common/failure.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct pending {
    struct frame frame;
    uint32_t offset;
    bool is_readable; /* the checksums of record and content agree */
};

/* A segment file in memory. */
struct loaded {
    uint32_t number;
    bool has_header;
    bool is_whole; /* the disk could read all of it */
    struct segment_header header;
    uint8_t *data;
    uint64_t size;
};

struct replay {
    struct sluice_queue *queue;
    const struct sluice_errors *errors;
    const struct loaded *loaded;
    struct segment *segment;
    bool has_next;          /* there is a later segment ... */
    uint64_t next_durable;  /* ... whose header says that batches up to here were written */
    bool is_consecutive;    /* ... and it is the very next one */
    uint64_t last;          /* sequence number of the last batch that was closed */
    uint64_t end;           /* where the last whole batch ends */
    bool is_torn;           /* something was left out as never acknowledged */
    struct pending *frames; /* of the batch that is being read */
    size_t count;
    size_t capacity;
};

static void note_unread(struct replay *replay)
{
    replay->segment->is_damaged = true;
    (void)failure(replay->errors, SLUICE_TEMP, "4.3.0",
                  "segment %08x is damaged: the disk cannot read all of it",
                  replay->loaded->number);
}

static void note_damage(struct replay *replay, uint64_t first, uint64_t last, const char *what)
{
    replay->segment->is_damaged = true;
    (void)failure(replay->errors, SLUICE_TEMP, "4.3.0",
                  "segment %08x is damaged: batches %llu to %llu: %s", replay->loaded->number,
                  (unsigned long long)first, (unsigned long long)last, what);
}

static bool is_payload_readable(const uint8_t *bytes, const struct frame *frame)
{
    const uint8_t *record = bytes + FORMAT_FRAME_SIZE;
    const uint8_t *content = record + frame->record_size;

    return format_crc(record, frame->record_size) == frame->record_crc &&
           format_crc(content, (size_t)frame_inline_size(frame)) == frame->content_crc;
}

/* A frame of this segment at offset, the whole of it inside the file. */
static bool find_frame(const struct loaded *loaded, uint64_t offset, struct frame *ret_frame)
{
    uint64_t left = loaded->size - offset;

    return left >= FORMAT_FRAME_SIZE &&
           format_parse_frame(loaded->data + offset, loaded->header.salt, ret_frame) &&
           ret_frame->type >= FRAME_PUT && ret_frame->type <= FRAME_TYPE_MAX &&
           ret_frame->record_size <= left && frame_inline_size(ret_frame) <= left &&
           frame_size(ret_frame) <= left;
}

/* The first frame at or after offset; size of the file if there is none. */
static uint64_t next_frame(const struct loaded *loaded, uint64_t offset, struct frame *ret_frame)
{
    for (; offset + FORMAT_FRAME_SIZE <= loaded->size; offset += FORMAT_ALIGNMENT) {
        if (format_peek_salt(loaded->data + offset) == loaded->header.salt &&
            find_frame(loaded, offset, ret_frame))
            return offset;
    }
    return loaded->size;
}

static sluice_status enter(struct replay *replay, const struct pending *pending)
{
    struct ledger *ledger = &replay->queue->ledger;
    struct place place = {replay->loaded->number, pending->offset};
    sluice_status st = index_reserve(&ledger->index, 1);

    if (st == SLUICE_OK)
        st = ledger_prepare(ledger, replay->segment, &pending->frame);
    if (st != SLUICE_OK)
        return failure(replay->errors, st, "4.3.0", "no memory for the index");
    ledger_enter(ledger, &pending->frame, place);
    return SLUICE_OK;
}

static bool is_whole(const struct replay *replay)
{
    const struct pending *last = &replay->frames[replay->count - 1];

    for (size_t i = 0; i < replay->count; i++) {
        if (replay->frames[i].frame.position != i || !replay->frames[i].is_readable)
            return false;
    }
    return last->frame.type == FRAME_COMMIT;
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
            st = enter(replay, pending);
        if (st != SLUICE_OK)
            return st;
    }
    return SLUICE_OK;
}

/* The batch in frames is over. has_follower: a later one stands in the same segment. */
static sluice_status close_batch(struct replay *replay, bool has_follower)
{
    uint64_t sequence;
    sluice_status st = SLUICE_OK;
    bool is_void;
    bool is_known;

    if (replay->count == 0)
        return SLUICE_OK;
    sequence = replay->frames[0].frame.sequence;
    is_void = replay->has_next && sequence > replay->next_durable;
    is_known = has_follower || replay->has_next;
    if (is_void || (!is_known && !is_whole(replay))) {
        replay->is_torn = true;
    } else {
        const struct pending *last = &replay->frames[replay->count - 1];

        if (sequence > replay->last + 1)
            note_damage(replay, replay->last + 1, sequence - 1, "nothing can be read");
        if (!is_whole(replay))
            note_damage(replay, sequence, sequence, "a part cannot be read");
        st = enter_frames(replay);
        replay->last = sequence;
        replay->end = last->offset + frame_size(&last->frame);
        if (sequence > replay->queue->durable)
            replay->queue->durable = sequence;
    }
    if (sequence >= replay->queue->next)
        replay->queue->next = sequence + 1;
    replay->count = 0;
    return st;
}

static sluice_status add_frame(struct replay *replay, const struct frame *frame, uint64_t offset)
{
    const uint8_t *bytes = replay->loaded->data + offset;

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
        offset = next_frame(replay->loaded, offset, &frame);
        if (offset == replay->loaded->size)
            break;
        st = add_frame(replay, &frame, offset);
        offset += frame_size(&frame);
    }
    if (st == SLUICE_OK)
        st = close_batch(replay, false);
    if (st == SLUICE_OK && replay->is_consecutive && replay->next_durable > replay->last)
        note_damage(replay, replay->last + 1, replay->next_durable, "nothing can be read");
    free(replay->frames);
    return st;
}

/* ---- headers -------------------------------------------------------------------------------- */

static sluice_status unreadable(uint32_t number, const char *why,
                                const struct sluice_errors *errors)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, number);
    return failure(errors, SLUICE_CONFIG, NULL, "segment %s %s", name, why);
}

/* A header that cannot be read is made up from the first frame, if that one can. */
static sluice_status salvage_header(struct loaded *loaded, const struct sluice_errors *errors)
{
    struct frame frame = {0};

    if (loaded->size < FORMAT_HEADER_SIZE + FORMAT_FRAME_SIZE)
        return unreadable(loaded->number, "is not of this store", errors);
    loaded->header.salt = format_peek_salt(loaded->data + FORMAT_HEADER_SIZE);
    if (loaded->header.salt == 0 || !find_frame(loaded, FORMAT_HEADER_SIZE, &frame))
        return unreadable(loaded->number, "is not of this store", errors);
    loaded->header.first = frame.sequence;
    loaded->header.durable = frame.sequence - 1;
    loaded->has_header = false;
    return SLUICE_OK;
}

static sluice_status parse_header(struct loaded *loaded, const struct sluice_errors *errors)
{
    loaded->has_header = true;
    if (loaded->size < FORMAT_HEADER_SIZE)
        return unreadable(loaded->number, "is not of this store", errors);
    switch (format_parse_header(loaded->data, &loaded->header)) {
    case FORMAT_NEWER:
        return unreadable(loaded->number, "was written by a newer version", errors);
    case FORMAT_BAD:
        return salvage_header(loaded, errors);
    case FORMAT_OK:
        break;
    }
    if (loaded->header.number != loaded->number)
        return unreadable(loaded->number, "has the header of another one", errors);
    return SLUICE_OK;
}

static sluice_status load(const struct sluice_queue *queue, uint32_t number,
                          const struct sluice_errors *errors, struct loaded *ret_loaded)
{
    struct loaded loaded = {.number = number};
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, number, O_RDONLY, errors, &fd);
    if (st != SLUICE_OK)
        return st == SLUICE_NOT_FOUND ? SLUICE_TEMP : st;
    st = segment_load(fd, errors, &loaded.data, &loaded.size, &loaded.is_whole);
    close(fd);
    if (st != SLUICE_OK)
        return st;
    st = parse_header(&loaded, errors);
    if (st != SLUICE_OK) {
        free(loaded.data);
        return st;
    }
    *ret_loaded = loaded;
    return SLUICE_OK;
}

/* ---- segments ------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *data, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

/*
 * After the last segment. What was read may not have reached the disk yet, and others will rely on
 * it. If the rest of the file is empty, batches go on there; otherwise a torn write lies in it,
 * and what it may still turn into is void.
 */
static sluice_status take_up(struct replay *replay, const struct sluice_errors *errors)
{
    struct sluice_queue *queue = replay->queue;
    const struct loaded *loaded = replay->loaded;
    bool is_clean = !replay->is_torn && is_zero(loaded->data, replay->end, loaded->size);
    sluice_status st;
    int fd;

    st = segment_open(queue->folder, loaded->number, O_RDWR, errors, &fd);
    if (st != SLUICE_OK)
        return st;
    if (fsync(fd) == -1) {
        st = failure_errno(errors, "cannot sync", "the last segment");
        close(fd);
        return st;
    }
    if (is_clean && loaded->header.version != FORMAT_VERSION) {
        close(fd); /* what knows that version only can still read it */
        return SLUICE_OK;
    }
    if (!is_clean || replay->segment->is_damaged) {
        close(fd);
        queue->void_number = loaded->number;
        if (queue->next < queue->durable + 2)
            queue->next = queue->durable + 2;
        return SLUICE_OK;
    }
    queue->current = replay->segment;
    queue->current_fd = fd;
    queue->current_end = replay->end;
    queue->current_salt = loaded->header.salt;
    return SLUICE_OK;
}

static sluice_status enter_header(struct replay *replay, uint32_t previous)
{
    struct sluice_queue *queue = replay->queue;
    const struct loaded *loaded = replay->loaded;
    sluice_status st = ledger_add_segment(&queue->ledger, loaded->number, loaded->size,
                                          loaded->header.durable, &replay->segment);

    if (st == SLUICE_OK && previous != 0 && loaded->header.first > loaded->header.durable + 1)
        st = ledger_add_need(replay->segment, previous);
    if (st != SLUICE_OK)
        return failure(replay->errors, st, "4.3.0", "no memory for a segment");
    if (!loaded->is_whole)
        note_unread(replay);
    if (!loaded->has_header)
        note_damage(replay, loaded->header.first, loaded->header.first, "no header");
    if (loaded->header.durable > queue->durable)
        queue->durable = loaded->header.durable;
    if (loaded->header.first > queue->next)
        queue->next = loaded->header.first;
    return SLUICE_OK;
}

/* One segment, with the one after it (or NULL), whose header says what counts in this one. */
static sluice_status replay_segment(struct sluice_queue *queue, const struct loaded *loaded,
                                    const struct loaded *next, uint32_t previous,
                                    const struct sluice_errors *errors, bool *ret_is_damaged)
{
    struct replay replay = {.queue = queue,
                            .errors = errors,
                            .loaded = loaded,
                            .has_next = next != NULL,
                            .next_durable = next != NULL ? next->header.durable : 0,
                            .is_consecutive = next != NULL && next->number == loaded->number + 1,
                            .last = loaded->header.first - 1,
                            .end = FORMAT_HEADER_SIZE};
    sluice_status st = enter_header(&replay, previous);

    if (st == SLUICE_OK)
        st = walk(&replay);
    if (st == SLUICE_OK && next == NULL)
        st = take_up(&replay, errors);
    if (st == SLUICE_OK && replay.segment->is_damaged)
        *ret_is_damaged = true;
    return st;
}

sluice_status log_replay(struct sluice_queue *queue, const uint32_t *numbers, size_t count,
                         const struct sluice_errors *errors, bool *ret_is_damaged)
{
    struct loaded here = {0};
    struct loaded next = {0};
    sluice_status st = SLUICE_OK;

    *ret_is_damaged = false;
    if (count > 0)
        st = load(queue, numbers[0], errors, &here);
    for (size_t i = 0; st == SLUICE_OK && i < count; i++) {
        bool has_next = i + 1 < count;

        if (has_next)
            st = load(queue, numbers[i + 1], errors, &next);
        if (st == SLUICE_OK)
            st = replay_segment(queue, &here, has_next ? &next : NULL, i > 0 ? numbers[i - 1] : 0,
                                errors, ret_is_damaged);
        queue->last_number = numbers[i];
        free(here.data);
        here = next;
        next = (struct loaded){0};
    }
    free(here.data);
    return st;
}
