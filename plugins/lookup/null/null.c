/* SPDX-License-Identifier: ISC */
/*
 * null: a table without entries, whatever its name. The smallest lookup that there can be.
 */
#include "sluice/lookup.h"

static sluice_status null_open(const struct sluice_host *host, const struct sluice_config *config,
                               const char *name, const struct sluice_errors *errors,
                               struct sluice_lookup **ret_lookup)
{
    (void)host;
    (void)config;
    (void)name;
    (void)errors;
    *ret_lookup = NULL; /* nothing to remember */
    return SLUICE_OK;
}

static void null_close(struct sluice_lookup *lookup)
{
    (void)lookup;
}

static sluice_status null_find(struct sluice_lookup *lookup, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)lookup;
    (void)key;
    (void)deadline_ms;
    (void)sink;
    (void)errors;
    return SLUICE_NOT_FOUND;
}

static sluice_status null_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    (void)lookup;
    *ret_generation = 0;
    return SLUICE_OK;
}

static sluice_status null_list(struct sluice_lookup *lookup,
                               const struct sluice_lookup_entry_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)lookup;
    (void)sink;
    (void)errors;
    return SLUICE_OK;
}

/* Nothing ever changes. */
static void null_maintain(struct sluice_lookup *lookup, const struct sluice_lookup_notice *notice)
{
    (void)lookup;
    (void)notice;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = null_open,
    .close = null_close,
    .find = null_find,
    .generation = null_generation,
    .list = null_list,
    .maintain = null_maintain,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/null",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "An empty table",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
