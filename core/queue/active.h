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
    unsigned users;    /* jobs, and what operators do */
    uint64_t changes;  /* of the record so far, */
    uint64_t writing;  /* how many of them the store is given now, */
    uint64_t recorded; /* and how many it has */
    bool is_recording;
    bool is_dirty;
    bool is_finished; /* nothing is left to do: the message goes, whatever its jobs come to */
    bool is_gone;     /* the store does not have it any more: it goes with its last user */
};

/* The message's, made if there is none, with one more user. NULL: no memory. */
struct active *active_get(struct queue *queue, struct queue_message *message);
void active_unref(struct active *active);
/* A record for one that is not read yet; else drops it. Takes the buffer. */
void active_set(struct active *active, struct buffer *record);
/* The record has changed: takes the buffer, and lets the store know. is_finished: the message is
 * done with, and is removed; what changes after that is dropped. */
void active_change(struct active *active, struct buffer *record, bool is_finished);
/* The message is done with whatever its record says: what is left of it is dropped. */
void active_remove(struct active *active);
/* Waits until the store has the change of that number, as active->changes said after it; the caller
 * is a user. TEMP: not in time, or cancelled; it is tried on. [task: waits] */
sluice_status active_wait(const struct active *active, uint64_t change, int64_t deadline_ms);

#endif
