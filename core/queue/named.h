/* SPDX-License-Identifier: ISC */
/*
 * named: queues that have a name, for ETRN #name, postqueue -s '#name' and sluice site release: a group
 * of domains from etrn_queues, or else all that a transport of that name has.
 */
#ifndef QUEUE_NAMED_H
#define QUEUE_NAMED_H

#include "ipc/messages.h"

struct queue;

/*
 * Releases it; NOT_FOUND: there is none of that name. Who is not exempt from the interval may name
 * groups, whose domains are paced one by one, and no transports: that is the operator's view.
 */
sluice_status named_release(struct queue *queue, struct sluice_span name, bool is_exempt,
                            struct message_released *ret_released);

#endif
