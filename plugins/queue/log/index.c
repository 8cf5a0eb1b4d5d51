/* SPDX-License-Identifier: ISC */
/* index: from a message's id to where it lies. */
#include "index.h"

#include <assert.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define CHUNK_ENTRIES 4096u /* 160 KiB */
#define BUCKETS_MIN 1024u
#define ENTRIES_MAX ((uint32_t)1 << 31)

_Static_assert(sizeof(struct index_entry) == 40, "an entry must stay small");

void index_init(struct index *index)
{
    *index = (struct index){.free = NONE};
}

void index_done(struct index *index)
{
    for (uint32_t i = 0; i < index->chunk_count; i++)
        free(index->chunks[i]);
    free(index->chunks);
    free(index->buckets);
    index_init(index);
}

static struct index_entry *entry_at(const struct index *index, uint32_t number)
{
    return &index->chunks[number / CHUNK_ENTRIES][number % CHUNK_ENTRIES];
}

/* Segments count from 1, so no entry in use lies in segment 0. */
static int is_free(const struct index_entry *entry)
{
    return entry->put.segment == 0;
}

/* Ids come in rows; the multiplication (Knuth's, by the golden ratio) spreads them. */
static uint32_t *bucket_of(const struct index *index, uint64_t id)
{
    uint64_t hash = id * UINT64_C(0x9E3779B97F4A7C15);

    return &index->buckets[(hash >> 32) & (index->bucket_count - 1)];
}

static sluice_status grow_buckets(struct index *index, uint32_t wanted)
{
    uint32_t count = index->bucket_count == 0 ? BUCKETS_MIN : index->bucket_count;
    uint32_t *buckets;

    while (count < wanted)
        count *= 2;
    if (count == index->bucket_count)
        return SLUICE_OK;
    buckets = malloc(count * sizeof(*buckets));
    if (buckets == NULL)
        return SLUICE_TEMP;
    for (uint32_t i = 0; i < count; i++)
        buckets[i] = NONE;
    free(index->buckets);
    index->buckets = buckets;
    index->bucket_count = count;
    for (uint32_t i = 0; i < index->used; i++) {
        struct index_entry *entry = entry_at(index, i);
        uint32_t *bucket;

        if (is_free(entry))
            continue;
        bucket = bucket_of(index, entry->id);
        entry->next = *bucket;
        *bucket = i;
    }
    return SLUICE_OK;
}

static sluice_status grow_chunks(struct index *index, uint32_t wanted)
{
    uint32_t count = wanted / CHUNK_ENTRIES + 1;
    struct index_entry **chunks;

    if (count <= index->chunk_count)
        return SLUICE_OK;
    chunks = realloc(index->chunks, count * sizeof(*chunks));
    if (chunks == NULL)
        return SLUICE_TEMP;
    index->chunks = chunks;
    while (index->chunk_count < count) {
        struct index_entry *chunk = calloc(CHUNK_ENTRIES, sizeof(*chunk));

        if (chunk == NULL)
            return SLUICE_TEMP;
        index->chunks[index->chunk_count++] = chunk;
    }
    return SLUICE_OK;
}

sluice_status index_reserve(struct index *index, size_t more)
{
    sluice_status st;

    if (more >= ENTRIES_MAX - index->used)
        return SLUICE_TEMP;
    /* Counts from used, not from count: the free entries are a bonus. */
    st = grow_chunks(index, index->used + (uint32_t)more);
    if (st == SLUICE_OK)
        st = grow_buckets(index, index->count + (uint32_t)more);
    return st;
}

static uint32_t find_number(const struct index *index, uint64_t id)
{
    uint32_t number = index->bucket_count == 0 ? NONE : *bucket_of(index, id);

    while (number != NONE && entry_at(index, number)->id != id)
        number = entry_at(index, number)->next;
    return number;
}

struct index_entry *index_find(const struct index *index, uint64_t id)
{
    uint32_t number = find_number(index, id);

    return number == NONE ? NULL : entry_at(index, number);
}

struct index_entry *index_add(struct index *index, uint64_t id)
{
    uint32_t *bucket = bucket_of(index, id);
    struct index_entry *entry;
    uint32_t number = index->free;

    if (number != NONE)
        index->free = entry_at(index, number)->next;
    else
        number = index->used++;
    assert(number / CHUNK_ENTRIES < index->chunk_count);
    entry = entry_at(index, number);
    *entry = (struct index_entry){.id = id, .next = *bucket};
    *bucket = number;
    index->count++;
    return entry;
}

void index_remove(struct index *index, uint64_t id)
{
    uint32_t number = find_number(index, id);
    uint32_t *link;

    if (number == NONE)
        return;
    link = bucket_of(index, id);
    while (*link != number)
        link = &entry_at(index, *link)->next;
    *link = entry_at(index, number)->next;
    *entry_at(index, number) = (struct index_entry){.next = index->free};
    index->free = number;
    index->count--;
}

const struct index_entry *index_next(const struct index *index, uint32_t *cursor)
{
    while (*cursor < index->used) {
        const struct index_entry *entry = entry_at(index, (*cursor)++);

        if (!is_free(entry))
            return entry;
    }
    return NULL;
}
