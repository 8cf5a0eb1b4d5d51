/* SPDX-License-Identifier: ISC */
/*
 * intake: receive's side of the queue: a link for each receive process.
 *
 * Each COMMIT is answered by exactly one COMMITTED. WITHDRAW drops a commit whose batch has not
 * begun (COMMITTED with TEMP) and is ignored after that: a commit that won the race stays.
 */
#ifndef QUEUE_INTAKE_H
#define QUEUE_INTAKE_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct channel;
struct message_link;
struct queue;

/* What all receive processes together may have on its way into the store, shared out among them as
 * credit: the memory ceiling of this side. */
#define INTAKE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define INTAKE_LINK_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define INTAKE_LINK_MESSAGES_MAX 4096
#define INTAKE_STAGING_MAX 64 /* STAGE requests under way for one link */

/* Takes fd over. */
void intake_link(struct queue *queue, const struct message_link *link, int fd);
/* Gives leases to the links that wait for one. */
void intake_grant_leases(struct queue *queue);
/* Tells every link whether new mail can be taken. */
void intake_send_space(struct queue *queue);
/* Tells every link its credit, which is none while draining; what is on its way is still taken. */
void intake_send_credit(struct queue *queue);
/* Asks every link to send nothing more. */
void intake_pause(struct queue *queue);
/* True when none will, and all that they asked has been answered. */
bool intake_is_paused(const struct queue *queue);
/* The ids that receive processes may use, for the next queue, where they go on with them. PERM: the
 * bytes make no sense; TEMP: no memory. */
void intake_save_leases(struct queue *queue, struct buffer *buffer);
sluice_status intake_load_leases(struct queue *queue, struct sluice_span bytes);
/* The link of a process that has our configuration; NULL: there is none at present. */
struct channel *intake_current(const struct queue *queue);
size_t intake_link_count(const struct queue *queue);
void intake_done(struct queue *queue);

#endif
