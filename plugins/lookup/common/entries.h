/* SPDX-License-Identifier: ISC */
/*
 * entries: keys and values of a table that is kept in memory. Keys are folded to lower case, as those
 * that are asked for are. One writer, then any thread.
 */
#ifndef SLUICE_TABLE_ENTRIES_H
#define SLUICE_TABLE_ENTRIES_H

#include "sluice/lookup.h"

#include <stdbool.h>

struct entries;

/* NULL: no memory. */
struct entries *entries_new(void);
void entries_free(struct entries *entries); /* accepts NULL */

/* Copies both. NOT_FOUND: the key is there already and replace is false. TEMP: no memory. */
sluice_status entries_add(struct entries *entries, struct sluice_span key, struct sluice_span value,
                          bool replace);

/* OK after one value, or NOT_FOUND. */
sluice_status entries_find(const struct entries *entries, struct sluice_span key,
                           const struct sluice_lookup_sink *sink);
/* Every entry in the order of their adding, as sluice_lookup_ops.list. */
sluice_status entries_list(const struct entries *entries,
                           const struct sluice_lookup_entry_sink *sink);

#endif /* SLUICE_TABLE_ENTRIES_H */
