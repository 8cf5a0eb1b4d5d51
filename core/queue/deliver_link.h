/* SPDX-License-Identifier: ISC */
/*
 * deliver_link: the deliver processes, as the queue has them: what each takes at a time, and its frames.
 */
#ifndef QUEUE_DELIVER_LINK_H
#define QUEUE_DELIVER_LINK_H

#include "base/error.h"
#include "ipc/channel.h"
#include "queue/death.h"

struct message_link;
struct queue;

/* A deliver process. */
struct deliver_link {
    struct queue *queue;
    struct channel *channel; /* NULL: it has closed */
    unsigned index;
    int32_t pid;
    uint64_t generation;   /* of its configuration */
    unsigned crew;         /* CREW_UNKNOWN: one of another configuration; it gets nothing */
    bool is_paused;        /* it sends nothing more */
    bool is_isolated; /* for suspects alone */
    int64_t closed_ms;
    struct death death;
    uint64_t credit_bytes; /* what it takes at a time */
    uint64_t credit_messages;
    uint64_t used_bytes;
    uint64_t used_messages;
    struct deliver_link *prev;
    struct deliver_link *next;
};

/* Takes fd over. */
void deliver_link_start(struct queue *queue, const struct message_link *message, int fd);
/* It has closed: it goes, and what was under way waits for delay_ms. */
void deliver_link_end(struct deliver_link *link, int64_t delay_ms);
/* The one to the isolated process, or NULL. */
struct deliver_link *deliver_link_isolated(const struct queue *queue);
size_t deliver_link_count(const struct queue *queue);
void deliver_links_done(struct queue *queue);

#endif
