/* SPDX-License-Identifier: ISC */
/*
 * operate: what an operator does to messages, while deliveries go on.
 *
 * One message, a few, or all of them, taken in small batches that ride on the store's group commit;
 * what is said to be done is durable. Nothing of it can lose a message or send it twice: a message
 * changes here and in the store by way of its active record, one change after the other, and what
 * is in flight comes to its end.
 *
 *   hold      nothing of it goes, whatever is released, until unhold or requeue
 *   unhold    it goes when it would have gone without the hold
 *   remove    it is gone; what is in flight may still arrive, what remains of it does not
 *   requeue   as if it had come just now: routed afresh, its attempts forgotten, off hold
 *   expire    it goes back to its sender; not while it is in flight or on hold
 *
 * A request has "id", one or "ALL"; or "ids", a list; and may have "queues", names of the queues that
 * count (hold, active, deferred). The answer: a line {"id", "text"} for each that was named and is
 * done, and {"count"}. NOT_FOUND: none of those that were named; PERM: the asker may not.
 */
#ifndef QUEUE_OPERATE_H
#define QUEUE_OPERATE_H

#include "queue/session.h"

#define OPERATE_BATCH_MESSAGES 256                    /* that change together, */
#define OPERATE_BATCH_BYTES ((size_t)4 * 1024 * 1024) /* or fewer: of their records */
#define OPERATE_PATIENCE_MS 30000                     /* for the store */

/* Commands of the control socket. [task: waits] */
sluice_status operate_hold(struct session *session, json_t *request);
sluice_status operate_unhold(struct session *session, json_t *request);
sluice_status operate_remove(struct session *session, json_t *request);
sluice_status operate_requeue(struct session *session, json_t *request);
sluice_status operate_expire(struct session *session, json_t *request);

#endif
