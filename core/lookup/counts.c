/* SPDX-License-Identifier: ISC */
/* counts: see counts.h. */
#include "lookup/counts.h"

#include "base/metrics.h"

const char *answer_from_name(enum answer_from from)
{
    static const char *const names[ANSWER_FROMS] = {
        [FROM_CACHE] = "cache",
        [FROM_SEARCH] = "search",
        [FROM_JOINED] = "joined",
        [FROM_LAST_KNOWN] = "last_known",
    };

    return names[from];
}

void counts_init(struct counts *counts, const char *table)
{
    *counts = (struct counts){
        .table = table,
        .search_seconds = metric_get(METRIC_TABLE_SEARCH_SECONDS, table, NULL, NULL),
        .searches = metric_get(METRIC_TABLE_SEARCHES, table, NULL, NULL),
        .cache_entries = metric_get(METRIC_TABLE_CACHE_ENTRIES, table, NULL, NULL),
        .cache_bytes = metric_get(METRIC_TABLE_CACHE_BYTES, table, NULL, NULL),
        .known_entries = metric_get(METRIC_TABLE_KNOWN_ENTRIES, table, NULL, NULL),
        .known_bytes = metric_get(METRIC_TABLE_KNOWN_BYTES, table, NULL, NULL),
        .known_oldest = metric_get(METRIC_TABLE_KNOWN_OLDEST, table, NULL, NULL),
        .failing_since = metric_get(METRIC_TABLE_FAILING_SINCE, table, NULL, NULL),
        .stale_since = metric_get(METRIC_TABLE_STALE_SINCE, table, NULL, NULL),
    };
}

void counts_add_lookup(struct counts *counts, enum answer_from from, sluice_status status)
{
    static const char *const statuses[COUNTED_STATUSES] = {"ok", "not_found", "temp"};
    unsigned at = status == SLUICE_OK ? 0 : status == SLUICE_NOT_FOUND ? 1 : 2;
    struct metric **metric = &counts->lookups[from][at];

    if (*metric == NULL)
        *metric =
            metric_get(METRIC_TABLE_LOOKUPS, counts->table, answer_from_name(from), statuses[at]);
    metric_add(*metric, 1);
}

void counts_add_search(struct counts *counts, int64_t time_us)
{
    metric_observe(counts->search_seconds, METRIC_TABLE_SEARCH_SECONDS, (uint64_t)time_us);
}
