/* SPDX-License-Identifier: ISC */
/*
 * intake: the way into the queue. One for each receive process, over the link that the master gives
 * it: message ids from leases, credit, commits, staged files, releases.
 *
 * The link may be away for a while, when the queue is restarted: what was under way then fails (the
 * client is told 451), what begins waits for it.
 *
 * For one message: intake_take_id; intake_stage if it is large; intake_commit, or intake_withdraw.
 * On the loop's thread.
 */
#ifndef RECEIVE_INTAKE_H
#define RECEIVE_INTAKE_H

#include "base/error.h"
#include "ipc/messages.h"

#include <stdbool.h>

struct intake;
struct pool;

/* How long each step may take. */
struct intake_limits {
    int64_t ready_ms; /* for a link, an id and credit to be there */
    int64_t stage_ms;
    int64_t commit_ms;
    int64_t release_ms;
};

/* TEMP: no memory. */
sluice_status intake_new(const struct intake_limits *limits, struct intake **ret_intake);
void intake_free(struct intake *intake); /* accepts NULL; nobody may wait in it */
/* Takes over the socket of a new link; ends the one before. */
void intake_connect(struct intake *intake, int fd);
/* Threads for writing staged files, which may block on a slow disk. */
struct pool *intake_disk(struct intake *intake);

/* False if the queue has said that it has no room for a message of that size. */
bool intake_has_space(const struct intake *intake, uint64_t size);
/* The id for a message, once there is a link. TEMP. [task: waits] */
sluice_status intake_take_id(struct intake *intake, uint64_t *ret_id);
/* Credit for the bytes of content that are held in memory: all of them at once or nothing. */
bool intake_pay(struct intake *intake, uint64_t bytes);
void intake_pay_back(struct intake *intake, uint64_t bytes);

/* A file on the store's file system for that message, the caller's to close. TEMP with a text.
 * [task: waits] */
sluice_status intake_stage(struct intake *intake, uint64_t id, int *ret_fd, struct error *err);
/*
 * Gives the message to the queue and waits until it is durable. OK: it is; else it is not wanted
 * any more, though it may have become durable. content is copied at once; it is empty where fd, else
 * -1, is the file that holds it. An id and its staged file are void once the queue they came from is gone.
 * paid: the credit that was paid for content; it is the intake's from now on. [task: waits]
 */
sluice_status intake_commit(struct intake *intake, uint64_t id, struct sluice_span envelope,
                            struct sluice_span content, int fd, uint64_t paid,
                            struct error *err);
/* A message that was staged will not come. */
void intake_withdraw(struct intake *intake, uint64_t id);
/* What the queue may ask for in its turn: EXPLAIN and TABLES, of which type, ref and body are handed on. PERM: it makes
 * no sense. The answer comes by intake_explained, now or later: the text is JSON, or empty: it cannot be
 * made. It is lost where the queue that asked is gone. */
typedef sluice_status intake_explain_fn(void *user, uint16_t type, uint64_t ref,
                                        struct sluice_span body);
void intake_on_explain(struct intake *intake, intake_explain_fn *fn, void *user);
void intake_explained(struct intake *intake, uint64_t ref, struct sluice_span text);
/* Asks for a release. NOT_FOUND: there is no queue of that name. TEMP: the queue did not answer.
 * [task: waits] */
sluice_status intake_release(struct intake *intake, const struct message_release *release,
                             struct message_released *ret_released);

#endif
