/* SPDX-License-Identifier: ISC */
/*
 * metrics: what is counted, for whoever watches many machines; Prometheus' names and kinds.
 *
 * A family is declared once, in metrics.c; a series is one of its combinations of labels. Series live
 * in a block of memory that all roles share and that outlives them, so that counters never go back
 * while the daemon lives. Counting is one relaxed atomic addition and never waits for anybody; a
 * process that dies at any moment leaves nothing locked. A gauge belongs to the process that set it,
 * and goes away with it; the processes' gauges add up, unless they are of one thing that these share.
 *
 * Order: metrics_attach once in a process; before it, and where there is no room, what is counted goes
 * nowhere. metric_get where something is set up, the rest where things happen. All [any].
 *
 * Roles do not trust each other: what is read from the block decides nothing but what is shown.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buffer.h"

enum metric_family {
    METRIC_BUILD_INFO,
    METRIC_START_TIME,
    METRIC_PROCESS_RESTARTS,
    METRIC_LOG_LOST,
    METRIC_CONNECTIONS,
    METRIC_SESSIONS,
    METRIC_REJECTS,
    METRIC_MESSAGES_ACCEPTED,
    METRIC_BYTES_ACCEPTED,
    METRIC_COMMIT_SECONDS,
    METRIC_COMMITS_FAILED,
    METRIC_STORE_BATCH_SECONDS,
    METRIC_STORE_CHANGES,
    METRIC_QUEUE_MESSAGES,
    METRIC_QUEUE_UNITS,
    METRIC_QUEUE_SITES,
    METRIC_QUEUE_FREE_BYTES,
    METRIC_RELEASES,
    METRIC_MESSAGES_RELEASED,
    METRIC_MESSAGES_REMOVED,
    METRIC_DELIVERY_ATTEMPTS,
    METRIC_DELIVERY_SECONDS,
    METRIC_DELIVERY_DELAY_SECONDS,
    METRIC_PLUGIN_CALLS,
    METRIC_PLUGIN_CALL_SECONDS,
    METRIC_PLUGIN_EVENTS,
    METRIC_TABLE_LOOKUPS,
    METRIC_TABLE_SEARCH_SECONDS,
    METRIC_TABLE_SEARCHES,
    METRIC_TABLE_CACHE_ENTRIES,
    METRIC_TABLE_CACHE_BYTES,
    METRIC_TABLE_KNOWN_ENTRIES,
    METRIC_TABLE_KNOWN_BYTES,
    METRIC_TABLE_KNOWN_OLDEST,
    METRIC_TABLE_FAILING_SINCE,
    METRIC_TABLE_STALE_SINCE,
    METRIC_FAMILIES,
};

#define METRICS_SIZE ((size_t)1024 * 1024) /* of the block */

struct metric; /* a series */

/* memory: zeroed, or what others of this program have used; it must stay. */
void metrics_attach(void *memory, size_t size);

/* The series with these values of the family's labels (as many as it has, in its order; the rest is
 * not looked at); values that are too long are cut. Never NULL. */
struct metric *metric_get(enum metric_family family, const char *first, const char *second,
                          const char *third);

void metric_add(struct metric *metric, uint64_t count); /* counters */
void metric_set(struct metric *metric, uint64_t value); /* gauges */
/* Histograms; the family is the metric's own. */
void metric_observe(struct metric *metric, enum metric_family family, uint64_t time_us);

/* What all processes together have counted. */
struct metric_reading {
    uint64_t value;  /* of a counter or gauge; of a histogram, how many times */
    uint64_t sum_us; /* histograms: of all times, */
    uint64_t half_us, most_us, nearly_all_us; /* and what 50, 90 and 99 of 100 of them took at most, to
                                                 the next bound; UINT64_MAX: beyond all of them */
};

/* The series with these labels, in the block that is attached. */
void metric_read(enum metric_family family, const char *first, const char *second,
                 const char *third, struct metric_reading *ret_reading);

/* A whole block in Prometheus' text format, by whoever has it; memory is only read. */
void metrics_format(const void *memory, size_t size, struct buffer *out);

#endif
