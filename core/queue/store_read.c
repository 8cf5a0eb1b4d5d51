/* SPDX-License-Identifier: ISC */
/*
 * store_read: what goes beside the group commit: scan, read, stage, space.
 *
 * The plugin's sinks are called on its thread. What they bring is kept in the call until the waiting
 * task takes it; if nobody waits any more, the call's free drops it.
 */
#include "queue/store_private.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/sealed.h"
#include "ipc/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_TIME_MAX_MS (60 * 1000)

/* ---- scan ------------------------------------------------------------------------------------ */

struct scan_call {
    struct store_call call;
    struct sluice_queue_sink sink;
    store_found *found;
    void *user;
};

static struct scan_call *scan_of(const struct sluice_queue_sink *sink)
{
    return (struct scan_call *)(void *)((char *)(uintptr_t)sink - offsetof(struct scan_call, sink));
}

static sluice_status scan_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                  struct sluice_span record, uint64_t content_size)
{
    struct scan_call *scan = scan_of(sink);

    (void)flags; /* everything that we know is in the record */
    return scan->found(scan->user, id, record, content_size);
}

/* A damaged message is one line in the log each; the rest of the scan counts. */
static void scan_explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)errors;
    (void)dsn;
    log_error("queue store: %s", text);
}

static sluice_status scan_work(struct store_call *call, const struct sluice_errors *errors)
{
    static const struct sluice_errors to_log = {
        .struct_size = sizeof(to_log),
        .explain = scan_explain,
    };
    struct scan_call *scan = (struct scan_call *)(void *)call;

    (void)errors;
    return STORE_CALL(call->store, scan, &scan->sink, &to_log);
}

static void plain_free(struct store_call *call)
{
    free(call);
}

