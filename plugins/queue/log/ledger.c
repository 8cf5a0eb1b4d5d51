/* SPDX-License-Identifier: ISC */
/* ledger: which messages there are, where they lie, and so which segments are needed. */
#include "ledger.h"

#include <stdlib.h>

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){0};
    index_init(&ledger->index);
}

static void forget(struct ledger *ledger, struct segment *segment)
{
    ledger->segment_bytes -= segment->size;
    HASH_DEL(ledger->segments, segment);
    free(segment->needs);
    free(segment);
}

void ledger_done(struct ledger *ledger)
{
    struct segment *segment;
    struct segment *next;

    HASH_ITER(hh, ledger->segments, segment, next)
    forget(ledger, segment);
    index_done(&ledger->index);
}

struct segment *ledger_find_segment(const struct ledger *ledger, uint32_t number)
{
    struct segment *segment;

    HASH_FIND(hh, ledger->segments, &number, sizeof(number), segment);
    return segment;
}

/* Drops what is neither firm nor for REMOVEs any more. */
static void drop_empty_needs(struct segment *segment)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < segment->need_count; i++) {
        if (segment->needs[i].is_firm || segment->needs[i].removes > 0)
            segment->needs[kept++] = segment->needs[i];
    }
    segment->need_count = kept;
}

static void drop_need(struct segment *segment, struct need *need, bool is_firm_too)
{
    segment->live -= (uint64_t)need->removes * FORMAT_FRAME_SIZE;
    need->removes = 0;
    need->is_firm = need->is_firm && !is_firm_too;
}

void ledger_drop_removes(struct ledger *ledger, struct segment *segment)
{
    for (uint32_t i = 0; i < segment->need_count; i++)
        drop_need(segment, &segment->needs[i], false);
    drop_empty_needs(segment);
    ledger->may_reap = true;
}

/* Its REMOVEs are void: they are neither needed nor live. */
static void take_needs(struct ledger *ledger, struct segment *segment, struct segment *before)
{
    ledger_drop_removes(ledger, before);
    segment->needs = before->needs;
    segment->need_count = before->need_count;
    segment->need_capacity = before->need_capacity;
    before->needs = NULL;
    before->need_count = 0;
    before->need_capacity = 0;
}

sluice_status ledger_add_segment(struct ledger *ledger, const struct segment_header *header,
                                 uint64_t size, struct segment **ret_segment)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    struct segment *before;

    if (segment == NULL)
        return SLUICE_TEMP;
    segment->number = header->number;
    segment->salt = header->salt;
    segment->size = size;
    segment->durable = header->durable;
    segment->last = header->first - 1;
    segment->end = FORMAT_HEADER_SIZE;
    HASH_ADD(hh, ledger->segments, number, sizeof(segment->number), segment);
    if (segment->hh.tbl == NULL) {
        free(segment);
        return SLUICE_TEMP;
    }
    before = segment->hh.prev;
    if (before != NULL && before->durable == header->durable)
        take_needs(ledger, segment, before);
    ledger->segment_bytes += size;
    ledger->may_reap = true;
    *ret_segment = segment;
    return SLUICE_OK;
}

/* A new one if there is none; NULL: no memory. The last ones are asked for most. */
static struct need *need_for(struct segment *segment, uint32_t other)
{
    for (uint32_t i = segment->need_count; i > 0; i--) {
        if (segment->needs[i - 1].segment == other)
            return &segment->needs[i - 1];
    }
    if (segment->need_count == segment->need_capacity) {
        uint32_t capacity = segment->need_capacity * 2 + 8;
        struct need *needs = realloc(segment->needs, capacity * sizeof(*needs));

        if (needs == NULL)
            return NULL;
        segment->needs = needs;
        segment->need_capacity = capacity;
    }
    segment->needs[segment->need_count] = (struct need){.segment = other};
    return &segment->needs[segment->need_count++];
}

sluice_status ledger_add_need(struct segment *segment, uint32_t other)
{
    struct need *need;

    if (other == segment->number)
        return SLUICE_OK;
    need = need_for(segment, other);
    if (need == NULL)
        return SLUICE_TEMP;
    need->is_firm = true;
    return SLUICE_OK;
}

static sluice_status add_remove(const struct ledger *ledger, struct segment *segment,
                                uint32_t origin)
{
    struct need *need;

    if (origin == segment->number || ledger_find_segment(ledger, origin) == NULL)
        return SLUICE_OK;
    need = need_for(segment, origin);
    if (need == NULL)
        return SLUICE_TEMP;
    need->removes++;
    segment->live += FORMAT_FRAME_SIZE;
    return SLUICE_OK;
}

sluice_status ledger_prepare(const struct ledger *ledger, struct segment *segment,
                             const struct frame *frame)
{
    const struct index_entry *entry;

    if (frame->type == FRAME_REMOVE && frame->origin != 0)
        return add_remove(ledger, segment, frame->origin);
    if (frame->type != FRAME_REMOVE && frame->type != FRAME_COPY)
        return SLUICE_OK;
    entry = index_find(&ledger->index, frame->id);
    return entry == NULL ? SLUICE_OK : ledger_add_need(segment, entry->put.segment);
}

