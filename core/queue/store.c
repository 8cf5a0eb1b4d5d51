/* SPDX-License-Identifier: ISC */
/*
 * store: the plugin's life, its threads, and the group commit.
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
#define MAINTAIN_BUDGET_MS 20
#define MAINTAIN_PAUSE_MS 1000

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
    instance_enter(&around, call->store->instance, CLOCK_NEVER);
    sluice_status st = status_known(call->work(call, &sink.sdk));
    instance_leave(&around, st);
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

/* What one apply() gets. The spans in the changes are pinned by their owners. */
struct batch {
    struct store_call call;
    size_t count;
    struct sluice_queue_change *changes;
    const struct store_change **sources;
    char **loaded; /* contents of files, for a store that takes none */
};

static void batch_free(struct store_call *call)
{
    struct batch *batch = (struct batch *)(void *)call;

    for (size_t i = 0; batch->loaded != NULL && i < batch->count; i++)
        free(batch->loaded[i]);
    free(batch->loaded);
    free(batch->sources);
    free(batch->changes);
    free(batch);
}

/* The file's bytes, for a store that takes no files. NULL: no memory, or it cannot be read. */
static char *load_file(const struct store_change *change)
{
    char *bytes = malloc(change->file_size > 0 ? change->file_size : 1);
    uint64_t done = 0;

    while (bytes != NULL && done < change->file_size) {
        ssize_t n =
            pread(change->change.content_fd, bytes + done, change->file_size - done, (off_t)done);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(bytes);
            return NULL;
        }
        done += (uint64_t)n;
    }
    return bytes;
}

static sluice_status load_files(struct batch *batch, const struct sluice_errors *errors)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct sluice_queue_change *change = &batch->changes[i];

        if (change->kind != SLUICE_QUEUE_PUT || change->content_fd == -1)
            continue;
        batch->loaded[i] = load_file(batch->sources[i]);
        if (batch->loaded[i] == NULL) {
            errors->explain(errors, "4.3.0", "a staged content cannot be read into memory");
            return SLUICE_TEMP;
        }
        change->content_fd = -1;
        change->content.ptr = batch->loaded[i];
        change->content.len = (size_t)batch->sources[i]->file_size;
    }
    return SLUICE_OK;
}

static sluice_status apply_work(struct store_call *call, const struct sluice_errors *errors)
{
    struct batch *batch = (struct batch *)(void *)call;
    sluice_status st = SLUICE_OK;

    if (!store_takes_files(call->store))
        st = load_files(batch, errors);
    if (st == SLUICE_OK)
        st = STORE_CALL(call->store, apply, batch->changes, batch->count, sizeof(batch->changes[0]),
                        errors);
    return st;
}

/* True if a new message is among the change and those tied to it. */
static bool is_put(const struct store_change *change)
{
    while (change != NULL && change->change.kind != SLUICE_QUEUE_PUT)
        change = change->tied;
    return change != NULL;
}

/* In memory while it is applied, with what is tied to it. */
static size_t change_bytes(const struct store *store, const struct store_change *change)
{
    size_t bytes = 0;

    for (; change != NULL; change = change->tied)
        bytes += change->change.record.len + change->change.content.len +
                 (store_takes_files(store) ? 0 : (size_t)change->file_size);
    return bytes;
}

static size_t change_count(const struct store_change *change)
{
    size_t count = 0;

    for (; change != NULL; change = change->tied)
        count++;
    return count;
}

/* Moves as much as one batch may hold from a list to ret_taken: the count of changes, with those that
 * are tied. */
static size_t take_batch(struct store *store, struct store_change **list,
                         struct store_change **ret_taken)
{
    size_t bytes = 0;
    size_t count = 0;

    while (*list != NULL && count < STORE_BATCH_CHANGES_MAX) {
        struct store_change *change = *list;

        bytes += change_bytes(store, change);
        if (count > 0 && bytes > STORE_BATCH_BYTES_MAX)
            break;
        DL_DELETE(*list, change);
        store->put_count -= is_put(change);
        change->is_taken = true;
        DL_APPEND(*ret_taken, change);
        count += change_count(change);
    }
    return count;
}

static struct batch *batch_new(struct store *store, const struct store_change *list, size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->call = (struct store_call){.store = store, .work = apply_work, .free = batch_free};
    batch->changes = calloc(count, sizeof(*batch->changes));
    batch->sources = calloc(count, sizeof(*batch->sources));
    batch->loaded = calloc(count, sizeof(*batch->loaded));
    if (batch->changes == NULL || batch->sources == NULL || batch->loaded == NULL) {
        batch_free(&batch->call);
        return NULL;
    }
    const struct store_change *first;
    DL_FOREACH(list, first)
    {
        for (const struct store_change *change = first; change != NULL; change = change->tied) {
            batch->sources[batch->count] = change;
            batch->changes[batch->count++] = change->change;
        }
    }
    return batch;
}

/* Applies the changes of a list. When the task is cancelled meanwhile they must stay for ever: the
 * thread still reads them. */
static sluice_status apply_list(struct store *store, const struct store_change *list, size_t count,
                                struct error *err)
{
    struct batch *batch = batch_new(store, list, count);
    if (batch == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");

    struct store_call *call = &batch->call;
    store->applying_ms = clock_monotonic_ms();
    sluice_status st = store_call_run(&call, store->writer, CLOCK_NEVER, err);
    store->applying_ms = 0;
    if (call != NULL)
        batch_free(call);
    return st;
}

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
    if (is_put(change) || is_refusal(status)) {
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
        sluice_status st = apply_list(store, alone, change_count(change), &err);
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
    size_t count = take_batch(store, list, &taken);
    sluice_status st = apply_list(store, taken, count, &err);

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

static void plain_free(struct store_call *call)
{
    free(call);
}

static sluice_status maintain_work(struct store_call *call, const struct sluice_errors *errors)
{
    return STORE_CALL(call->store, maintain, MAINTAIN_BUDGET_MS, errors);
}

/* When to call it again. */
static int64_t maintain(struct store *store)
{
    struct error err = ERROR_INIT;
    struct store_call *call;
    sluice_status st;

    if (STORE_SIDE(store, maintain) == NULL)
        return CLOCK_NEVER;
    call = calloc(1, sizeof(*call));
    if (call == NULL)
        return clock_monotonic_ms() + MAINTAIN_PAUSE_MS;
    *call = (struct store_call){.store = store, .work = maintain_work, .free = plain_free};
    st = store_call_run(&call, store->writer, CLOCK_NEVER, &err);
    free(call);
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
        complain(&store->maintain_complaint, LOG_LEVEL_WARNING, "queue store: maintenance: %s",
                 err.text);
    return clock_monotonic_ms() + (st == SLUICE_OK ? 0 : MAINTAIN_PAUSE_MS);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void store_run(void *arg)
{
    struct store *store = arg;
    int64_t maintain_ms = clock_monotonic_ms() + MAINTAIN_PAUSE_MS;
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
            maintain_ms = maintain(store);
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
    store->put_count += is_put(change);
    store->busy_count++;
    /* Only the first lazy one and each urgent one change what the committer waits for. */
    if (is_put(change) || store->is_hurried || store->pending == change)
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
    store->put_count -= is_put(change);
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
