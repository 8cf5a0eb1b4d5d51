/* SPDX-License-Identifier: ISC */
/*
 * fail: a table that never answers: every look-up is a temporary failure. For tries, and in the place
 * of a table that is being moved. The name is free: "fail:sorry".
 */
#include "../common/explain.h"

#include "sluice/lookup.h"

#include <stdlib.h>
#include <string.h>

/* The table is its name. */
static char *name_of(struct sluice_lookup *lookup)
{
    return (char *)(void *)lookup;
}

static sluice_status fail_open(const struct sluice_host *host, const struct sluice_config *config,
                               const char *name, const struct sluice_errors *errors,
                               struct sluice_lookup **ret_lookup)
{
    char *copy = strdup(name);

    (void)host;
    (void)config;
    if (copy == NULL)
        return explain(errors, SLUICE_TEMP, "fail: out of memory");
    *ret_lookup = (struct sluice_lookup *)(void *)copy;
    return SLUICE_OK;
}

static void fail_close(struct sluice_lookup *lookup)
{
    free(name_of(lookup));
}

static sluice_status fail_find(struct sluice_lookup *lookup, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)key;
    (void)deadline_ms;
    (void)sink;
    return explain(errors, SLUICE_TEMP, "fail:%s: fails, as it is meant to", name_of(lookup));
}

/* The content is the name: it never changes. */
static sluice_status fail_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    (void)lookup;
    *ret_generation = 0;
    return SLUICE_OK;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_PATTERNS,
    .open = fail_open,
    .close = fail_close,
    .find = fail_find,
    .generation = fail_generation,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/fail",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A temporary failure for every key",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
