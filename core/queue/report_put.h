/* SPDX-License-Identifier: ISC */
/*
 * report_put: the new messages that a report comes to, on their way into the store.
 *
 * Order: new -> add for each message that deliver has made -> stage -> changes, for the store ->
 * admit, if they are durable -> free.
 */
#ifndef QUEUE_REPORT_PUT_H
#define QUEUE_REPORT_PUT_H

#include "ipc/messages.h"
#include "queue/store.h"

struct queue;
struct report_put;

/* NULL: no memory. */
struct report_put *report_put_new(struct queue *queue);
/* Those that have not been admitted are forgotten. Accepts NULL. */
void report_put_free(struct report_put *put);
/* Takes *fd. The first message gets first_id, and so on. PERM: it makes no sense. */
sluice_status report_put_add(struct report_put *put, const struct message_reported *reported,
                             uint64_t first_id, int *fd);
/* Makes them known to the schedule, and copies large contents to where the store wants them.
 * [task: waits] */
sluice_status report_put_stage(struct report_put *put, struct error *err);
/* Tied to each other; NULL: there are none. */
struct store_change *report_put_changes(struct report_put *put);
/* They are durable: schedules them, and logs for which message and why. */
void report_put_admit(struct report_put *put, uint64_t original_id, enum report_kind kind);

#endif
