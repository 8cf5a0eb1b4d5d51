/* SPDX-License-Identifier: ISC */
/*
 * store: the plugin's life, its threads, and when the group commits.
 */
#include "queue/store_private.h"

#include "base/clock.h"
#include "base/durable.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define READER_THREADS 4
#define MAINTAIN_FIRST_MS 1000

/* ---- open and close -------------------------------------------------------------------------- */

/* A serial plugin gets one thread for everything; one that does not block needs none. */
static sluice_status make_threads(struct store *store)
{
    int32_t mode = instance_mode(store->instance);
    sluice_status st = SLUICE_OK;

    if (mode == SLUICE_MODE_INLINE || mode == SLUICE_MODE_TASK)
        return SLUICE_OK;
    st = pool_new("store-write", 1, &store->writer);
    if (st == SLUICE_OK && mode == SLUICE_MODE_PARALLEL)
        st = pool_new("store-read", READER_THREADS, &store->readers);
    else
        store->readers = store->writer;
    if (st == SLUICE_OK && store_maintains_aside(store))
        st = pool_new("store-maintain", 1, &store->maintainer);
    return st;
}

/* The name does not tell which store it is of: one that finds another's files there refuses. */
static sluice_status make_folder(struct store *store, const char *queue_folder, struct error *err)
{
    struct buffer path = BUFFER_INIT;

    buffer_printf(&path, "%s/store", queue_folder);
    if (buffer_text(&path) == NULL) {
        buffer_done(&path);
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    store->folder = path.ptr;
    return durable_make_folder(store->folder, 0700, (uid_t)-1, (gid_t)-1, err);
}

sluice_status store_open(const struct config_instance *configured, const char *folder,
                         struct store **ret_store, struct error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    sluice_status st;

    if (store == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    st = make_folder(store, folder, err);
    if (st == SLUICE_OK)
        st = instance_new(configured, &store->instance, err);
    if (st == SLUICE_OK && make_threads(store) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "no threads for the store");
    if (st == SLUICE_OK)
        st = instance_open(store->instance, store->folder, err);
    if (st != SLUICE_OK) {
        error_prefix(err, "%s: queue store %s", configured->origin, configured->name);
        store_close(store);
        return st;
    }
    *ret_store = store;
    return SLUICE_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->readers != store->writer)
        pool_free(store->readers);
    pool_free(store->writer);
    pool_free(store->maintainer);
    if (atomic_load(&store->running) > 0) {
        log_error("queue store: left open: it has not come back from a call");
        return;
    }
    if (store->instance != NULL)
        instance_close(store->instance);
    instance_free(store->instance);
    free(store->folder);
    free(store);
}

/* ---- calls, on the thread that they belong to ------------------------------------------------ */

static sluice_status call_work(void *arg)
{
    struct store_call *call = arg;
    struct instance_call around;
    struct error_sink sink;

    error_sink_init(&sink, &call->err);
    atomic_fetch_add(&call->store->running, 1);
    instance_enter(&around, call->store->instance, CLOCK_NEVER);
    sluice_status st = status_known(call->work(call, &sink.sdk));
    instance_leave(&around, st);
    atomic_fetch_sub(&call->store->running, 1);
    return st;
}

static void call_release(void *arg)
{
    struct store_call *call = arg;

    call->free(call);
}

sluice_status store_call_run(struct store_call **call, struct pool *pool, int64_t deadline_ms,
                             struct error *err)
{
    sluice_status result = SLUICE_OK;

    if (pool == NULL) {
        result = call_work(*call);
    } else if (pool_run(pool, call_work, call_release, *call, deadline_ms, &result) != SLUICE_OK) {
        *call = NULL;
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "the queue store does not answer");
    }
    if (result != SLUICE_OK && err != NULL)
        *err = (*call)->err;
    return result;
}

/* ---- the group commit ------------------------------------------------------------------------ */

void store_look(struct store *store)
{
    int64_t time_ms = clock_monotonic_ms() - store->applying_ms;

    if (store->applying_ms > 0 && time_ms > STORE_SLOW_MS)
        complain(&store->slow_complaint, LOG_LEVEL_ERROR,
                 "the queue store has been busy with a batch for %lld s: until it comes back no mail "
                 "is accepted, and no result recorded",
                 (long long)(time_ms / 1000));
    else
        complain_over(&store->slow_complaint, "the queue store is back");
}

static void finish(struct store *store, struct store_change *change, sluice_status status,
                   const struct error *err)
{
    store->busy_count--;
    change->done(change, status, err);
}

/* For what the change itself is: it contradicts what the store has, or is more than it takes. */
static bool is_refusal(sluice_status status)
{
    return status == SLUICE_PERM || status == SLUICE_UNSUPPORTED;
}

/* A PUT has failed: who gave it is told. Another change is tried again with the next batch, in the
 * order in which they came. */
