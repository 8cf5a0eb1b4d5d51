/* SPDX-License-Identifier: ISC */
/*
 * verify: messages that only ask whether their recipients would be taken (envelope.is_verify, sendmail
 * -bv). They are scheduled like all others and get one attempt (results.h); who would have to wait for
 * a release, or for a site that cannot be reached now, is told so instead. Then there is one report.
 */
#ifndef QUEUE_VERIFY_H
#define QUEUE_VERIFY_H

#include "ipc/envelope.h"

struct active;
struct queue;
struct queue_message;

/* The message has just become durable, with that record, and has been scheduled. Nothing if it is one to
 * deliver. */
void verify_admitted(struct queue *queue, struct queue_message *message,
                     const struct envelope *envelope);
/* The same for one that has been in the store for a while: after a start, or when its route has changed;
 * its record is there. */
void verify_waiting(struct active *active);

#endif
