/* SPDX-License-Identifier: ISC */
/*
 * lookup_link: the lookup processes, as the queue has them: for what operators ask of tables. No mail goes
 * that way.
 */
#ifndef QUEUE_LOOKUP_LINK_H
#define QUEUE_LOOKUP_LINK_H

#include "ipc/channel.h"

#include <stdint.h>

struct message_link;
struct queue;

/* A lookup process. */
struct lookup_link {
    struct queue *queue;
    struct channel *channel;
    unsigned index; /* that of its home (config/homes.h) */
    int32_t pid;
    uint64_t generation; /* of its configuration */
    struct lookup_link *prev;
    struct lookup_link *next;
};

/* Takes fd over. */
void lookup_link_start(struct queue *queue, const struct message_link *message, int fd);
/* The one to that home's process of our generation; NULL: there is none now. */
struct lookup_link *lookup_link_find(const struct queue *queue, unsigned index);
/* All of our generation. */
size_t lookup_link_count(const struct queue *queue);
void lookup_links_done(struct queue *queue);

#endif
