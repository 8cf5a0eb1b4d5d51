/* SPDX-License-Identifier: ISC */
/*
 * unionmap: what several tables say of a key, together: "unionmap:{type:name, type:name}".
 *
 * Those that do not have the key are passed over; one that cannot be asked makes it a failure.
 */
#include "../common/others.h"

#include <string.h>

static sluice_status unionmap_open(const struct sluice_host *host, const struct sluice_config *config,
                                  const char *name, const struct sluice_errors *errors,
                                  struct sluice_lookup **ret_lookup)
{
    (void)config; /* no options */
    return others_open("unionmap", host, name, errors, ret_lookup);
}

static sluice_status unionmap_find(struct sluice_lookup *lookup, struct sluice_span key,
                                   int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                   const struct sluice_errors *errors)
{
    sluice_status all = SLUICE_NOT_FOUND;

    for (size_t i = 0; i < lookup->count; i++) {
        sluice_status st = others_find(lookup, i, key, deadline_ms, sink, errors);

        if (st == SLUICE_OK)
            all = SLUICE_OK; /* the host joins the values with commas */
        else if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return all;
}

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_OF_TABLES, /* each of them folds its own keys */
    .open = unionmap_open,
    .close = others_close,
    .find = unionmap_find,
    .generation = others_generation,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/unionmap",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "The answers of several tables, joined: unionmap:{type:name, type:name}",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
