/* SPDX-License-Identifier: ISC */
/*
 * queue/bdb: a queue store on Berkeley DB transactions, for who wants its tools and hot backup.
 *
 * One transaction for each batch, synced at its commit. Contents over 64 KiB are files in large/,
 * synced and named before the transaction that mentions them commits.
 *
 * Threads: read and space take the guard for reading, apply for writing: readers wait for the
 * commit of a batch, and never for each other.
 *
 * A full disk: Berkeley DB cannot be told to stay within limits, and a log that cannot grow
 * makes its environment unusable until it is recovered. So apply looks first. When
 * little is left, the log is written off into the trees; is it still little, then PUTs are refused,
 * and UPDATE and REMOVE get the space of the file "reserve", which is made anew when there is
 * room again. Otherwise the files do not shrink: what removed messages took is used again by later
 * ones, and goes back to the disk only when that is nearly full.
 *
 * After a sync that failed, or when Berkeley DB gives up as a whole, that batch ends with TEMP, and the
 * next one opens the database again, which recovers it; see also disk.h.
 *
 * What it does not survive: a page that was written in part. Berkeley DB writes pages in place, and
 * recovery believes the sequence number at a page's beginning; even a catastrophic recovery does
 * not mend that without a copy of the files and all of the log since. It makes pages as
 * large as the blocks of the file system, which those write as a whole. Each page has a checksum, so
 * that a torn one is found: the store then does not open, and large/ stays as it is.
 */
#include "../common/batch.h"
#include "../common/failure.h"
#include "../common/folder.h"
#include "../common/large.h"
#include "database.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* What a batch may need beyond its own bytes and the pages that wait in the cache: a new log file's
 * first pages, pages that split, the regions of the environment at the next open. */
#define HEADROOM ((uint64_t)4 << 20)
#define GROWTH 4 /* bytes on disk for each byte of a batch: log, pages, before-images */
/* Contents of more bytes are files: of 100 KB one takes half the CPU that pages and log would. */
#define LARGE_THRESHOLD ((size_t)64 * 1024)

struct sluice_queue {
    const struct sluice_host *host;
    char *path;
    int folder;
    int lock;
    struct large large;
    pthread_rwlock_t guard;
    struct database database;
    uint64_t reserve_size;
    atomic_bool has_reserve;
    atomic_bool has_removed; /* messages, since the database was last shrunk */
    uint64_t cache_size;
    uint64_t message_count; /* without id 0 */
    uint64_t content_bytes;
};

/* ---- the database --------------------------------------------------------------------------- */

static sluice_status count_message(void *user, const struct stored *stored)
{
    struct sluice_queue *queue = user;

    queue->message_count += stored->id != 0;
    queue->content_bytes += stored->content_size;
    return SLUICE_OK;
}

static sluice_status open_database(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    sluice_status st = database_open(&queue->database, queue->host, queue->path, queue->folder,
                                     queue->cache_size, errors);

    queue->message_count = 0;
    queue->content_bytes = 0;
    if (st == SLUICE_OK)
        st = database_each(&queue->database, count_message, queue, errors);
    return st;
}

static sluice_status reopen_if_lost(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    sluice_status st;

    if (!database_is_lost(&queue->database))
        return SLUICE_OK;
    pthread_rwlock_wrlock(&queue->guard);
    database_close(&queue->database);
    st = open_database(queue, errors);
    if (st != SLUICE_OK)
        database_close(&queue->database);
    pthread_rwlock_unlock(&queue->guard);
    return st;
}

/* ---- apply ---------------------------------------------------------------------------------- */

static sluice_status exists(void *user, uint64_t id)
{
    const struct sluice_queue *queue = user;
    struct stored stored;
    sluice_status st = database_find(&queue->database, id, NULL, &stored);

    if (st == SLUICE_OK)
        free(stored.bytes);
    return st;
}

/* Free on disk and not for batches. A PUT also needs room for the reserve, if that was given away. */
static uint64_t headroom(const struct sluice_queue *queue, bool has_put)
{
    return HEADROOM + queue->cache_size +
           (has_put && !queue->has_reserve ? queue->reserve_size : 0);
}

static bool has_room(const struct sluice_queue *queue, const struct batch *batch, bool has_put)
{
    return folder_free_bytes(queue->folder) >=
           headroom(queue, has_put) + batch_bytes(batch) * GROWTH;
}

