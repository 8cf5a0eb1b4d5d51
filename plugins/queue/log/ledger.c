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

static struct segment *find_segment(const struct ledger *ledger, uint32_t number)
{
    struct segment *segment;

    HASH_FIND(hh, ledger->segments, &number, sizeof(number), segment);
    return segment;
}

static void take_needs(struct segment *segment, struct segment *before)
{
    segment->needs = before->needs;
    segment->need_count = before->need_count;
    segment->need_capacity = before->need_capacity;
    before->needs = NULL;
    before->need_count = 0;
    before->need_capacity = 0;
}

sluice_status ledger_add_segment(struct ledger *ledger, uint32_t number, uint64_t size,
                                 uint64_t durable, struct segment **ret_segment)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    struct segment *before;

    if (segment == NULL)
        return SLUICE_TEMP;
    segment->number = number;
    segment->size = size;
    segment->durable = durable;
    HASH_ADD(hh, ledger->segments, number, sizeof(segment->number), segment);
    if (segment->hh.tbl == NULL) {
        free(segment);
        return SLUICE_TEMP;
    }
    before = segment->hh.prev;
    if (before != NULL && before->durable == durable)
        take_needs(segment, before);
    ledger->segment_bytes += size;
    ledger->may_reap = true;
    *ret_segment = segment;
    return SLUICE_OK;
}

static bool has_need(const struct segment *segment, uint32_t other)
{
    /* From the end: a row of messages was mostly put into the same segment. */
    for (uint32_t i = segment->need_count; i > 0; i--) {
        if (segment->needs[i - 1] == other)
            return true;
    }
    return false;
}

sluice_status ledger_add_need(struct segment *segment, uint32_t other)
{
    if (other == segment->number || has_need(segment, other))
        return SLUICE_OK;
    if (segment->need_count == segment->need_capacity) {
        uint32_t capacity = segment->need_capacity * 2 + 8;
        uint32_t *needs = realloc(segment->needs, capacity * sizeof(*needs));

        if (needs == NULL)
            return SLUICE_TEMP;
        segment->needs = needs;
        segment->need_capacity = capacity;
    }
    segment->needs[segment->need_count++] = other;
    return SLUICE_OK;
}

sluice_status ledger_prepare_remove(const struct ledger *ledger, struct segment *segment,
                                    uint64_t id)
{
    const struct index_entry *entry = index_find(&ledger->index, id);

    return entry == NULL ? SLUICE_OK : ledger_add_need(segment, entry->put.segment);
}

static void use(struct ledger *ledger, struct place place)
{
    struct segment *segment = find_segment(ledger, place.segment);

    if (segment != NULL)
        segment->used++;
}

static void disuse(struct ledger *ledger, struct place place)
{
    struct segment *segment = find_segment(ledger, place.segment);

    if (segment != NULL && --segment->used == 0)
        ledger->may_reap = true;
}

static void enter_remove(struct ledger *ledger, uint64_t id)
{
    const struct index_entry *entry = index_find(&ledger->index, id);

    if (entry == NULL)
        return;
    disuse(ledger, entry->put);
    disuse(ledger, entry->record);
    if (entry->is_large)
        ledger->large_bytes -= entry->content_size;
    index_remove(&ledger->index, id);
}

static void enter_put(struct ledger *ledger, const struct frame *frame, struct place place)
{
    struct index_entry *entry;

    enter_remove(ledger, frame->id); /* is there only after damage: its REMOVE was lost */
    entry = index_add(&ledger->index, frame->id);
    entry->put = place;
    entry->record = place;
    entry->content_size = frame->content_size & INDEX_CONTENT_MAX;
    entry->record_size = frame->record_size & FORMAT_RECORD_MAX;
    entry->is_large = frame->is_large;
    entry->flags = frame->flags;
    use(ledger, place);
    use(ledger, place);
    if (frame->is_large)
        ledger->large_bytes += entry->content_size;
}

static void enter_update(struct ledger *ledger, const struct frame *frame, struct place place)
{
    struct index_entry *entry = index_find(&ledger->index, frame->id);

    if (entry == NULL)
        return;
    disuse(ledger, entry->record);
    entry->record = place;
    entry->record_size = frame->record_size & FORMAT_RECORD_MAX;
    entry->flags = frame->flags;
    use(ledger, place);
}

void ledger_enter(struct ledger *ledger, const struct frame *frame, struct place place)
{
    switch (frame->type) {
    case FRAME_PUT:
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

static bool is_needed(const struct ledger *ledger, const struct segment *segment)
{
    if (segment->used > 0 || segment->is_damaged)
        return true;
    for (uint32_t i = 0; i < segment->need_count; i++) {
        if (find_segment(ledger, segment->needs[i]) != NULL)
            return true;
    }
    return false;
}

struct segment *ledger_find_useless(const struct ledger *ledger, const struct segment *keep,
                                    uint32_t after)
{
    struct segment *segment;

    for (segment = ledger->segments; segment != NULL; segment = segment->hh.next) {
        if (segment->number > after && segment != keep && !segment->is_unlinked &&
            !is_needed(ledger, segment))
            return segment;
    }
    return NULL;
}

void ledger_forget_unlinked(struct ledger *ledger)
{
    struct segment *segment;
    struct segment *next;

    HASH_ITER(hh, ledger->segments, segment, next)
    {
        if (segment->is_unlinked)
            forget(ledger, segment);
    }
}