static void fail_change(struct store *store, struct store_change *change, sluice_status status,
                        const struct error *err)
{
    if (store_change_is_put(change) || is_refusal(status)) {
        finish(store, change, status, err);
        return;
    }
    change->is_taken = false;
    DL_APPEND(store->failed, change);
}

/* One of them is refused: each goes alone, to find it. */
static void apply_one_by_one(struct store *store, struct store_change *list)
{
    struct store_change *change;
    struct store_change *next;

    DL_FOREACH_SAFE(list, change, next)
    {
        struct error err = ERROR_INIT;
        struct store_change *alone = NULL;

        DL_DELETE(list, change);
        DL_APPEND(alone, change);
        sluice_status st = store_batch_apply(store, alone, store_change_count(change), &err);
        if (task_is_cancelled())
            return;
        if (st == SLUICE_OK)
            finish(store, change, st, NULL);
        else
            fail_change(store, change, st, &err);
    }
}

static void finish_batch(struct store *store, struct store_change *taken, sluice_status status,
                         const struct error *err)
{
    struct store_change *change;
    struct store_change *next;

    DL_FOREACH_SAFE(taken, change, next)
    {
        DL_DELETE(taken, change);
        if (status == SLUICE_OK)
            finish(store, change, status, NULL);
        else
            fail_change(store, change, status, err);
    }
    if (status == SLUICE_OK)
        complain_over(&store->complaint, "queue store: writes again");
    else
        complain(&store->complaint, LOG_LEVEL_ERROR, "queue store: %s", err->text);
}

/* One batch from a list: what is pending, or what has failed. */
static void commit_batch(struct store *store, struct store_change **list)
{
    struct error err = ERROR_INIT;
    struct store_change *taken = NULL;
    size_t count = store_batch_take(store, list, &taken);
    sluice_status st = store_batch_apply(store, taken, count, &err);

    if (task_is_cancelled())
        return;
    if (is_refusal(st) && count > 1)
        apply_one_by_one(store, taken);
    else
        finish_batch(store, taken, st, &err);
}

/* True if a batch should begin now; else when it should, if nothing else comes. */
static bool is_time(const struct store *store, int64_t now_ms, int64_t *ret_next_ms)
{
    *ret_next_ms = CLOCK_NEVER;
    if (store->pending == NULL)
        return false;
    *ret_next_ms = store->pending->submitted_ms + STORE_LAZY_MS;
    return store->put_count > 0 || store->is_hurried || store->is_urgent || now_ms >= *ret_next_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void store_run(void *arg)
{
    struct store *store = arg;
    int64_t maintain_ms =
        store->maintainer != NULL ? CLOCK_NEVER : clock_monotonic_ms() + MAINTAIN_FIRST_MS;
    int64_t retry_ms = 0;

    while (!task_is_cancelled()) {
        int64_t now_ms = clock_monotonic_ms();
        int64_t next_ms;

        if (store->busy_count == 0)
            task_queue_wake_all(&store->settled);
        if (store->failed != NULL && now_ms >= retry_ms) {
            /* Without new messages: those must not take the space that is reserved for results. */
            commit_batch(store, &store->failed);
            retry_ms = clock_monotonic_ms() + STORE_RETRY_MS;
        } else if (is_time(store, now_ms, &next_ms)) {
            store->is_urgent = false;
            commit_batch(store, &store->pending);
            if (store->failed != NULL && retry_ms < now_ms)
                retry_ms = clock_monotonic_ms(); /* without the new messages it may well go */
        } else if (now_ms >= maintain_ms) {
            maintain_ms = store_maintain(store);
        } else {
            next_ms = earlier(next_ms, maintain_ms);
            if (store->failed != NULL)
                next_ms = earlier(next_ms, retry_ms);
            (void)task_queue_wait(&store->work, next_ms); /* whichever: look again */
        }
    }
}

void store_submit(struct store *store, struct store_change *change)
{
    for (struct store_change *c = change; c != NULL; c = c->tied)
        c->change.struct_size = sizeof(c->change);
    change->submitted_ms = clock_monotonic_ms();
    change->is_taken = false;
    DL_APPEND(store->pending, change);
    store->put_count += store_change_is_put(change);
    store->busy_count++;
    /* Only the first lazy one and each urgent one change what the committer waits for. */
    if (store_change_is_put(change) || store->is_hurried || store->pending == change)
        task_queue_wake_all(&store->work);
}

void store_hurry(struct store *store)
{
    store->is_urgent = true;
    task_queue_wake_all(&store->work);
}

bool store_withdraw(struct store *store, struct store_change *change)
{
    if (change->is_taken)
        return false;
    DL_DELETE(store->pending, change);
    store->put_count -= store_change_is_put(change);
    store->busy_count--;
    return true;
}

sluice_status store_settle(struct store *store, int64_t deadline_ms)
{
    store->is_hurried = true;
    task_queue_wake_all(&store->work);
    while (store->busy_count > 0) {
        if (task_queue_wait(&store->settled, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
    }
    return SLUICE_OK;
}
