/* SPDX-License-Identifier: ISC */
/*
 * resolve_batch: messages whose recipients' routes are asked for together (resolve.h), and what the
 * answer changes in them.
 *
 * Order: fill in queue and ids -> resolve_batch_add until resolve_batch_is_full -> inquiry_encode, and
 * resolve_batch_apply with the answer -> resolve_batch_done. On a task.
 */
#ifndef QUEUE_RESOLVE_BATCH_H
#define QUEUE_RESOLVE_BATCH_H

#include "queue/inquiry.h"

struct queue;

#define RESOLVE_BATCH_ADDRESSES 1000
#define RESOLVE_BATCH_MESSAGES 1000
#define RESOLVE_BATCH_BYTES ((size_t)1024 * 1024) /* of addresses */

struct resolve_batch {
    struct queue *queue;
    uint64_t *ids; /* room for RESOLVE_BATCH_MESSAGES; the batch's */
    size_t id_count;
    struct inquiry inquiry;
    size_t moved;
    bool is_to_wait; /* something has to be looked at once more, in a while */
};

bool resolve_batch_is_full(const struct resolve_batch *batch);
/* What they have to ask; those that there is no room for are named again. count: at most
 * STORE_RECORDS_MAX. [task: waits] */
void resolve_batch_add(struct resolve_batch *batch, const uint64_t *ids, size_t count);
/* Moves what has a new route. The answer must stay. [task: waits] */
void resolve_batch_apply(struct resolve_batch *batch, struct sluice_span answer);
/* Its messages are attempted at the routes that they have, whatever the tables say. */
void resolve_batch_keep_routes(const struct resolve_batch *batch);
/* All of its messages are asked for once more. */
void resolve_batch_name_again(struct resolve_batch *batch);
void resolve_batch_done(struct resolve_batch *batch);

#endif
