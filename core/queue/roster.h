/* SPDX-License-Identifier: ISC */
/*
 * roster: all queued messages, by id and in the order of their arrival.
 *
 * A table of our own, since uthash's handle takes 56 bytes for each of millions and stops everybody
 * while it makes its table larger. This one grows and shrinks by one bucket at a time (linear hashing),
 * and takes 4 to 8 bytes for a message beside the message's own links. Ids come in rows, so their
 * last bits are spread enough.
 */
#ifndef QUEUE_ROSTER_H
#define QUEUE_ROSTER_H

#include "base/slab.h"
#include "queue/message.h"

struct roster {
    struct queue_message *first; /* in the order of arrival: prev, next */
    size_t count;
    struct queue_message **buckets;
    size_t bucket_count;
    size_t capacity; /* a power of two */
    struct slab memory;
};

void roster_init(struct roster *roster);
void roster_done(struct roster *roster); /* is empty */
/* NULL: it is not there. */
struct queue_message *roster_find(const struct roster *roster, uint64_t id);
/* A message of that id, which is not there yet, zeroed, at the end. NULL: no memory. */
struct queue_message *roster_add(struct roster *roster, uint64_t id);
/* Frees it. */
void roster_remove(struct roster *roster, struct queue_message *message);
/* Puts them in the order of their arrival_ms, after a start that found them in any; no cursor is among
 * them. TEMP: no memory. */
sluice_status roster_sort(struct roster *roster);

#endif
