/* SPDX-License-Identifier: ISC */
/*
 * store_private: what store.c and store_read.c share.
 */
#ifndef QUEUE_STORE_PRIVATE_H
#define QUEUE_STORE_PRIVATE_H

#include "base/log.h"
#include "plugin/instance.h"
#include "queue/store.h"
#include "task/pool.h"
#include "task/task.h"

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
    struct store_change *pending;
    struct store_change *failed; /* results, to be tried again */
    size_t put_count;            /* among those that are pending */
    size_t busy_count;           /* pending, failed, and in the batch that runs */
    bool is_hurried;             /* from now on nothing waits for company, */
    bool is_urgent;              /* or what is pending now does not */
    int64_t applying_ms;         /* since when a batch runs; 0: none does */
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

#endif
