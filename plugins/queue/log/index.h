/* SPDX-License-Identifier: ISC */
/*
 * index: from a message's id to where it lies. 40 bytes for a message, and 4 to 8 for its bucket.
 *
 * A table of our own, since uthash's handle alone takes 56 bytes for each of millions: entries in
 * chunks that never move, chained from an array of buckets by 32-bit numbers. reserve() is the only
 * function that needs memory, so that a batch can make sure of it before it is written.
 * Not locked: see ledger.h.
 */
#ifndef SLUICE_LOG_INDEX_H
#define SLUICE_LOG_INDEX_H

#include "sluice/types.h"

/* A place in a segment: where a frame begins. */
struct place {
    uint32_t segment;
    uint32_t offset;
};

struct index_entry {
    uint64_t id;
    struct place put;    /* the PUT: the content, if it is inline */
    struct place record; /* the PUT, or the last UPDATE */
    uint64_t content_size : 39;
    uint64_t is_large : 1; /* the content is a file in large/ */
    uint64_t record_size : 24;
    uint32_t flags;
    uint32_t next; /* of the same bucket, or of the free list; the index's own */
};

#define INDEX_CONTENT_MAX (((uint64_t)1 << 39) - 1)

struct index {
    struct index_entry **chunks;
    uint32_t *buckets;
    uint32_t chunk_count;
    uint32_t bucket_count; /* a power of two, or 0 */
    uint32_t used;         /* entries that were ever handed out */
    uint32_t count;        /* entries in the table */
    uint32_t free;         /* the first free entry below used */
};

void index_init(struct index *index);
void index_done(struct index *index);

/* Room for that many more entries. TEMP: no memory. */
sluice_status index_reserve(struct index *index, size_t more);

/* NULL if it is not there. Valid until the entry is removed. */
struct index_entry *index_find(const struct index *index, uint64_t id);

/* A new entry of that id, zero otherwise. The id is not there, and reserve() has made room. */
struct index_entry *index_add(struct index *index, uint64_t id);

void index_remove(struct index *index, uint64_t id);

/* The entries one after the other: *cursor starts at 0. NULL after the last. Adding and removing
 * are allowed on the way. */
const struct index_entry *index_next(const struct index *index, uint32_t *cursor);

#endif
