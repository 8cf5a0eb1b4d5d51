/* SPDX-License-Identifier: ISC */
/*
 * queue/null: the smallest queue store. It answers every call as the contract wants and keeps
 * nothing, so mail that is given to it is lost. For tests and as an example; never for mail.
 */
#include "sluice/queue.h"

#include <string.h>

/* There is nothing to remember, so every instance is this one. */
struct sluice_queue {
    char unused;
};

static struct sluice_queue the_store;

static sluice_status null_open(const struct sluice_host *host, const struct sluice_config *config,
                               const char *folder, const struct sluice_errors *errors,
                               struct sluice_queue **ret_queue)
{
    (void)host;
    (void)config;
    (void)folder;
    (void)errors;
    *ret_queue = &the_store;
    return SLUICE_OK;
}

static void null_close(struct sluice_queue *queue)
{
    (void)queue;
}

static sluice_status null_apply(struct sluice_queue *queue,
                                const struct sluice_queue_change *changes, size_t count,
                                size_t change_size, const struct sluice_errors *errors)
{
    (void)queue;
    (void)changes;
    (void)count;
    (void)change_size;
    (void)errors;
    return SLUICE_OK;
}

static sluice_status null_read(struct sluice_queue *queue, uint64_t id,
                               const struct sluice_queue_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)queue;
    (void)id;
    (void)sink;
    (void)errors;
    return SLUICE_NOT_FOUND;
}

static sluice_status null_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)queue;
    (void)sink;
    (void)errors;
    return SLUICE_OK;
}

static sluice_status null_space(struct sluice_queue *queue, struct sluice_queue_space *ret_space)
{
    (void)queue;
    ret_space->free_bytes = UINT64_MAX;
    ret_space->reserved_bytes = 0;
    ret_space->used_bytes = 0;
    ret_space->message_count = 0;
    return SLUICE_OK;
}

static const struct sluice_queue_ops null_ops = {
    .struct_size = sizeof(null_ops),
    .open = null_open,
    .close = null_close,
    .apply = null_apply,
    .read = null_read,
    .scan = null_scan,
    .space = null_space,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_QUEUE_ID) == 0 ? &null_ops : NULL;
}

static const struct sluice_plugin_desc descriptor = {
    .struct_size = sizeof(descriptor),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/null",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Keeps nothing: every message given to it is lost. For tests",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &descriptor;
}
