/* SPDX-License-Identifier: ISC */
/*
 * handover: one queue process follows another, and what is under way goes on.
 *
 * The old one stops taking mail from the schedule and asks all links to pause, answers what they have
 * sent, lets the store take all results and closes it; what a restart would forget goes to the new one
 * as bytes: jobs that deliver has, ids that receive has, what a release has let go, what is known of
 * sites and of releases that wait for their interval. The records stay the truth: what of the state
 * cannot be read is as after a crash, so at worst mail is sent twice, never lost.
 *
 * A part of the queue that has something to hand over adds a row to the table in handover.c.
 */
#ifndef QUEUE_HANDOVER_H
#define QUEUE_HANDOVER_H

#include "base/buffer.h"
#include "base/error.h"

struct queue;

#define HANDOVER_PAUSE_MS 10000   /* for the links to pause, and to be answered */
#define HANDOVER_OPERATORS_MS 500 /* for commands to be answered */
#define HANDOVER_SETTLE_MS 10000  /* for the store to take the last results */

/* Begins; role_handed_over is its end. */
void handover_start(struct queue *queue);

/* What the process before has left, mapped (base/sealed.h); empty: nothing, or nothing that makes
 * sense. Before the scan. */
struct sluice_span handover_open(struct queue *queue);
/* Takes it over, after the scan. Says what it cannot read. TEMP: the start has failed for want of
 * memory. [task: waits] */
sluice_status handover_load(struct queue *queue, struct sluice_span state, struct error *err);

/* The state as bytes, and the head of such bytes. For tests, too. */
void handover_encode(struct queue *queue, struct buffer *buffer);
sluice_status handover_decode_head(struct queue *queue, struct sluice_span state);

#endif