/* The segment of that number is gone: none must outlive it any more. */
static void drop_needs_for(struct ledger *ledger, uint32_t number)
{
    for (struct segment *segment = ledger->segments; segment != NULL; segment = segment->hh.next) {
        for (uint32_t i = 0; i < segment->need_count; i++) {
            if (segment->needs[i].segment == number)
                drop_need(segment, &segment->needs[i], true);
        }
        drop_empty_needs(segment);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint64_t record_bytes(const struct index_entry *entry)
{
    return FORMAT_FRAME_SIZE + (uint64_t)entry->record_size;
}

static uint64_t content_bytes(const struct index_entry *entry)
{
    return entry->is_large ? 0 : entry->content_size;
}

static void use(struct ledger *ledger, struct place place, uint64_t bytes)
{
    struct segment *segment = ledger_find_segment(ledger, place.segment);

    if (segment == NULL)
        return;
    segment->used++;
    segment->live += bytes;
}

static void disuse(struct ledger *ledger, struct place place, uint64_t bytes)
{
    struct segment *segment = ledger_find_segment(ledger, place.segment);

    if (segment == NULL)
        return;
    segment->live -= bytes;
    if (--segment->used == 0)
        ledger->may_reap = true;
}

static void enter_remove(struct ledger *ledger, uint64_t id)
{
    const struct index_entry *entry = index_find(&ledger->index, id);

    if (entry == NULL)
        return;
    disuse(ledger, entry->put, content_bytes(entry));
    disuse(ledger, entry->record, record_bytes(entry));
    if (entry->is_large)
        ledger->large_bytes -= entry->content_size;
    index_remove(&ledger->index, id);
}

static void enter_put(struct ledger *ledger, const struct frame *frame, struct place place)
{
    struct index_entry *entry;

    enter_remove(ledger, frame->id); /* of a COPY; or after damage: its REMOVE was lost */
    entry = index_add(&ledger->index, frame->id);
    entry->put = place;
    entry->record = place;
    entry->content_size = frame->content_size & INDEX_CONTENT_MAX;
    entry->record_size = frame->record_size & FORMAT_RECORD_MAX;
    entry->is_large = frame->is_large;
    entry->flags = frame->flags;
    use(ledger, place, content_bytes(entry));
    use(ledger, place, record_bytes(entry));
    if (frame->is_large)
        ledger->large_bytes += entry->content_size;
}

static void enter_update(struct ledger *ledger, const struct frame *frame, struct place place)
{
    struct index_entry *entry = index_find(&ledger->index, frame->id);

    if (entry == NULL)
        return;
    disuse(ledger, entry->record, record_bytes(entry));
    entry->record = place;
    entry->record_size = frame->record_size & FORMAT_RECORD_MAX;
    entry->flags = frame->flags;
    use(ledger, place, record_bytes(entry));
}

void ledger_enter(struct ledger *ledger, const struct frame *frame, struct place place)
{
    if ((frame->type == FRAME_REMOVE || frame->type == FRAME_COPY) &&
        index_find(&ledger->index, frame->id) == NULL)
        ledger->strangers++;
    switch (frame->type) {
    case FRAME_PUT:
    case FRAME_COPY:
        enter_put(ledger, frame, place);
        break;
    case FRAME_UPDATE:
        enter_update(ledger, frame, place);
        break;
    case FRAME_REMOVE:
        enter_remove(ledger, frame->id);
        break;
    default: /* COMMIT says nothing about a message */
        break;
    }
}

bool ledger_is_held(const struct ledger *ledger, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->need_count; i++) {
        if (segment->needs[i].is_firm &&
            ledger_find_segment(ledger, segment->needs[i].segment) != NULL)
            return true;
    }
    return false;
}

static bool is_needed(const struct ledger *ledger, const struct segment *segment)
{
    if (segment->used > 0 || segment->is_damaged)
        return true;
    for (uint32_t i = 0; i < segment->need_count; i++) {
        if (ledger_find_segment(ledger, segment->needs[i].segment) != NULL)
            return true;
    }
    return false;
}

struct segment *ledger_find_useless(const struct ledger *ledger, const struct segment *keep,
                                    uint32_t after)
{
    struct segment *segment;

    for (segment = ledger->segments; segment != NULL; segment = segment->hh.next) {
        if (segment->number > after && segment != keep && !segment->is_retired &&
            !is_needed(ledger, segment))
            return segment;
    }
    return NULL;
}

void ledger_forget_retired(struct ledger *ledger)
{
    struct segment *segment;
    struct segment *next;

    HASH_ITER(hh, ledger->segments, segment, next)
    {
        if (segment->is_retired) {
            drop_needs_for(ledger, segment->number);
            forget(ledger, segment);
        }
    }
}
