/* SPDX-License-Identifier: ISC */
/*
 * pick: which deliver process gets the next job, or is asked a question.
 *
 * A site's jobs follow each other to one process as long as it may have connections to the site: else
 * each process would make its own. Where there are none the process with the most credit left is the one,
 * and if several have as much, each in turn: so sites spread over the processes.
 */
#ifndef QUEUE_PICK_H
#define QUEUE_PICK_H

#include "queue/fair.h"

#include <stdint.h>

struct deliver_link;
struct queue;
struct site;

/* The places of the processes of that crew. */
struct places pick_places(const struct queue *queue, unsigned crew);
/* The one of them with the most credit; NULL: none has any. */
struct deliver_link *pick_any(const struct queue *queue, unsigned crew);
/* The one of its crew for a job of the site, which counts as in flight already. There must be one with
 * credit. */
struct deliver_link *pick_for_site(struct queue *queue, struct site *site, int64_t now_ms);
/* The site's last attempt has ended: its connection may be kept for the next. */
void pick_kept(const struct queue *queue, struct site *site, int64_t now_ms);
/* One of that crew that has our configuration, not a former one, and whom no suspect is with; whether
 * it has credit or not, and always the same one, because others may see a table's change a moment later:
 * for questions. NULL: there is none. */
struct deliver_link *pick_current(const struct queue *queue, unsigned crew);
/* The isolated process, if it has credit and there is a suspect for it, or NULL. */
struct deliver_link *pick_isolated(const struct queue *queue, int64_t now_ms);

#endif
