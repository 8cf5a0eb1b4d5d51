/* SPDX-License-Identifier: 0BSD */
/*
 * counted: the store log, with a counter of what it wrote among the daemon's metrics.
 *
 *   queue_store = { plugin = "counted"; };
 *
 * The template of a store that stands on another one. A store from scratch answers
 * "sluice.queue/1" itself, as plugins/queue/memory of the source does; read sluice/queue.h for what
 * apply() has to promise, and run the contract test of tests/contract/queue against it.
 */
#include <sluice/queue.h>

/* All changes or none, durable on return: the base sees to it, and its status is passed on. */
static sluice_status apply(struct sluice_queue *queue, const struct sluice_queue_change *changes,
                           size_t count, size_t change_size, const struct sluice_errors *errors)
{
    const struct sluice_base *base = (const struct sluice_base *)(const void *)queue;
    const struct sluice_queue_ops *log = base->ops;
    const struct sluice_metrics *metrics;
    sluice_status status = log->apply(base->self, changes, count, change_size, errors);

    metrics = base->host->get_service(base->host, SLUICE_METRICS_ID);
    if (status == SLUICE_OK && metrics != NULL)
        metrics->count(base->host, "changes_written", count);
    return status;
}

static const struct sluice_queue_ops ops = {.struct_size = sizeof(ops), .apply = apply};

static const struct sluice_derive derive = {
    .struct_size = sizeof(derive),
    .base = "queue/log",
    .interface = SLUICE_QUEUE_ID,
    .ops = &ops,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DERIVE_ID) == 0 ? &derive : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/counted",
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "The store log, with a counter",
    .mode = SLUICE_MODE_PARALLEL, /* as the base */
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
