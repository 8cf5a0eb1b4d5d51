/* SPDX-License-Identifier: ISC */
/*
 * admit: from a durable record to scheduled units: mail that has just come, and mail that a start
 * finds in the store.
 */
#ifndef QUEUE_ADMIT_H
#define QUEUE_ADMIT_H

#include "ipc/envelope.h"

struct queue;
struct queue_message;
struct unit;

/* The message is durable. One that a wrong clock has dated into the future ages from now on. */
void admit_begin(struct queue_message *message);
/* A message that has just become durable: every unit goes at once, waits, or is held, as its
 * deferral says; what has failed already is reported. Logs it. */
void admit_new(struct queue *queue, struct queue_message *message, const struct envelope *envelope);

/* Everything that the store has, before any other work. What is overdue is spread over up to
 * minimal_backoff_time, 1,000 messages in a second, so that a start is no stampede; not where a former
 * process was about to attempt it and hands over. [task: waits] */
sluice_status admit_stored(struct queue *queue, struct error *err);

/* The units of a stored message that are new, at the times that its record says, or released. */
void admit_rest(struct queue *queue, struct queue_message *message,
                const struct envelope *envelope);

/* How long from now until the unit may be attempted, by its recipients' history: 0: at once;
 * DEFERRAL_ON_RELEASE. */
int64_t admit_delay(const struct unit *unit, const struct envelope *envelope);

#endif
