/* SPDX-License-Identifier: ISC */
/* log: the default queue store: the plugin, and opening and closing a store. See log.h. */
#include "log.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool keep(const struct sluice_queue *queue, struct kept *kept)
{
    kept->is_whole = kept->is_whole || folder_kept_fill(queue->folder, kept->name, kept->size);
    return kept->is_whole;
}

bool log_keep_back(struct sluice_queue *queue)
{
    bool has_room = keep(queue, &queue->room);

    return keep(queue, &queue->reserve) && has_room;
}

void log_lock(struct sluice_queue *queue)
{
    pthread_mutex_lock(&queue->turn);
    pthread_mutex_lock(&queue->lock);
    pthread_mutex_unlock(&queue->turn);
}

void log_unlock(struct sluice_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
}

/* Mutexes of that kind need nothing that could be missing. */
static bool init_locks(struct sluice_queue *queue)
{
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_mutex_init(&queue->turn, NULL);
    return pthread_rwlock_init(&queue->guard, NULL) == 0;
}

struct sluice_queue *log_new(void)
{
    struct sluice_queue *queue = calloc(1, sizeof(*queue));

    if (queue == NULL || !init_locks(queue)) {
        free(queue);
        return NULL;
    }
    queue->folder = -1;
    queue->folder_lock = -1;
    queue->large.folder = -1;
    queue->ready.fd = -1;
    queue->next = 1;
    ledger_init(&queue->ledger);
    return queue;
}

static void close_file(int fd)
{
    if (fd != -1)
        close(fd);
}

void log_close(struct sluice_queue *queue)
{
    if (queue == NULL)
        return;
    if (queue->current != NULL)
        close(queue->current_fd);
    close_file(queue->ready.fd);
    compaction_done(&queue->compaction);
    ledger_done(&queue->ledger);
    large_done(&queue->large);
    free(queue->buffer);
    close_file(queue->folder);
    close_file(queue->folder_lock);
    pthread_mutex_destroy(&queue->lock);
    pthread_mutex_destroy(&queue->turn);
    pthread_rwlock_destroy(&queue->guard);
    free(queue);
}

static sluice_status log_open(const struct sluice_host *host, const struct sluice_config *config,
                              const char *folder, const struct sluice_errors *errors,
                              struct sluice_queue **ret_queue)
{
    struct sluice_queue *queue = log_new();
    sluice_status st;

    (void)host;
    if (queue == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for the store");
    queue->segment_size = (uint64_t)config->get_number(config, "segment_size");
    queue->reserve =
        (struct kept){FOLDER_RESERVE, (uint64_t)config->get_number(config, "reserve"), false};
    queue->room = (struct kept){FOLDER_ROOM, queue->segment_size, false};
    st = folder_open(folder, errors, &queue->folder, &queue->folder_lock);
    if (st == SLUICE_OK)
        st = log_start(queue, errors);
    if (st != SLUICE_OK) {
        log_close(queue);
        return st;
    }
    *ret_queue = queue;
    return SLUICE_OK;
}

static uint64_t missing(const struct kept *kept)
{
    return kept->is_whole ? 0 : kept->size;
}

static sluice_status log_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    uint64_t short_bytes = missing(&queue->reserve) + missing(&queue->room);
    uint64_t free_bytes = folder_free_bytes(queue->folder);
    uint64_t room = 0;

    pthread_rwlock_rdlock(&queue->guard);
    if (queue->current != NULL)
        room = queue->current->size - queue->current->end;
    ret_space->used_bytes = queue->ledger.segment_bytes - room + queue->ledger.large_bytes;
    free_bytes += queue->spare_bytes;
    ret_space->message_count = queue->ledger.index.count;
    if (index_find(&queue->ledger.index, 0) != NULL)
        ret_space->message_count--;
    pthread_rwlock_unlock(&queue->guard);
    /* Mail is refused until what is kept back is whole again. */
    ret_space->free_bytes = free_bytes >= short_bytes ? free_bytes - short_bytes + room : 0;
    ret_space->reserved_bytes = queue->reserve.size + queue->room.size;
    return SLUICE_OK;
}

static sluice_status log_stage(struct sluice_queue *queue, uint64_t id,
                               const struct sluice_queue_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)id;
    return large_stage(&queue->large, sink, errors);
}

static const struct sluice_queue_ops log_ops = {
    .struct_size = sizeof(log_ops),
    .flags = SLUICE_QUEUE_MAINTAIN_ASIDE,
    .open = log_open,
    .close = log_close,
    .apply = log_apply,
    .read = log_read,
    .scan = log_scan,
    .space = log_space,
    .stage = log_stage,
    .maintain = log_maintain,
};

static const struct sluice_option options[] = {
    {"segment_size", SLUICE_OPT_SIZE, 0, "32M", "64K..256M",
     "Size of each file that messages are written to"},
    {"reserve", SLUICE_OPT_SIZE, 0, "16M", "64K..1G",
     "Disk space kept back to record what became of messages when the disk is full"},
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_QUEUE_ID) == 0 ? &log_ops : NULL;
}

static const struct sluice_plugin_desc descriptor = {
    .struct_size = sizeof(descriptor),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/log",
    .version = "0.1.0",
    .license = "ISC AND BSD-1-Clause AND MIT",
    .summary = "Keeps messages in a log on disk, one sync for each batch",
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
