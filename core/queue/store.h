/* SPDX-License-Identifier: ISC */
/*
 * store: the front end of the queue store's plugin.
 *
 * Changes gather while one apply() runs and go together with the next: that is the group commit. A
 * new message starts it at once; a changed record waits up to STORE_LAZY_MS for company. apply has
 * a thread of its own, so that reads that hang do not stop commits, and so has maintain, if the store
 * allows that; what the plugin's mode forbids at the same time is not done at the same time.
 *
 * Order: store_open -> store_scan -> store_run and store_run_maintenance (tasks) ->
 * (submit | read | stage | space)* -> store_settle -> store_close, when both tasks have ended. All on
 * the loop's thread; what waits, on a task.
 */
#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"
#include "sluice/queue.h"

#include <stdbool.h>

#define STORE_LAZY_MS 50
#define STORE_SLOW_MS 3000 /* a batch that takes longer is complained about */
#define STORE_BATCH_CHANGES_MAX 4096
#define STORE_BATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define STORE_RECORDS_MAX 64
#define STORE_RETRY_MS 1000 /* after a batch that failed */

struct store;

/* configured: the store; folder: an existing one, the queue's. On a task, before all work. */
sluice_status store_open(const struct config_instance *configured, const char *folder,
                         struct store **ret_store, struct error *err);
/* Waits a few seconds for calls that have not returned. One that hangs keeps the store: it is left
 * open, since nobody may close it under such a call. Accepts NULL. */
void store_close(struct store *store);

/* Each message that the store has; called on another thread while the caller waits. A status other
 * than OK ends the scan. [task: waits] */
typedef sluice_status store_found(void *user, uint64_t id, struct sluice_span record,
                                  uint64_t content_size);
sluice_status store_scan(struct store *store, store_found *found, void *user, struct error *err);

/* ---- changes --------------------------------------------------------------------------------- */

/*
 * One change. The caller owns it and everything that it points to, all of which must stay until
 * done has been called, on the loop, once: OK: durable. TEMP: it failed, and has not happened or
 * cannot be known. A PUT fails with the batch that it is in; UPDATE and REMOVE must not be lost and
 * are tried until they succeed or the store refuses them: PERM, it does not know that message;
 * UNSUPPORTED, the record is too long for it. done may free
 * the change and submit others.
 *
 * Others can be tied to a change: they go in the same batch, all or none, and only the first one is
 * submitted and done. Together with a PUT they fail as it does.
 */
struct store_change {
    struct sluice_queue_change change;
    uint64_t file_size; /* of change.content_fd, if that is one */
    struct store_change *tied; /* the next one that goes with it */
    void (*done)(struct store_change *change, sluice_status status, const struct error *err);
    struct store_change *prev;
    struct store_change *next;
    int64_t submitted_ms;
    bool is_taken; /* into a batch that runs */
};

/* The task that commits; returns when it is cancelled. store is a struct store. */
void store_run(void *store);
/* The task that maintains a store that can be maintained while it commits; returns at once for any
 * other, which store_run maintains, or when it is cancelled. store is a struct store. */
void store_run_maintenance(void *store);
/* To be called now and then: says so when a batch takes long. It is never given up on. */
void store_look(struct store *store);
void store_submit(struct store *store, struct store_change *change);
/* Somebody waits for what is pending: it does not wait for company. */
void store_hurry(struct store *store);
/* Takes back a change whose batch has not begun; false: too late. done is not called then. */
bool store_withdraw(struct store *store, struct store_change *change);
/* From now on changes do not wait for company; returns when none is left, or at the deadline
 * (TEMP). [task: waits] */
sluice_status store_settle(struct store *store, int64_t deadline_ms);

/* ---- beside them ----------------------------------------------------------------------------- */

struct store_content {
    struct buffer bytes; /* content of up to CONTENT_INLINE_MAX */
    int fd;              /* else: a file that holds nothing else */
    uint64_t size;
};

#define STORE_CONTENT_INIT {.fd = -1}

/* A message's record and content; ret_content may be NULL, and then the store does not look for it.
 * NOT_FOUND, TEMP. The caller frees both.
 * [task: waits] */
sluice_status store_read(struct store *store, uint64_t id, struct buffer *ret_record,
                         struct store_content *ret_content, struct error *err);
void store_content_done(struct store_content *content);
/* Records of several messages at once, so that a listing does not wait for each. ret_records: empty
 * buffers, one for each of count (at most STORE_RECORDS_MAX) ids, that the caller frees; empty ones could
 * not be read. [task: waits] */
void store_read_records(struct store *store, const uint64_t *ids, size_t count,
                        struct buffer *ret_records);
/* An unnamed file for a large content, for a PUT's content_fd; the caller closes it. A store that
 * stages none gets one of ours, and its bytes with the PUT. [task: waits] */
sluice_status store_stage(struct store *store, uint64_t id, int *ret_fd, struct error *err);
sluice_status store_space(struct store *store, struct sluice_queue_space *ret_space,
                          struct error *err);

#endif
