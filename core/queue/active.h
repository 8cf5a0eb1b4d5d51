/* SPDX-License-Identifier: ISC */
/*
 * active: the record of a message that something is being done with.
 *
 * While a message has jobs, or a change of its record is not durable yet, its newest record is here
 * in memory, and that is the truth: results of several jobs change it one after the other, and what
 * could not be recorded yet is not attempted again as long as this process lives.
 */
#ifndef QUEUE_ACTIVE_H
#define QUEUE_ACTIVE_H

#include "base/buffer.h"
#include "queue/store.h"

struct queue;
struct queue_message;

struct active {
    struct queue *queue;
    struct queue_message *message;
    struct buffer record;  /* the newest; empty: not read yet */
    struct buffer written; /* what the store is given now */
    struct store_change change;
    unsigned users; /* jobs */
    bool is_recording;
    bool is_dirty;
    bool is_finished; /* nothing is left to do: the message goes */
};

/* The message's, made if there is none, with one more user. NULL: no memory. */
struct active *active_get(struct queue *queue, struct queue_message *message);
void active_unref(struct active *active);
/* A record for one that is not read yet; else drops it. Takes the buffer. */
void active_set(struct active *active, struct buffer *record);
/* The record has changed: takes the buffer, and lets the store know. is_finished: the message is
 * done with, and is removed. */
void active_change(struct active *active, struct buffer *record, bool is_finished);

#endif
