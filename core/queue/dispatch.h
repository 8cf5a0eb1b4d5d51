/* SPDX-License-Identifier: ISC */
/*
 * dispatch: deliver's side of the queue: jobs out, results in.
 *
 * A few tasks take what the schedule gives, as far as the deliver processes have given credit, read
 * the message and send it. What was under way in a process that has ended is death.h's.
 */
#ifndef QUEUE_DISPATCH_H
#define QUEUE_DISPATCH_H

#include "base/error.h"
#include "base/hash.h"
#include "queue/deliver_link.h"
#include "queue/message.h"

struct queue;

#define DISPATCH_TASKS 8        /* messages that are read at a time */
#define DISPATCH_RETURN_MS 1000 /* until what a deliver process gave back is tried again */

/* Units of one message at one site, on their way. */
struct job {
    uint64_t ref;
    struct queue *queue;
    struct deliver_link *link; /* NULL: it closed while the message was read, or see inherit.h */
    int32_t pid;               /* the deliver process's */
    struct site *site;
    struct active *active;
    struct unit *units;
    uint32_t *recipients; /* of the job's envelope: their places in the record */
    size_t recipient_count;
    uint64_t cost; /* in bytes of credit */
    int64_t started_ms;
    int64_t started_wall_ms;
    bool is_released;
    bool is_isolated;
    bool is_sent;
    UT_hash_handle hh;
};

sluice_status dispatch_start(struct queue *queue, struct error *err);
/* A deliver process says what has become of its job. PERM: that makes no sense. */
sluice_status dispatch_take_result(struct deliver_link *link, const struct channel_frame *frame);

/* For inherit.c: a job without units yet. NULL: no memory, or the ref is in use. */
struct job *dispatch_new_job(struct queue *queue, uint64_t ref);
struct job *dispatch_find_job(const struct queue *queue, uint64_t ref); /* NULL: there is none */
uint64_t dispatch_cost(const struct queue_message *message);
/* Its units wait for delay_ms, and the job is freed. */
void dispatch_give_back(struct job *job, int64_t delay_ms);
/* Frees a job that has no units. */
void dispatch_end_job(struct job *job);

#endif
