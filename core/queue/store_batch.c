/* SPDX-License-Identifier: ISC */
/*
 * store_batch: one batch of the group commit: taken from a list of changes, applied on the store's
 * thread.
 */
#include "queue/store_private.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

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

bool store_change_is_put(const struct store_change *change)
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

size_t store_change_count(const struct store_change *change)
{
    size_t count = 0;

    for (; change != NULL; change = change->tied)
        count++;
    return count;
}

size_t store_batch_take(struct store *store, struct store_change **list,
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
        store->put_count -= store_change_is_put(change);
        change->is_taken = true;
        DL_APPEND(*ret_taken, change);
        count += store_change_count(change);
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

/* A batch has become durable. */
static void count_batch(size_t change_count, int64_t time_us)
{
    metric_add(metric_get(METRIC_STORE_CHANGES, NULL, NULL, NULL), change_count);
    metric_observe(metric_get(METRIC_STORE_BATCH_SECONDS, NULL, NULL, NULL),
                   METRIC_STORE_BATCH_SECONDS, (uint64_t)time_us);
}

sluice_status store_batch_apply(struct store *store, const struct store_change *list, size_t count,
                                struct error *err)
{
    struct batch *batch = batch_new(store, list, count);
    if (batch == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");

    struct store_call *call = &batch->call;
    int64_t begin_us = clock_monotonic_us();
    store->applying_ms = clock_monotonic_ms();
    sluice_status st = store_call_run(&call, store->writer, CLOCK_NEVER, err);
    store->applying_ms = 0;
    store->batch_count++;
    if (st == SLUICE_OK)
        count_batch(count, clock_monotonic_us() - begin_us);
    if (call != NULL)
        batch_free(call);
    return st;
}
