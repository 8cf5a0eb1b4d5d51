/* SPDX-License-Identifier: ISC */
/*
 * inherit: jobs that a former queue process gave to deliver, and whose results come to this one.
 *
 * They are jobs like any other, under their old refs, but without a link until that to their deliver
 * process is there and says that it still has them. What it does not have, and what nobody claims in
 * time, goes back to the schedule as from a deliver process that died. On the loop's thread.
 */
#ifndef QUEUE_INHERIT_H
#define QUEUE_INHERIT_H

#include "base/buffer.h"

struct deliver_link;
struct queue;

#define INHERIT_PATIENCE_MS 30000 /* for the link to come */

/* The jobs that deliver processes have, for the next queue. */
void inherit_save(struct queue *queue, struct buffer *buffer);
/* Takes them over: after the scan, before anything is dispatched. What makes no sense or cannot be
 * read is skipped, and so attempted again. TEMP: no memory, and a message may be missing in the
 * schedule: the start has failed. PERM: the bytes make no sense; jobs before that are taken over.
 * [task: waits] */
sluice_status inherit_load(struct queue *queue, struct sluice_span bytes);
/* A deliver process has said what it has (MESSAGE_RESUMED). PERM: that makes no sense. */
sluice_status inherit_claim(struct deliver_link *link, struct sluice_span refs);
/* That deliver process is no more: gives back what it has not claimed. */
void inherit_forget(struct queue *queue, int32_t pid);
/* Gives back what nobody has claimed in time; call it about once a second. */
void inherit_expire(struct queue *queue, int64_t now_ms);
/* Gives back what nobody has claimed. */
void inherit_done(struct queue *queue);

#endif
