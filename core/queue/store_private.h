/* SPDX-License-Identifier: ISC */
/*
 * store_private: what store.c, store_batch.c, store_maintain.c and store_read.c share.
 */
#ifndef QUEUE_STORE_PRIVATE_H
#define QUEUE_STORE_PRIVATE_H

#include "base/log.h"
#include "plugin/instance.h"
#include "queue/store.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdatomic.h>

/* Calls an operation that the plugin has. */
#define STORE_CALL(store, operation, ...)                                                          \
    (STORE_OPS(store, operation)->operation(STORE_SIDE(store, operation)->self, __VA_ARGS__))
#define STORE_SIDE(store, operation)                                                               \
    INSTANCE_SIDE((store)->instance, struct sluice_queue_ops, operation)
#define STORE_OPS(store, operation)                                                                \
    INSTANCE_OPS(STORE_SIDE(store, operation), struct sluice_queue_ops)

struct store {
    struct instance *instance;
    char *folder;
    struct pool *writer;  /* NULL: the plugin never blocks */
    struct pool *readers; /* the writer, if the plugin is serial */
    struct pool *maintainer; /* NULL: the committer maintains */
    atomic_uint running;     /* calls that have not returned */
    struct store_change *pending;
    struct store_change *failed; /* results, to be tried again */
    size_t put_count;            /* among those that are pending */
    size_t busy_count;           /* pending, failed, and in the batch that runs */
    bool is_hurried;             /* from now on nothing waits for company, */
    bool is_urgent;              /* or what is pending now does not */
    int64_t applying_ms;         /* since when a batch runs; 0: none does */
    uint64_t batch_count;        /* so far */
    uint64_t maintained_batch_count; /* when maintain was called for the last time */
    bool is_busy;                    /* batches come between calls of maintain */
    bool is_cramped;                 /* less is free than used, when last asked */
    struct task_queue work;      /* the committer waits here */
    struct task_queue settled;   /* woken when busy_count is 0 */
    struct complaint complaint;
    struct complaint maintain_complaint;
    struct complaint slow_complaint;
};

/* A call of one of the plugin's operations; the first member of what it needs. On the heap: work may
 * go on when nobody waits any more, and free is then called in the end. */
struct store_call {
    struct store *store;
    sluice_status (*work)(struct store_call *call, const struct sluice_errors *errors);
    void (*free)(struct store_call *call);
    struct error err;
};

/* True if the plugin stages files and takes them over. */
bool store_takes_files(const struct store *store);
/* Runs it and waits. *call is NULL afterwards if it could not be waited for: it is the pool's then,
 * and has perhaps not begun. [task: waits] */
sluice_status store_call_run(struct store_call **call, struct pool *pool, int64_t deadline_ms,
                             struct error *err);

/* ---- batches --------------------------------------------------------------------------------- */

/* True if a new message is among the change and those tied to it. */
bool store_change_is_put(const struct store_change *change);
/* The change and those tied to it. */
size_t store_change_count(const struct store_change *change);
/* Moves as much as one batch may hold from a list to ret_taken. Returns the count of changes, with
 * those that are tied. */
size_t store_batch_take(struct store *store, struct store_change **list,
                        struct store_change **ret_taken);
/* Applies the changes of a list. When the task is cancelled meanwhile they must stay for ever: the
 * thread still reads them. [task: waits] */
sluice_status store_batch_apply(struct store *store, const struct store_change *list, size_t count,
                                struct error *err);

/* ---- maintenance ----------------------------------------------------------------------------- */

/* The plugin can be maintained while it applies. */
bool store_maintains_aside(const struct store *store);
/* Calls maintain once; returns when to do so again. [task: waits] */
int64_t store_maintain(struct store *store);

#endif
