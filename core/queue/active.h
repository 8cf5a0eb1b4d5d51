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
#include "ipc/envelope.h"
#include "queue/store.h"

struct active_joint;
struct queue;
struct queue_message;

struct active {
    struct queue *queue;
    struct queue_message *message;
    struct buffer record;  /* the newest; empty: not read yet */
    struct buffer written; /* what the store is given now */
    struct store_content content; /* fresh.h; of size 0: not kept */
    int64_t fresh_ms; /* since when it is kept */
    struct active *fresh_prev;
    struct active *fresh_next;
    struct store_change change;
    unsigned users;    /* jobs, and what operators do */
    uint64_t changes;  /* of the record so far, */
    uint64_t writing;  /* how many of them the store is given now, */
    uint64_t recorded; /* and how many it has */
    bool is_recording;
    bool is_dirty;
    bool is_refused; /* the newest change that the store was given */
    bool is_finished; /* nothing is left to do: the message goes, whatever its jobs come to */
    bool is_gone;     /* the store does not have it any more: it goes with its last user */
    struct active_joint *joint; /* who waits for what is with the store, with new messages */
};

/* Changes a record. */
typedef void active_edit(struct envelope *envelope, void *user);

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
 * is a user. TEMP: not in time, or cancelled, and it is tried on; or refused. [task: waits] */
sluice_status active_wait(const struct active *active, uint64_t change, int64_t deadline_ms);

/*
 * Edits the newest record, which must be there, and gives it (or the message's removal, if it is
 * finished then) to the store together with new messages: puts, tied to each other, or NULL. OK: all
 * of that is durable, and in the record; else nothing has changed: NOT_FOUND: the message has been
 * removed; TEMP; PERM: the store contradicts. When the task is cancelled while is_recording
 * everything must stay for ever: the store's thread still reads it. [task: waits]
 */
sluice_status active_change_with(struct active *active, active_edit *edit, void *user,
                                 struct store_change *puts, struct error *err);

#endif
