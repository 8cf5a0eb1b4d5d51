/* SPDX-License-Identifier: ISC */
/*
 * ledger: which messages there are, where they lie, and so which segments are needed.
 *
 * Filled by replay at the start and by apply from then on, in both with the frames that are on disk:
 * ledger_enter(). A segment is needed while a message has its PUT (or COPY) or its last UPDATE there,
 * while it holds the REMOVE of a message whose PUT is in a segment that still exists (without it
 * that PUT would come back to life), while it holds the COPY of a message whose PUT is in a segment
 * that still exists (its REMOVE will only look to this one), while its header voids what a failed
 * batch left in another, and while it is damaged (for whoever looks into it).
 *
 * Who changes the ledger has the store's lock, and its guard, which the threads that read take to
 * look. What only those with the lock look at is changed without the guard: needs, is_retired.
 */
#ifndef SLUICE_LOG_LEDGER_H
#define SLUICE_LOG_LEDGER_H

#include "format.h"
#include "index.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A segment must outlive another one. */
struct need {
    uint32_t segment;
    uint32_t removes; /* for that many REMOVEs, which can be carried on into a later segment, */
    bool is_firm;     /* and for something that cannot */
};

struct segment {
    uint32_t number;
    bool is_damaged;
    bool is_retired; /* its file has the name no more; the folder is not yet synced */
    bool has_checkpoint;
    bool has_no_checkpoint; /* one could not be written */
    bool is_stuck;          /* it cannot be compacted */
    uint64_t salt;
    uint64_t size;
    uint64_t durable; /* as its header says */
    uint64_t last;    /* the sequence number of its last batch; below its first: there is none */
    uint64_t end;     /* of that batch */
    uint64_t frames;  /* up to there */
    uint64_t scanned; /* records up to there were given by this scan */
    uint64_t used;    /* places that index entries have in it */
    uint64_t live;    /* bytes in it that somebody needs: records, contents, REMOVEs */
    struct need *needs;
    uint32_t need_count;
    uint32_t need_capacity;
    UT_hash_handle hh;
};

struct ledger {
    struct index index;
    struct segment *segments; /* in ascending order */
    uint64_t segment_bytes;
    uint64_t large_bytes;
    uint64_t strangers; /* that were removed or copied while not there: where they were put is gone */
    bool may_reap; /* some segment may have become useless */
};

void ledger_init(struct ledger *ledger);
void ledger_done(struct ledger *ledger);

/*
 * One with that header, and no batch so far. Numbers ascend. TEMP: no memory. If no batch was written
 * in the one before, the new header voids all that the other one's does, and takes over its needs:
 * or one segment that stays would keep each one in a row of failures.
 */
sluice_status ledger_add_segment(struct ledger *ledger, const struct segment_header *header,
                                 uint64_t size, struct segment **ret_segment);

/* NULL: there is none of that number. */
struct segment *ledger_find_segment(const struct ledger *ledger, uint32_t number);

/* It must outlive another one for something that cannot be carried on. */
bool ledger_is_held(const struct ledger *ledger, const struct segment *segment);

/* Segment must outlive other, whatever happens. TEMP: no memory. */
sluice_status ledger_add_need(struct segment *segment, uint32_t other);

/* Before a frame is written into segment: notes what the segment must outlive then. TEMP: no memory. */
sluice_status ledger_prepare(const struct ledger *ledger, struct segment *segment,
                             const struct frame *frame);

/* The REMOVEs of segment are all in later segments, too, as far as they are needed. */
void ledger_drop_removes(struct ledger *ledger, struct segment *segment);

/*
 * A frame that lies at place counts from now on. Never fails: index_reserve() has been called for
 * each PUT and COPY, and ledger_prepare() for all. UPDATE and REMOVE of what is not there mean
 * nothing: the segment of its PUT has been deleted.
 */
void ledger_enter(struct ledger *ledger, const struct frame *frame, struct place place);

/* The next segment after that number that nobody needs, except keep, which may be NULL. NULL: there is
 * none now. */
struct segment *ledger_find_useless(const struct ledger *ledger, const struct segment *keep,
                                    uint32_t after);

/* Forgets all segments that are retired. */
void ledger_forget_retired(struct ledger *ledger);

#endif
