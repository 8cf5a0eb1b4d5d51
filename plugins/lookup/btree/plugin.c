/* SPDX-License-Identifier: ISC */
/*
 * plugin: what the btree plugin says about itself; berkeley.c does the work.
 */
#include "berkeley.h"

#include <string.h>

const DBTYPE berkeley_type = DB_BTREE;

static const struct sluice_option options[] = {FILE_OPTION_TERMINATED};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &file_table_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/btree",
    .version = "0.1.0",
    .license = "ISC AND Sleepycat",
    .summary = "Tables in Berkeley DB B-tree files, NAME.db, sorted by key, as made by postmap",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
