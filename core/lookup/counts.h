/* SPDX-License-Identifier: ISC */
/*
 * counts: what is counted of each table that a lookup process has (base/metrics.h). `sluice table stat` shows it,
 * and whoever reads the metrics.
 */
#ifndef LOOKUP_COUNTS_H
#define LOOKUP_COUNTS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Where an answer came from. */
enum answer_from {
    FROM_CACHE,
    FROM_SEARCH,     /* that was begun for it */
    FROM_JOINED,     /* a search that was under way already */
    FROM_LAST_KNOWN, /* what stands in */
    ANSWER_FROMS,
};

#define COUNTED_STATUSES 3 /* SLUICE_OK, SLUICE_NOT_FOUND, SLUICE_TEMP */

struct counts {
    const char *table;
    struct metric *lookups[ANSWER_FROMS][COUNTED_STATUSES]; /* NULL: there was none so far */
    struct metric *search_seconds;
    struct metric *searches;
    struct metric *cache_entries;
    struct metric *cache_bytes;
    struct metric *known_entries;
    struct metric *known_bytes;
    struct metric *known_oldest;
    struct metric *failing_since;
    struct metric *stale_since;
};

/* The table's name stays the caller's and there. */
void counts_init(struct counts *counts, const char *table);
/* A question has its answer. */
void counts_add_lookup(struct counts *counts, enum answer_from from, sluice_status status);
/* A search has ended, which took so long. */
void counts_add_search(struct counts *counts, int64_t time_us);

/* "cache", as metrics and explanations have it. */
const char *answer_from_name(enum answer_from from);

#endif