/* Only after a removal: without one there is nothing to gain. */
static void shrink(struct sluice_queue *queue)
{
    pthread_rwlock_wrlock(&queue->guard);
    database_shrink(&queue->database);
    pthread_rwlock_unlock(&queue->guard);
    queue->has_removed = false;
}

static sluice_status make_room(struct sluice_queue *queue, const struct batch *batch,
                               const struct sluice_errors *errors)
{
    bool has_put = batch_has_put(batch);
    bool is_roomy = has_room(queue, batch, has_put);

    if (!is_roomy) {
        if (queue->has_removed && has_put)
            shrink(queue);
        database_shrink_log(&queue->database);
        is_roomy = has_room(queue, batch, has_put);
    }
    if (is_roomy && has_put && !queue->has_reserve) {
        queue->has_reserve = folder_kept_fill(queue->folder, FOLDER_RESERVE, queue->reserve_size);
        is_roomy = queue->has_reserve;
    }
    if (is_roomy)
        return SLUICE_OK;
    if (has_put)
        return failure(errors, SLUICE_TEMP, "4.3.1",
                       "the disk is full: what is left is kept for results");
    folder_kept_release(queue->folder, FOLDER_RESERVE);
    queue->has_reserve = false;
    return SLUICE_OK;
}

static sluice_status put(struct sluice_queue *queue, const struct sluice_queue_change *change,
                         const struct sluice_errors *errors)
{
    struct stored stored = {.id = change->id,
                            .flags = change->flags,
                            .is_large = large_wants(&queue->large, change),
                            .content_size = change->content.len,
                            .record = change->record};
    sluice_status st = SLUICE_OK;

    if (stored.is_large)
        st = large_add(&queue->large, change, errors, &stored.content_size);
    else if (change->content.len > 0)
        st = database_put_content(&queue->database, change->id, change->content, errors);
    if (st != SLUICE_OK)
        return st;
    queue->content_bytes += stored.content_size;
    queue->message_count += change->id != 0;
    return database_put(&queue->database, &stored, errors);
}

/* UPDATE and REMOVE begin with what is there. */
static sluice_status change_stored(struct sluice_queue *queue,
                                   const struct sluice_queue_change *change,
                                   const struct sluice_errors *errors)
{
    struct stored stored;
    sluice_status st = database_find(&queue->database, change->id, errors, &stored);

    if (st != SLUICE_OK)
        return st;
    free(stored.bytes);
    if (change->kind == SLUICE_QUEUE_REMOVE) {
        queue->content_bytes -= stored.content_size;
        queue->message_count -= change->id != 0;
        return database_remove(&queue->database, change->id, errors);
    }
    stored.flags = change->flags;
    stored.record = change->record;
    return database_put(&queue->database, &stored, errors);
}

static sluice_status make_changes(struct sluice_queue *queue, const struct batch *batch,
                                  const struct sluice_errors *errors)
{
    bool has_large = false;

    for (size_t i = 0; i < batch->count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);
        bool is_put = change->kind == SLUICE_QUEUE_PUT;
        sluice_status st =
            is_put ? put(queue, change, errors) : change_stored(queue, change, errors);

        if (st != SLUICE_OK)
            return st;
        has_large = has_large || (is_put && large_wants(&queue->large, change));
    }
    return has_large ? large_sync(&queue->large, errors) : SLUICE_OK;
}

static sluice_status run_transaction(struct sluice_queue *queue, const struct batch *batch,
                                     const struct sluice_errors *errors)
{
    uint64_t message_count = queue->message_count;
    uint64_t content_bytes = queue->content_bytes;
    sluice_status st = database_begin(&queue->database, errors);

    if (st != SLUICE_OK)
        return st;
    st = make_changes(queue, batch, errors);
    if (st == SLUICE_OK)
        st = database_commit(&queue->database, errors);
    else
        database_abort(&queue->database);
    if (st != SLUICE_OK) {
        queue->message_count = message_count;
        queue->content_bytes = content_bytes;
    }
    return st;
}

/* Files of contents that are no longer mentioned. Those of a batch that failed stay: its commit may
 * have reached the disk. The next open removes them if it did not. */
static void remove_large(struct sluice_queue *queue, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct sluice_queue_change *change = batch_get(batch, i);

        if (change->kind == SLUICE_QUEUE_REMOVE) {
            large_remove(&queue->large, change->id);
            queue->has_removed = true;
        }
    }
}

