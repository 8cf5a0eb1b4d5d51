/* SPDX-License-Identifier: ISC */
/*
 * queue/memory: a queue store that keeps the whole contract but one word of it: nothing survives
 * close(). The double for tests of what stands on a store; never for mail.
 *
 * Messages lie in a hash table by id. apply first makes every object that it will need, and then
 * changes the table in steps that cannot fail: that is how a batch is whole or absent.
 */
#include "../common/batch.h"
#include "../common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct text {
    size_t size;
    char bytes[];
};

struct message {
    uint64_t id;
    uint32_t flags;
    int content_fd; /* -1: content lies in memory */
    uint64_t content_size;
    struct text *record;
    struct text *content;
    UT_hash_handle hh;
};

struct sluice_queue {
    pthread_mutex_t guard; /* read against apply */
    struct message *messages;
    uint64_t used_bytes;
};

static struct text *text_new(struct sluice_span span)
{
    struct text *text = malloc(sizeof(*text) + span.len);

    if (text == NULL)
        return NULL;
    text->size = span.len;
    if (span.len > 0)
        memcpy(text->bytes, span.ptr, span.len);
    return text;
}

static struct sluice_span text_span(const struct text *text)
{
    return (struct sluice_span){text->bytes, text->size};
}

static void message_free(struct message *message)
{
    if (message == NULL)
        return;
    if (message->content_fd != -1)
        close(message->content_fd);
    free(message->record);
    free(message->content);
    free(message);
}

static uint64_t message_bytes(const struct message *message)
{
    return message->record->size + message->content_size;
}

/* The host may write on through its own descriptor, so ours is opened anew, for reading. */
static sluice_status take_file(struct message *message, int fd, const struct sluice_errors *errors)
{
    char self[sizeof("/proc/self/fd/") + 16];
    struct stat info;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    message->content_fd = open(self, O_RDONLY | O_CLOEXEC);
    if (message->content_fd == -1 || fstat(message->content_fd, &info) == -1)
        return failure_errno(errors, "cannot open", "the staged file");
    message->content_size = (uint64_t)info.st_size;
    return SLUICE_OK;
}

/* What the change brings: for PUT a whole message, for UPDATE one with a record alone. */
static sluice_status message_new(const struct sluice_queue_change *change,
                                 const struct sluice_errors *errors, struct message **ret_message)
{
    struct message *message = calloc(1, sizeof(*message));
    bool is_put = change->kind == SLUICE_QUEUE_PUT;
    sluice_status st = SLUICE_OK;

    if (message == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a message");
    message->id = change->id;
    message->flags = change->flags;
    message->content_fd = -1;
    message->record = text_new(change->record);
    if (is_put && change->content_fd != -1) {
        st = take_file(message, change->content_fd, errors);
    } else if (is_put) {
        message->content = text_new(change->content);
        message->content_size = change->content.len;
    }
    if (st == SLUICE_OK && (message->record == NULL ||
                            (is_put && message->content == NULL && message->content_fd == -1)))
        st = failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a message");
    if (st != SLUICE_OK) {
        message_free(message);
        return st;
    }
    *ret_message = message;
    return SLUICE_OK;
}

static void prepared_free(struct message **prepared, size_t count)
{
    for (size_t i = 0; i < count; i++)
        message_free(prepared[i]);
    free(prepared);
}

static sluice_status prepare(const struct batch *batch, const struct sluice_errors *errors,
                             struct message ***ret_prepared)
{
    struct message **prepared = calloc(batch->count + 1, sizeof(struct message *));
    sluice_status st = SLUICE_OK;

    if (prepared == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a batch");
    for (size_t i = 0; st == SLUICE_OK && i < batch->count; i++) {
        if (batch_get(batch, i)->kind != SLUICE_QUEUE_REMOVE)
            st = message_new(batch_get(batch, i), errors, &prepared[i]);
    }
    if (st != SLUICE_OK)
        prepared_free(prepared, batch->count);
    else
        *ret_prepared = prepared;
    return st;
}

static struct message *message_find(const struct sluice_queue *queue, uint64_t id)
{
    struct message *message;

    HASH_FIND(hh, queue->messages, &id, sizeof(id), message);
    return message;
}

static sluice_status exists(void *user, uint64_t id)
{
    return message_find(user, id) != NULL ? SLUICE_OK : SLUICE_NOT_FOUND;
}

/* The new record goes into the message, the old one away with the object that brought the new. */
static void change_record(struct sluice_queue *queue, struct message *update)
{
    struct message *message = message_find(queue, update->id);
    struct text *old = message->record;

    queue->used_bytes += update->record->size;
    queue->used_bytes -= old->size;
    message->record = update->record;
    message->flags = update->flags;
    update->record = old;
    message_free(update);
}

static void remove_message(struct sluice_queue *queue, uint64_t id)
{
    struct message *message = message_find(queue, id);

    queue->used_bytes -= message_bytes(message);
    HASH_DEL(queue->messages, message);
    message_free(message);
}

/* False if the hash table found no memory, which it does at most for the first of a table's
 * messages and when it grows; the message is not in it then. */
static bool add_message(struct sluice_queue *queue, struct message *message)
{
    HASH_ADD(hh, queue->messages, id, sizeof(message->id), message);
    if (message->hh.tbl == NULL)
        return false;
    queue->used_bytes += message_bytes(message);
    return true;
}

/*
 * PUTs go first, as they alone can fail, and are taken back then. Each is of an id that the table
 * does not have (ids are never used again), so the order among different ids does not matter.
 */
static sluice_status commit(struct sluice_queue *queue, const struct batch *batch,
                            struct message **prepared, const struct sluice_errors *errors)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch_get(batch, i)->kind != SLUICE_QUEUE_PUT)
            continue;
        if (!add_message(queue, prepared[i])) {
            while (i-- > 0) {
                if (batch_get(batch, i)->kind == SLUICE_QUEUE_PUT)
                    remove_message(queue, batch_get(batch, i)->id);
                prepared[i] = batch_get(batch, i)->kind == SLUICE_QUEUE_PUT ? NULL : prepared[i];
            }
            return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a message");
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch_get(batch, i)->kind == SLUICE_QUEUE_UPDATE)
            change_record(queue, prepared[i]);
        else if (batch_get(batch, i)->kind == SLUICE_QUEUE_REMOVE)
            remove_message(queue, batch_get(batch, i)->id);
        prepared[i] = NULL;
    }
    return SLUICE_OK;
}

