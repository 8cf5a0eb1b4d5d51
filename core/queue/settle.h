/* SPDX-License-Identifier: ISC */
/*
 * settle: recipients that are done with, not by an attempt: too old, or of a message that only asks
 * and would wait. On the loop's thread.
 */
#ifndef QUEUE_SETTLE_H
#define QUEUE_SETTLE_H

#include "ipc/envelope.h"
#include "queue/message.h"

struct active;

/* Changes the states of recipients that are not in flight. False: it has changed nothing. */
typedef bool settle_edit(const struct queue_message *message, struct envelope *envelope,
                         void *user);

/* Edits the newest record, which must be there, and does what follows from it: units that have nothing
 * left to do go, the store gets the record, reports are owed. TEMP: no memory, and nothing has
 * changed. */
sluice_status settle(struct active *active, settle_edit *edit, void *user);

/* Into the waiting recipient, of that place in the record: why it has not been delivered, if no attempt
 * has said so. What the reason points to stays for this turn of the loop. */
void settle_explain(const struct queue_message *message, struct envelope_recipient *recipient,
                    size_t index);

#endif