static sluice_status bdb_apply(struct sluice_queue *queue,
                               const struct sluice_queue_change *changes, size_t count,
                               size_t change_size, const struct sluice_errors *errors)
{
    struct batch batch = {changes, count, change_size};
    sluice_status st = count > 0 ? reopen_if_lost(queue, errors) : SLUICE_OK;

    if (st == SLUICE_OK)
        st = batch_check(&batch, exists, queue, errors);
    if (st != SLUICE_OK || count == 0)
        return st;
    st = make_room(queue, &batch, errors);
    if (st != SLUICE_OK)
        return st;
    pthread_rwlock_wrlock(&queue->guard);
    st = run_transaction(queue, &batch, errors);
    pthread_rwlock_unlock(&queue->guard);
    if (st == SLUICE_OK)
        remove_large(queue, &batch);
    return st;
}

/* ---- read, scan, space ---------------------------------------------------------------------- */

struct fetched {
    struct stored stored;
    void *content;
    size_t content_size;
    int content_fd; /* -1: not large */
};

static sluice_status fetch(const struct sluice_queue *queue, uint64_t id,
                           bool with_content, const struct sluice_errors *errors,
                           struct fetched *fetched)
{
    sluice_status st = database_find(&queue->database, id, errors, &fetched->stored);

    if (st != SLUICE_OK || !with_content)
        return st;
    if (fetched->stored.is_large)
        st = large_find(&queue->large, id, fetched->stored.content_size, errors,
                        &fetched->content_fd);
    else if (fetched->stored.content_size > 0)
        st = database_find_content(&queue->database, id, errors, &fetched->content,
                                   &fetched->content_size);
    if (st == SLUICE_NOT_FOUND || (st == SLUICE_OK && !fetched->stored.is_large &&
                                   fetched->content_size != fetched->stored.content_size))
        st = failure(errors, SLUICE_TEMP, "4.3.0", "message %016llX is damaged (content)",
                     (unsigned long long)id);
    return st;
}

static sluice_status give(const struct fetched *fetched, const struct sluice_queue_sink *sink)
{
    const struct stored *stored = &fetched->stored;
    sluice_status st =
        sink->message(sink, stored->id, stored->flags, stored->record, stored->content_size);

    if (st != SLUICE_OK || sink->content == NULL)
        return st;
    if (fetched->content_fd != -1)
        return sink->content_file(sink, fetched->content_fd, stored->content_size);
    return sink->content(sink, (struct sluice_span){fetched->content, fetched->content_size});
}

static sluice_status bdb_read(struct sluice_queue *queue, uint64_t id,
                              const struct sluice_queue_sink *sink,
                              const struct sluice_errors *errors)
{
    struct fetched fetched = {.content_fd = -1};
    sluice_status st;

    pthread_rwlock_rdlock(&queue->guard);
    st = fetch(queue, id, sink->content != NULL, errors, &fetched);
    pthread_rwlock_unlock(&queue->guard);
    if (st == SLUICE_OK)
        st = give(&fetched, sink);
    free(fetched.stored.bytes);
    free(fetched.content);
    if (fetched.content_fd != -1)
        close(fetched.content_fd);
    return st;
}

static sluice_status scan_message(void *user, const struct stored *stored)
{
    const struct sluice_queue_sink *sink = user;

    return sink->message(sink, stored->id, stored->flags, stored->record, stored->content_size);
}

static sluice_status bdb_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                              const struct sluice_errors *errors)
{
    if (queue->database.records == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "the database is not open");
    return database_each(&queue->database, scan_message, (void *)(uintptr_t)sink, errors);
}

static sluice_status bdb_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    uint64_t free_bytes = folder_free_bytes(queue->folder);
    /* What removed messages have left is found only by who needs it: until then it may be enough. */
    uint64_t kept_bytes = queue->has_removed ? HEADROOM : headroom(queue, true);

    pthread_rwlock_rdlock(&queue->guard);
    ret_space->used_bytes = queue->content_bytes;
    ret_space->message_count = queue->message_count;
    pthread_rwlock_unlock(&queue->guard);
    ret_space->free_bytes = free_bytes > kept_bytes ? (free_bytes - kept_bytes) / GROWTH : 0;
    ret_space->reserved_bytes = queue->reserve_size;
    return SLUICE_OK;
}

static sluice_status bdb_stage(struct sluice_queue *queue, uint64_t id,
                               const struct sluice_queue_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)id;
    return large_stage(&queue->large, sink, errors);
}

/* ---- open and close ------------------------------------------------------------------------- */

