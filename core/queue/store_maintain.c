/* SPDX-License-Identifier: ISC */
/*
 * store_maintain: when the plugin tidies up.
 *
 * A store that allows it (SLUICE_QUEUE_MAINTAIN_ASIDE) does so on a thread of its own, from a task
 * of its own, at once again while there is something to do. While commits go on it gets a bounded part
 * of the time, since both need the same disk: a larger one where less space is free than used, all of it
 * on a full disk, since nothing is committed then that takes space. Any other store is maintained by the
 * committer when it has nothing else to do.
 */
#include "queue/store_private.h"

#include "base/clock.h"

#include <stdlib.h>

#define BUDGET_MS 20
#define PAUSE_MS 1000 /* when there was nothing to do, */
#define LOOK_MS 50    /* but commits bring new work */
#define BUSY_BUDGET_MS 5
#define BUSY_PART 10   /* while commits go on: one part in so many of the time, */
#define CRAMPED_PART 2 /* but more where space is getting short */

bool store_maintains_aside(const struct store *store)
{
    return instance_mode(store->instance) == SLUICE_MODE_PARALLEL &&
           STORE_SIDE(store, maintain) != NULL &&
           (STORE_OPS(store, maintain)->flags & SLUICE_QUEUE_MAINTAIN_ASIDE) != 0;
}

struct maintain_call {
    struct store_call call;
    int64_t budget_ms;
};

static sluice_status maintain_work(struct store_call *call, const struct sluice_errors *errors)
{
    const struct maintain_call *maintain_call = (const struct maintain_call *)(const void *)call;

    return STORE_CALL(call->store, maintain, maintain_call->budget_ms, errors);
}

static void maintain_free(struct store_call *call)
{
    free(call); /* the first member */
}

/* TEMP when it cannot be done now, for whatever reason; NOT_FOUND: nothing to do. */
static sluice_status call_maintain(struct store *store, int64_t budget_ms)
{
    struct error err = ERROR_INIT;
    struct maintain_call *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return SLUICE_TEMP;
    *made = (struct maintain_call){
        .call = {.store = store, .work = maintain_work, .free = maintain_free},
        .budget_ms = budget_ms,
    };
    struct store_call *call = &made->call;
    sluice_status st = store_call_run(
        &call, store->maintainer != NULL ? store->maintainer : store->writer, CLOCK_NEVER, &err);
    if (call != NULL)
        maintain_free(call);
    if (task_is_cancelled())
        return st;
    if (st == SLUICE_OK || st == SLUICE_NOT_FOUND)
        complain_over(&store->maintain_complaint, "queue store: maintenance goes on");
    else
        complain(&store->maintain_complaint, LOG_LEVEL_WARNING, "queue store: maintenance: %s",
                 err.text);
    return st;
}

int64_t store_maintain(struct store *store)
{
    uint64_t batches = store->batch_count;
    int64_t start_ms = clock_monotonic_ms();

    if (STORE_SIDE(store, maintain) == NULL)
        return CLOCK_NEVER;
    sluice_status st = call_maintain(store, store->is_busy ? BUSY_BUDGET_MS : BUDGET_MS);
    int64_t now_ms = clock_monotonic_ms();
    int64_t took_ms = now_ms > start_ms ? now_ms - start_ms : 1;
    /* Those since the last call: this one may have been too short to see any. */
    store->is_busy = store->batch_count != store->maintained_batch_count;
    store->maintained_batch_count = batches;
    if (st != SLUICE_OK)
        return now_ms + (st == SLUICE_NOT_FOUND && store->is_busy ? LOOK_MS : PAUSE_MS);
    if (!store->is_busy)
        return now_ms;
    return now_ms + took_ms * ((store->is_cramped ? CRAMPED_PART : BUSY_PART) - 1);
}

void store_run_maintenance(void *arg)
{
    struct store *store = arg;
    int64_t next_ms = clock_monotonic_ms() + PAUSE_MS;

    if (store->maintainer == NULL)
        return;
    while (task_sleep_until(next_ms) == SLUICE_OK)
        next_ms = store_maintain(store);
}
