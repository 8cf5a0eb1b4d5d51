/* SPDX-License-Identifier: ISC */
/*
 * others: tables that ask others: "pipemap:{type:name, type:name}". The host makes instances of those
 * that are named, and asks them.
 */
#ifndef SLUICE_TABLE_OTHERS_H
#define SLUICE_TABLE_OTHERS_H

#include "sluice/lookup.h"

struct sluice_lookup {
    const struct sluice_host *host;
    const struct sluice_tables *tables; /* NULL where a table is only tried */
    char **names;
    size_t count;
};

/* A plugin's operations of the same names. type: of the plugin, for messages. */
sluice_status others_open(const char *type, const struct sluice_host *host, const char *name,
                          const struct sluice_errors *errors, struct sluice_lookup **ret_lookup);
void others_close(struct sluice_lookup *lookup);
/* Another one when that of one of them is; TEMP while one of them has none. */
sluice_status others_generation(struct sluice_lookup *lookup, uint64_t *ret_generation);

/* Asks the one of that index. */
sluice_status others_find(const struct sluice_lookup *lookup, size_t index, struct sluice_span key,
                          int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                          const struct sluice_errors *errors);

#endif /* SLUICE_TABLE_OTHERS_H */
