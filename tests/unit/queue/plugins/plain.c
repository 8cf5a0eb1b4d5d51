/* SPDX-License-Identifier: 0BSD */
/*
 * queue/plain: the least that a store can be, for the tests of the store's front end. It runs inline
 * and stages no files, so that content of any size comes in memory; and nothing can be changed while
 * there is a file of the name "fail" beside its folder, nothing read while there is one "mute". It
 * takes no record over RECORD_MAX.
 *
 * Built a second time it is queue/slow, which has a thread. While there is a file "hold" each apply
 * makes a file "held" and waits for a file "go", which it removes. The third time it is queue/aside,
 * which can be maintained while it applies: maintain makes a file "maintaining" and waits while there is
 * a file "keep-maintaining".
 */
#include "sluice/queue.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef PLAIN_IS_SLOW
#define NAME "queue/slow"
#define MODE SLUICE_MODE_SERIAL
#elif defined(PLAIN_IS_MAINTAINED_ASIDE)
#define NAME "queue/aside"
#define MODE SLUICE_MODE_PARALLEL
#else
#define NAME "queue/plain"
#define MODE SLUICE_MODE_INLINE
#endif

#define MESSAGES_MAX 64
#define RECORD_MAX (48 * 1024)
#define HOLD_TURNS_MAX 20000 /* of a millisecond */

struct message {
    int is_there;
    uint64_t id;
    struct sluice_span record;
    struct sluice_span content;
};

struct sluice_queue {
    char folder[256]; /* where a test puts its files */
    struct message messages[MESSAGES_MAX];
    atomic_int maintaining;
};

static sluice_status plain_open(const struct sluice_host *host, const struct sluice_config *config,
                                const char *folder, const struct sluice_errors *errors,
                                struct sluice_queue **ret_queue)
{
    struct sluice_queue *queue = calloc(1, sizeof(*queue));

    (void)host;
    (void)config;
    (void)errors;
    if (queue == NULL)
        return SLUICE_TEMP;
    (void)snprintf(queue->folder, sizeof(queue->folder), "%s/..", folder);
    *ret_queue = queue;
    return SLUICE_OK;
}

static void drop(struct message *message)
{
    free((void *)(uintptr_t)message->record.ptr);
    free((void *)(uintptr_t)message->content.ptr);
    *message = (struct message){0};
}

static void plain_close(struct sluice_queue *queue)
{
    if (queue != NULL && atomic_load(&queue->maintaining) != 0)
        abort(); /* the host's promise */
    for (size_t i = 0; queue != NULL && i < MESSAGES_MAX; i++)
        drop(&queue->messages[i]);
    free(queue);
}

static struct message *find(struct sluice_queue *queue, uint64_t id)
{
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        if (queue->messages[i].is_there && queue->messages[i].id == id)
            return &queue->messages[i];
    }
    return NULL;
}

static struct sluice_span copy(struct sluice_span span)
{
    char *bytes = malloc(span.len + 1);

    if (bytes == NULL)
        abort();
    if (span.len > 0)
        memcpy(bytes, span.ptr, span.len);
    return (struct sluice_span){bytes, span.len};
}

static void put(struct sluice_queue *queue, const struct sluice_queue_change *change)
{
    struct message *message = queue->messages;

    while (message->is_there)
        message++; /* a test has fewer messages than that */
    *message = (struct message){1, change->id, copy(change->record), copy(change->content)};
}

static void update(struct message *message, const struct sluice_queue_change *change)
{
    free((void *)(uintptr_t)message->record.ptr);
    message->record = copy(change->record);
}

static const char *file(const struct sluice_queue *queue, const char *name, char path[300])
{
    (void)snprintf(path, 300, "%s/%s", queue->folder, name);
    return path;
}

static int is_there(const struct sluice_queue *queue, const char *name)
{
    char path[300];

    return access(file(queue, name, path), F_OK) == 0;
}

static const struct timespec moment = {0, 1000000};

static void wait_for_go(const struct sluice_queue *queue)
{
    char path[300];

    if (!is_there(queue, "hold"))
        return;
    (void)close(open(file(queue, "held", path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    for (int i = 0; i < HOLD_TURNS_MAX && is_there(queue, "hold") && !is_there(queue, "go"); i++)
        (void)nanosleep(&moment, NULL);
    (void)unlink(file(queue, "held", path));
    (void)unlink(file(queue, "go", path));
}

static sluice_status plain_apply(struct sluice_queue *queue,
                                 const struct sluice_queue_change *changes, size_t count,
                                 size_t change_size, const struct sluice_errors *errors)
{
    (void)change_size;
    wait_for_go(queue);
    if (is_there(queue, "fail")) {
        errors->explain(errors, "4.3.0", "the test says no");
        return SLUICE_TEMP;
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].record.len > RECORD_MAX)
            return SLUICE_UNSUPPORTED;
    }
    for (size_t i = 0; i < count; i++) {
        if (changes[i].content_fd != -1 && changes[i].kind == SLUICE_QUEUE_PUT)
            return SLUICE_UNSUPPORTED;
        if (changes[i].kind == SLUICE_QUEUE_PUT)
            put(queue, &changes[i]);
        else if (changes[i].kind == SLUICE_QUEUE_UPDATE)
            update(find(queue, changes[i].id), &changes[i]);
        else
            drop(find(queue, changes[i].id));
    }
    return SLUICE_OK;
}

static sluice_status plain_read(struct sluice_queue *queue, uint64_t id,
                                const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors)
{
    const struct message *message = find(queue, id);
    sluice_status st;

    if (is_there(queue, "mute")) {
        errors->explain(errors, "4.3.0", "the test lets nobody read");
        return SLUICE_TEMP;
    }
    if (message == NULL)
        return SLUICE_NOT_FOUND;
    st = sink->message(sink, id, 0, message->record, message->content.len);
    return st == SLUICE_OK && sink->content != NULL ? sink->content(sink, message->content) : st;
}

static sluice_status plain_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                                const struct sluice_errors *errors)
{
    (void)queue;
    (void)sink;
    (void)errors;
    return SLUICE_OK; /* it is empty after open */
}

static sluice_status plain_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    (void)queue;
    ret_space->free_bytes = (uint64_t)1 << 30;
    return SLUICE_OK;
}

#ifdef PLAIN_IS_MAINTAINED_ASIDE
static sluice_status plain_maintain(struct sluice_queue *queue, int64_t budget_ms,
                                    const struct sluice_errors *errors)
{
    char path[300];

    (void)budget_ms;
    (void)errors;
    if (atomic_fetch_add(&queue->maintaining, 1) != 0)
        abort(); /* one at a time */
    if (is_there(queue, "keep-maintaining")) {
        (void)close(open(file(queue, "maintaining", path), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        for (int i = 0; i < HOLD_TURNS_MAX && is_there(queue, "keep-maintaining"); i++)
            (void)nanosleep(&moment, NULL);
        (void)unlink(file(queue, "maintaining", path));
    }
    atomic_fetch_sub(&queue->maintaining, 1);
    return SLUICE_OK;
}
#endif

static const struct sluice_queue_ops ops = {
    .struct_size = sizeof(ops),
#ifdef PLAIN_IS_MAINTAINED_ASIDE
    .flags = SLUICE_QUEUE_MAINTAIN_ASIDE,
    .maintain = plain_maintain,
#endif
    .open = plain_open,
    .close = plain_close,
    .apply = plain_apply,
    .read = plain_read,
    .scan = plain_scan,
    .space = plain_space,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_QUEUE_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = NAME,
    .version = "0.1.0",
    .license = "0BSD",
    .summary = "For tests",
    .mode = MODE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