sluice_status store_scan(struct store *store, store_found *found, void *user, struct error *err)
{
    struct scan_call *scan = calloc(1, sizeof(*scan));
    if (scan == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    *scan = (struct scan_call){
        .call = {.store = store, .work = scan_work, .free = plain_free},
        .sink = {.struct_size = sizeof(scan->sink), .message = scan_message},
        .found = found,
        .user = user,
    };

    struct store_call *call = &scan->call;
    sluice_status st = store_call_run(&call, store->writer, CLOCK_NEVER, NULL);
    free(call); /* the scan: the call is its first member */
    if (st != SLUICE_OK)
        return error_set(err, st, "the queue store could not be read: %s", status_name(st));
    return SLUICE_OK;
}

/* ---- read ------------------------------------------------------------------------------------ */

struct read_call {
    struct store_call call;
    struct sluice_queue_sink sink;
    uint64_t id;
    struct buffer record;
    struct store_content content;
};

static struct read_call *read_of(const struct sluice_queue_sink *sink)
{
    return (struct read_call *)(void *)((char *)(uintptr_t)sink - offsetof(struct read_call, sink));
}

static void read_free(struct store_call *call)
{
    struct read_call *read_call = (struct read_call *)(void *)call;

    buffer_done(&read_call->record);
    store_content_done(&read_call->content);
    free(read_call);
}

static sluice_status read_message(const struct sluice_queue_sink *sink, uint64_t id, uint32_t flags,
                                  struct sluice_span record, uint64_t content_size)
{
    struct read_call *call = read_of(sink);

    (void)id;
    (void)flags;
    buffer_clear(&call->record);
    buffer_add_span(&call->record, record);
    call->content.size = content_size;
    return buffer_failed(&call->record) ? SLUICE_TEMP : SLUICE_OK;
}

/* An unnamed file in the store's folder: memory that the page cache can write away. For what is too
 * large for a memory file. */
static int open_spill(const struct store *store)
{
    return open(store->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* What the store has in memory and is too much for a frame: it travels in a file of ours. */
static sluice_status spill(struct read_call *call, struct sluice_span content)
{
    int *fd = &call->content.fd;
    bool is_written;

    if (content.len <= CONTENT_MEMORY_MAX)
        is_written = sealed_write("sluice-content", content, fd) == SLUICE_OK;
    else
        is_written = (*fd = open_spill(call->call.store)) != -1 && io_write(*fd, content);
    if (!is_written)
        return error_set_dsn(&call->call.err, SLUICE_TEMP, "4.3.0", "file for a content: %s",
                             strerror(errno));
    return SLUICE_OK;
}

static sluice_status read_content(const struct sluice_queue_sink *sink, struct sluice_span content)
{
    struct read_call *call = read_of(sink);

    call->content.size = content.len;
    if (content.len > CONTENT_INLINE_MAX)
        return spill(call, content);
    buffer_add_span(&call->content.bytes, content);
    return buffer_failed(&call->content.bytes) ? SLUICE_TEMP : SLUICE_OK;
}

static sluice_status read_content_file(const struct sluice_queue_sink *sink, int fd, uint64_t size)
{
    struct read_call *call = read_of(sink);

    call->content.size = size;
    call->content.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return call->content.fd != -1 ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status read_work(struct store_call *call, const struct sluice_errors *errors)
{
    struct read_call *read_call = (struct read_call *)(void *)call;

    return STORE_CALL(call->store, read, read_call->id, &read_call->sink, errors);
}

void store_content_done(struct store_content *content)
{
    buffer_done(&content->bytes);
    if (content->fd != -1)
        (void)close(content->fd); /* nothing of ours is lost with it */
    *content = (struct store_content)STORE_CONTENT_INIT;
}

static void take_read(struct read_call *call, struct buffer *ret_record,
                      struct store_content *ret_content)
{
    *ret_record = call->record;
    call->record = (struct buffer)BUFFER_INIT;
    if (ret_content != NULL) {
        *ret_content = call->content;
        call->content = (struct store_content)STORE_CONTENT_INIT;
    }
}

sluice_status store_read(struct store *store, uint64_t id, struct buffer *ret_record,
                         struct store_content *ret_content, struct error *err)
{
    struct read_call *read_call = calloc(1, sizeof(*read_call));
    if (read_call == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    *read_call = (struct read_call){
        .call = {.store = store, .work = read_work, .free = read_free},
        .sink = {.struct_size = sizeof(read_call->sink), .message = read_message},
        .id = id,
        .content = STORE_CONTENT_INIT,
    };
    if (ret_content != NULL) {
        read_call->sink.content = read_content;
        read_call->sink.content_file = read_content_file;
    }

    struct store_call *call = &read_call->call;
    sluice_status st =
        store_call_run(&call, store->readers, clock_monotonic_ms() + READ_TIME_MAX_MS, err);
    if (st == SLUICE_OK)
        take_read(read_call, ret_record, ret_content);
    if (call != NULL)
        read_free(call);
    return st;
}

/* ---- records of several messages ------------------------------------------------------------- */

struct records_call {
    struct store_call call;
    struct sluice_queue_sink sink;
    uint64_t ids[STORE_RECORDS_MAX];
    struct buffer records[STORE_RECORDS_MAX];
    size_t count;
    size_t current;
};

static void records_free(struct store_call *call)
{
    struct records_call *records = (struct records_call *)(void *)call;

    for (size_t i = 0; i < records->count; i++)
        buffer_done(&records->records[i]);
    free(records);
}

static sluice_status records_message(const struct sluice_queue_sink *sink, uint64_t id,
                                     uint32_t flags, struct sluice_span record,
                                     uint64_t content_size)
{
    struct records_call *call =
        (struct records_call *)(void *)((char *)(uintptr_t)sink -
                                        offsetof(struct records_call, sink));
    struct buffer *to = &call->records[call->current];

    (void)id;
    (void)flags;
    (void)content_size;
    buffer_clear(to);
    buffer_add_span(to, record);
    return buffer_failed(to) ? SLUICE_TEMP : SLUICE_OK;
}

/* One that cannot be read, or has gone, stays empty. */
static sluice_status records_work(struct store_call *call, const struct sluice_errors *errors)
{
    struct records_call *records = (struct records_call *)(void *)call;

    for (records->current = 0; records->current < records->count; records->current++) {
        if (STORE_CALL(call->store, read, records->ids[records->current], &records->sink, errors) !=
            SLUICE_OK)
            buffer_done(&records->records[records->current]);
    }
    return SLUICE_OK;
}

void store_read_records(struct store *store, const uint64_t *ids, size_t count,
                        struct buffer *ret_records)
{
    struct records_call *records = calloc(1, sizeof(*records));

    if (records == NULL)
        return;
    *records = (struct records_call){
        .call = {.store = store, .work = records_work, .free = records_free},
        .sink = {.struct_size = sizeof(records->sink), .message = records_message},
        .count = count,
    };
    memcpy(records->ids, ids, count * sizeof(*ids));

    struct store_call *call = &records->call;
    (void)store_call_run(&call, store->readers, clock_monotonic_ms() + READ_TIME_MAX_MS, NULL);
    if (call == NULL)
        return; /* nobody waits for it any more, and none is read */
    for (size_t i = 0; i < count; i++) {
        ret_records[i] = records->records[i];
        records->records[i] = (struct buffer)BUFFER_INIT;
    }
    records_free(call);
}

/* ---- stage ----------------------------------------------------------------------------------- */

struct stage_call {
    struct store_call call;
    struct sluice_queue_sink sink;
    uint64_t id;
    int fd;
};

static void stage_free(struct store_call *call)
{
    struct stage_call *stage = (struct stage_call *)(void *)call;

    if (stage->fd != -1)
        (void)close(stage->fd); /* nothing has been written */
    free(stage);
}

static sluice_status stage_staged(const struct sluice_queue_sink *sink, int fd)
{
    struct stage_call *stage =
        (struct stage_call *)(void *)((char *)(uintptr_t)sink - offsetof(struct stage_call, sink));

    stage->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return stage->fd != -1 ? SLUICE_OK : SLUICE_TEMP;
}

bool store_takes_files(const struct store *store)
{
    return STORE_SIDE(store, stage) != NULL;
}

static sluice_status stage_work(struct store_call *call, const struct sluice_errors *errors)
{
    struct stage_call *stage = (struct stage_call *)(void *)call;
    sluice_status st = SLUICE_OK;

    if (store_takes_files(call->store))
        st = STORE_CALL(call->store, stage, stage->id, &stage->sink, errors);
    else
        stage->fd = open_spill(call->store);
    if (st == SLUICE_OK && stage->fd == -1)
        st = error_set_dsn(&call->err, SLUICE_TEMP, "4.3.0", "file for a content: %s",
                           strerror(errno));
    return st;
}

sluice_status store_stage(struct store *store, uint64_t id, int *ret_fd, struct error *err)
{
    struct stage_call *stage = calloc(1, sizeof(*stage));
    if (stage == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    *stage = (struct stage_call){
        .call = {.store = store, .work = stage_work, .free = stage_free},
        .sink = {.struct_size = sizeof(stage->sink), .staged = stage_staged},
        .id = id,
        .fd = -1,
    };

    struct store_call *call = &stage->call;
    sluice_status st =
        store_call_run(&call, store->readers, clock_monotonic_ms() + READ_TIME_MAX_MS, err);
    if (st == SLUICE_OK) {
        *ret_fd = stage->fd;
        stage->fd = -1;
    }
    if (call != NULL)
        stage_free(call);
    return st;
}

/* ---- space ----------------------------------------------------------------------------------- */

struct space_call {
    struct store_call call;
    struct sluice_queue_space space;
};

static sluice_status space_work(struct store_call *call, const struct sluice_errors *errors)
{
    struct space_call *space = (struct space_call *)(void *)call;

    (void)errors;
    return STORE_CALL(call->store, space, &space->space);
}

sluice_status store_space(struct store *store, struct sluice_queue_space *ret_space,
                          struct error *err)
{
    struct space_call *space = calloc(1, sizeof(*space));
    if (space == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    *space = (struct space_call){
        .call = {.store = store, .work = space_work, .free = plain_free},
        .space = {.struct_size = sizeof(space->space)},
    };

    struct store_call *call = &space->call;
    sluice_status st =
        store_call_run(&call, store->readers, clock_monotonic_ms() + READ_TIME_MAX_MS, err);
    if (st == SLUICE_OK) {
        *ret_space = space->space;
        store->is_cramped = ret_space->free_bytes < ret_space->used_bytes;
    }
    free(call); /* the space call: the call is its first member */
    return st;
}
