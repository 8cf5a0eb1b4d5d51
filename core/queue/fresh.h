/* SPDX-License-Identifier: ISC */
/*
 * fresh: messages that have just become durable and go at once. Their records and contents, or the
 * memory files that hold those, stay for their first job, so that what was written a moment ago is not
 * read back.
 *
 * FRESH_BYTES_MAX is all that there is. Where more waits, what comes later is not kept, since it goes
 * later; only what did not get its turn in FRESH_TIME_MS makes way.
 */
#ifndef QUEUE_FRESH_H
#define QUEUE_FRESH_H

#include "sluice/types.h"

#include <stdbool.h>
#include <stddef.h>

struct active;
struct queue;
struct queue_message;
struct store_content;

#define FRESH_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define FRESH_TIME_MS 1000

/* Zero it to initialise. */
struct fresh {
    struct active *list; /* the oldest first */
    size_t bytes;
};

/* Keeps a message that has units to be attempted now, if there is memory for it: copies of record and
 * content, or, instead of that, the memory file with the content, where *memory_fd is not -1: then it is
 * taken. */
void fresh_keep(struct queue *queue, struct queue_message *message, struct sluice_span record,
                struct sluice_span content, int *memory_fd);
/* Moves the content of a message that is kept to *ret_content, which the caller frees; its record is
 * the active's. False: it is not kept. */
bool fresh_take(struct active *active, struct store_content *ret_content);
/* Forgets the content, if it is kept. */
void fresh_forget(struct active *active);
/* Of all. */
void fresh_done(struct queue *queue);

#endif
