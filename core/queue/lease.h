/* SPDX-License-Identifier: ISC */
/*
 * lease: message ids, given to receive in ranges, so that a Received line needs no round trip.
 *
 * An id is never used again, whatever crashes: the mark up to which ids may have been given out is
 * durable, as the store's record 0, before any of them is. A store that has no mark (a new one, or
 * one that somebody has emptied) begins at the time of day, far above what an earlier one gave out.
 */
#ifndef QUEUE_LEASE_H
#define QUEUE_LEASE_H

#include "queue/store.h"

#define LEASE_IDS 65536         /* in one range */
#define LEASE_RESERVE_RANGES 16 /* that one durable mark covers */
#define LEASE_TIME_SHIFT 20     /* a new store begins at (seconds since 1970) << this */

struct queue;

struct lease {
    uint64_t next; /* the first id that has not been given out */
    uint64_t mark; /* durable: ids below it may be given out; 0: no record 0 yet */
    uint64_t wanted_mark;
    struct buffer record;
    struct store_change change;
    bool is_raising; /* the change is with the store */
    bool is_stored;  /* record 0 is there: found, put, or put by an apply that could not tell */
    struct queue *queue;
};

/* The store's record 0, as found by the scan. PERM if it makes no sense. */
sluice_status lease_restore(struct lease *lease, struct sluice_span record);
/* After the scan; the first range can be had as soon as the mark is durable. */
void lease_start(struct lease *lease, struct queue *queue);
/* A range, if the mark allows it. Otherwise false: the mark is being raised, and
 * intake_grant_leases is called when that is done. */
bool lease_take(struct lease *lease, uint64_t *ret_first, uint64_t *ret_count);
void lease_done(struct lease *lease);

#endif
