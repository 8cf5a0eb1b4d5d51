/* SPDX-License-Identifier: ISC */
/*
 * suspension: sites that the operator has suspended, and the commands that do it.
 *
 * A suspension stays until site resume: over restarts and reloads, whether or not mail waits there,
 * and whatever is released meanwhile. The store keeps all of them in one record of ours, beside the
 * messages.
 */
#ifndef QUEUE_SUSPENSION_H
#define QUEUE_SUSPENSION_H

#include "queue/session.h"
#include "queue/store.h"

#define SUSPENSION_RECORD_ID ((uint64_t)1) /* leases begin far above it */
#define SUSPENSIONS_MAX 1000
#define SUSPENSION_PATIENCE_MS 30000 /* for the store */

struct suspensions {
    struct queue *queue;
    size_t count;
    struct buffer record; /* what the store is given now */
    struct store_change change;
    uint64_t changes;  /* so far, */
    uint64_t writing;  /* how many of them the store is given now, */
    uint64_t recorded; /* and how many it has */
    bool is_writing;
    bool is_stored; /* the record is there: found, or put */
};

/* The store's record, as found by the scan. PERM if it makes no sense; TEMP: no memory. */
sluice_status suspensions_restore(struct suspensions *suspensions, struct queue *queue,
                                  struct sluice_span record);
void suspensions_done(struct suspensions *suspensions);

/* Commands of the control socket: "name", and "reason" or none. [task: waits] */
sluice_status suspension_suspend(struct session *session, json_t *request);
sluice_status suspension_resume(struct session *session, json_t *request);

#endif