static sluice_status memory_apply(struct sluice_queue *queue,
                                  const struct sluice_queue_change *changes, size_t count,
                                  size_t change_size, const struct sluice_errors *errors)
{
    struct batch batch = {changes, count, change_size};
    struct message **prepared = NULL;
    sluice_status st = batch_check(&batch, exists, queue, errors);

    if (st != SLUICE_OK)
        return st;
    st = prepare(&batch, errors, &prepared);
    if (st != SLUICE_OK)
        return st;
    pthread_mutex_lock(&queue->guard);
    st = commit(queue, &batch, prepared, errors);
    pthread_mutex_unlock(&queue->guard);
    prepared_free(prepared, count);
    return st;
}

static sluice_status give(const struct message *message, const struct sluice_queue_sink *sink)
{
    sluice_status st = sink->message(sink, message->id, message->flags, text_span(message->record),
                                     message->content_size);

    if (st != SLUICE_OK || sink->content == NULL)
        return st;
    if (message->content_fd != -1)
        return sink->content_file(sink, message->content_fd, message->content_size);
    return sink->content(sink, text_span(message->content));
}

static sluice_status memory_read(struct sluice_queue *queue, uint64_t id,
                                 const struct sluice_queue_sink *sink,
                                 const struct sluice_errors *errors)
{
    const struct message *message;
    sluice_status st;

    (void)errors;
    pthread_mutex_lock(&queue->guard);
    message = message_find(queue, id);
    st = message == NULL ? SLUICE_NOT_FOUND : give(message, sink);
    pthread_mutex_unlock(&queue->guard);
    return st;
}

static sluice_status memory_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)errors;
    for (const struct message *m = queue->messages; m != NULL; m = m->hh.next) {
        sluice_status st =
            sink->message(sink, m->id, m->flags, text_span(m->record), m->content_size);

        if (st != SLUICE_OK)
            return st;
    }
    return SLUICE_OK;
}

static sluice_status memory_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    pthread_mutex_lock(&queue->guard);
    ret_space->free_bytes = UINT64_MAX;
    ret_space->reserved_bytes = 0;
    ret_space->used_bytes = queue->used_bytes;
    ret_space->message_count = HASH_COUNT(queue->messages) - (exists(queue, 0) == SLUICE_OK);
    pthread_mutex_unlock(&queue->guard);
    return SLUICE_OK;
}

static sluice_status memory_stage(struct sluice_queue *queue, uint64_t id,
                                  const struct sluice_queue_sink *sink,
                                  const struct sluice_errors *errors)
{
    int fd = memfd_create("sluice-content", MFD_CLOEXEC);
    sluice_status st;

    (void)queue;
    (void)id;
    if (fd == -1)
        return failure_errno(errors, "cannot make", "a file in memory");
    st = sink->staged(sink, fd);
    close(fd);
    return st;
}

static sluice_status memory_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *folder, const struct sluice_errors *errors,
                                 struct sluice_queue **ret_queue)
{
    struct sluice_queue *queue = calloc(1, sizeof(*queue));

    (void)host;
    (void)config;
    (void)folder;
    if (queue == NULL || pthread_mutex_init(&queue->guard, NULL) != 0) {
        free(queue);
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for the store");
    }
    *ret_queue = queue;
    return SLUICE_OK;
}

static void memory_close(struct sluice_queue *queue)
{
    struct message *message;
    struct message *next;

    if (queue == NULL)
        return;
    HASH_ITER(hh, queue->messages, message, next)
    {
        HASH_DEL(queue->messages, message);
        message_free(message);
    }
    pthread_mutex_destroy(&queue->guard);
    free(queue);
}

static const struct sluice_queue_ops memory_ops = {
    .struct_size = sizeof(memory_ops),
    .open = memory_open,
    .close = memory_close,
    .apply = memory_apply,
    .read = memory_read,
    .scan = memory_scan,
    .space = memory_space,
    .stage = memory_stage,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_QUEUE_ID) == 0 ? &memory_ops : NULL;
}

static const struct sluice_plugin_desc descriptor = {
    .struct_size = sizeof(descriptor),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/memory",
    .version = "0.1.0",
    .license = "ISC AND BSD-1-Clause",
    .summary = "Keeps messages in memory until the process ends. For tests",
    .mode = SLUICE_MODE_PARALLEL,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &descriptor;
}
