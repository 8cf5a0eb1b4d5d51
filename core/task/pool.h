/* SPDX-License-Identifier: ISC */
/*
 * pool: threads for what blocks. A pool belongs to one instance (a table, a store, the disk), so
 * that four hung calls stop nobody else.
 *
 * A job's argument lives on the heap: work may still run when the waiter has given up. It is the
 * caller's again when pool_run returns OK; when it returns TEMP, it belongs to the pool, which calls
 * release once work has ended (or at once, if it has not begun).
 */
#ifndef TASK_POOL_H
#define TASK_POOL_H

#include "sluice/types.h"

#include <stdbool.h>

struct pool;

/* Up to max_threads threads, started when there is work, each with a name for debuggers. [loop] */
sluice_status pool_new(const char *name, unsigned max_threads, struct pool **ret_pool);
/* Lets the threads finish what they have; gives up on those that hang for 5 s (they are left behind,
 * and so is what they use). No task may be waiting. Accepts NULL. [loop] */
void pool_free(struct pool *pool);

/*
 * Runs work(arg) on a thread and waits. OK: it has run, *ret_status is what it returned, arg is the
 * caller's again. TEMP: deadline, cancelled or no memory; release(arg), which may be NULL, is called
 * once on the loop's thread, now or when work has returned. [task: waits]
 */
sluice_status pool_run(struct pool *pool, sluice_status (*work)(void *arg),
                       void (*release)(void *arg), void *arg, int64_t deadline_ms,
                       sluice_status *ret_status);
/* Runs work(arg) on a thread, then done(arg, status) on the loop's thread. TEMP: no memory, neither
 * will be called. [loop] */
sluice_status pool_submit(struct pool *pool, sluice_status (*work)(void *arg),
                          void (*done)(void *arg, sluice_status status), void *arg);

/*
 * Called on the loop when the last thread of a pool hangs too: each is in a call whose deadline has
 * passed. From then on the pool answers nothing but TEMP. For the process; NULL: nobody is told.
 */
void pool_set_alarm(void (*alarm)(const char *pool_name));

#endif
