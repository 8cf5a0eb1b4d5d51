/* SPDX-License-Identifier: ISC */
/*
 * static: one answer for every key: "static:relay", or "static:{text with blanks}".
 */
#include "../common/braces.h"
#include "../common/explain.h"

#include "sluice/lookup.h"

#include <stdlib.h>
#include <string.h>

/* The table is its answer. */
static char *value_of(struct sluice_lookup *lookup)
{
    return (char *)(void *)lookup;
}

static sluice_status static_open(const struct sluice_host *host, const struct sluice_config *config,
                                 const char *name, const struct sluice_errors *errors,
                                 struct sluice_lookup **ret_lookup)
{
    struct sluice_span value = sluice_span_of(name);
    const char *wrong = name[0] == '{' ? braces_strip(value, &value) : NULL;
    char *copy;

    (void)host;
    (void)config;
    if (wrong != NULL)
        return explain(errors, SLUICE_CONFIG, "bad static:name syntax: %s \"%s\"", wrong, name);
    copy = strndup(value.ptr, value.len);
    if (copy == NULL)
        return explain(errors, SLUICE_TEMP, "static: out of memory");
    *ret_lookup = (struct sluice_lookup *)(void *)copy;
    return SLUICE_OK;
}

static void static_close(struct sluice_lookup *lookup)
{
    free(value_of(lookup));
}

static sluice_status static_find(struct sluice_lookup *lookup, struct sluice_span key,
                                 int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)key;
    (void)deadline_ms;
    (void)errors;
    sink->value(sink, sluice_span_of(value_of(lookup)));
    return SLUICE_OK;
}

/* The content is the name: it never changes. */
static sluice_status static_generation(struct sluice_lookup *lookup, uint64_t *ret_generation)
{
    (void)lookup;
    *ret_generation = 0;
    return SLUICE_OK;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .open = static_open,
    .close = static_close,
    .find = static_find,
    .generation = static_generation,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/static",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "One answer for every key: static:value",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