static sluice_status visit_name(void *user, const char *name)
{
    if (database_owns(name) || strcmp(name, FOLDER_LOCK) == 0 ||
        strcmp(name, FOLDER_RESERVE) == 0 || strcmp(name, LARGE_FOLDER) == 0)
        return SLUICE_OK;
    return folder_foreign(name, user);
}

static bool is_wanted(void *user, uint64_t id)
{
    const struct sluice_queue *queue = user;
    struct stored stored;
    sluice_status st = database_find(&queue->database, id, NULL, &stored);

    if (st == SLUICE_OK)
        free(stored.bytes);
    return st != SLUICE_NOT_FOUND && (st != SLUICE_OK || stored.is_large);
}

static sluice_status recover(struct sluice_queue *queue, const struct sluice_errors *errors)
{
    sluice_status st = folder_list(queue->folder, visit_name, (void *)(uintptr_t)errors, errors);

    if (st == SLUICE_OK)
        st = large_open(&queue->large, queue->folder, LARGE_THRESHOLD, errors);
    if (st == SLUICE_OK)
        st = open_database(queue, errors);
    if (st == SLUICE_OK)
        st = large_sweep(&queue->large, is_wanted, queue, errors);
    if (st == SLUICE_OK)
        queue->has_reserve = folder_kept_fill(queue->folder, FOLDER_RESERVE, queue->reserve_size);
    queue->has_removed = true; /* perhaps, in the time before */
    return st;
}

static void bdb_close(struct sluice_queue *queue)
{
    if (queue == NULL)
        return;
    database_close(&queue->database);
    large_done(&queue->large);
    close(queue->folder);
    close(queue->lock);
    pthread_rwlock_destroy(&queue->guard);
    free(queue->path);
    free(queue);
}

static sluice_status queue_new(const struct sluice_config *config, const char *folder,
                               const struct sluice_errors *errors, struct sluice_queue **ret_queue)
{
    struct sluice_queue *queue = calloc(1, sizeof(*queue));
    bool has_guard;
    sluice_status st;

    if (queue != NULL)
        queue->path = strdup(folder);
    has_guard =
        queue != NULL && queue->path != NULL && pthread_rwlock_init(&queue->guard, NULL) == 0;
    if (!has_guard)
        st = failure(errors, SLUICE_TEMP, "4.3.0", "no memory for the store");
    else
        st = folder_open(folder, errors, &queue->folder, &queue->lock);
    if (st != SLUICE_OK) {
        if (has_guard)
            pthread_rwlock_destroy(&queue->guard);
        if (queue != NULL)
            free(queue->path);
        free(queue);
        return st;
    }
    queue->reserve_size = (uint64_t)config->get_number(config, "reserve");
    queue->cache_size = (uint64_t)config->get_number(config, "cache_size");
    queue->large.folder = -1;
    *ret_queue = queue;
    return SLUICE_OK;
}

static sluice_status bdb_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *folder, const struct sluice_errors *errors,
                              struct sluice_queue **ret_queue)
{
    struct sluice_queue *queue = NULL;
    sluice_status st = queue_new(config, folder, errors, &queue);

    if (st != SLUICE_OK)
        return st;
    queue->host = host;
    st = recover(queue, errors);
    if (st != SLUICE_OK) {
        bdb_close(queue);
        return st;
    }
    *ret_queue = queue;
    return SLUICE_OK;
}

static const struct sluice_queue_ops bdb_ops = {
    .struct_size = sizeof(bdb_ops),
    .open = bdb_open,
    .close = bdb_close,
    .apply = bdb_apply,
    .read = bdb_read,
    .scan = bdb_scan,
    .space = bdb_space,
    .stage = bdb_stage,
};

static const struct sluice_option options[] = {
    {"cache_size", SLUICE_OPT_SIZE, 0, "16M", "1M..1G", "Memory for pages of the database"},
    {"reserve", SLUICE_OPT_SIZE, 0, "16M", "1M..1G",
     "Disk space kept back to record what became of messages when the disk is full"},
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_QUEUE_ID) == 0 ? &bdb_ops : NULL;
}

static const struct sluice_plugin_desc descriptor = {
    .struct_size = sizeof(descriptor),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/bdb",
    .version = "0.1.0",
    .license = "ISC AND Sleepycat",
    .summary = "Keeps messages in Berkeley DB, one transaction for each batch",
    .mode = SLUICE_MODE_PARALLEL,
    .option_size = sizeof(struct sluice_option),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &descriptor;
}
