/* SPDX-License-Identifier: ISC */
/*
 * fresh: messages that have just become durable and go at once. Their records and contents stay in
 * memory for their first job, so that what was written a moment ago is not read back.
 *
 * What does not get its turn soon makes way for what comes later: FRESH_BYTES_MAX is all that there is.
 */
#ifndef QUEUE_FRESH_H
#define QUEUE_FRESH_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct active;
struct queue;
struct queue_message;

#define FRESH_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* Zero it to initialise. */
struct fresh {
    struct active *list; /* the oldest first */
    size_t bytes;
};

/* Keeps copies of a message that has units to be attempted now, if there is memory for them. */
void fresh_keep(struct queue *queue, struct queue_message *message, struct sluice_span record,
                struct sluice_span content);
/* Moves the content of a message that is kept to *ret_content, which the caller frees; its record is
 * the active's. False: it is not kept. */
bool fresh_take(struct active *active, struct buffer *ret_content);
/* Forgets the content, if it is kept. */
void fresh_forget(struct active *active);
/* Of all. */
void fresh_done(struct queue *queue);

#endif
