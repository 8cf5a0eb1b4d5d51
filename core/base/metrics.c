/* SPDX-License-Identifier: ISC */
/*
 * metrics: a table of series with open addressing.
 *
 * A series is claimed (CLAIMED), written, and published (READY); nobody looks at one that is claimed,
 * and nobody waits for it. So a writer that dies in between costs a place, and two that meet may
 * make the same series twice: readers add up those of the same labels.
 */
#include "base/metrics.h"

#include "base/span.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LABELS_SIZE 232
#define BUCKETS_MAX 16
#define CELLS (BUCKETS_MAX + 2) /* buckets, beyond them, and the sum of the times */
#define SUM_CELL (BUCKETS_MAX + 1)
#define PROBES_MAX 64
#define SERIES_PER_FAMILY_MAX 1000 /* names that plugins or tables invent must leave room for others */

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* In microseconds; 0 ends a list. */
static const uint64_t call_buckets[BUCKETS_MAX] = {100,     500,     1000,    2500,     5000,
                                                   10000,   25000,   50000,   100000,   250000,
                                                   500000,  1000000, 2500000, 10000000, 60000000};
#define SECOND UINT64_C(1000000)
static const uint64_t delay_buckets[BUCKETS_MAX] = {
    SECOND / 10,  SECOND / 2,    SECOND,         5 * SECOND,      15 * SECOND,     60 * SECOND,
    300 * SECOND, 1800 * SECOND, 3600 * SECOND,  14400 * SECOND,  43200 * SECOND,  86400 * SECOND,
    172800 * SECOND, 432000 * SECOND};

static const struct {
    const char *name;
    const char *help;
    enum kind kind;
    const char *labels[3];
    const uint64_t *buckets;
    bool is_shared; /* a gauge of what processes have together: the greatest counts, not the sum */
} families[METRIC_FAMILIES] = {
    [METRIC_BUILD_INFO] = {"sluice_build_info", "1, with the version of the running program", GAUGE,
                           {"version"}},
    [METRIC_START_TIME] = {"sluice_start_time_seconds", "When the daemon started, since 1970", GAUGE},
    [METRIC_PROCESS_RESTARTS] = {"sluice_process_restarts_total",
                                 "Processes that died and were started again", COUNTER, {"role"}},
    [METRIC_LOG_LOST] = {"sluice_log_lines_lost_total",
                         "Lines that were dropped because nobody took them in time", COUNTER},
    [METRIC_CONNECTIONS] = {"sluice_connections_total", "Clients that connected", COUNTER},
    [METRIC_SESSIONS] = {"sluice_sessions", "Sessions with clients", GAUGE},
    [METRIC_REJECTS] = {"sluice_rejects_total", "Commands and messages that were refused", COUNTER,
                        {"command"}},
    [METRIC_MESSAGES_ACCEPTED] = {"sluice_messages_accepted_total",
                                  "Messages that came into the queue", COUNTER, {"protocol"}},
    [METRIC_BYTES_ACCEPTED] = {"sluice_accepted_bytes_total", "Their content", COUNTER},
    [METRIC_COMMIT_SECONDS] = {"sluice_commit_duration_seconds",
                               "From the end of a message's data until the queue said durable",
                               HISTOGRAM, {NULL}, call_buckets},
    [METRIC_COMMITS_FAILED] = {"sluice_commits_failed_total",
                               "Messages that the queue did not take, the client was told 451",
                               COUNTER},
    [METRIC_STORE_BATCH_SECONDS] = {"sluice_store_batch_duration_seconds",
                                    "Group commits: until what they hold was durable", HISTOGRAM,
                                    {NULL}, call_buckets},
    [METRIC_STORE_CHANGES] = {"sluice_store_changes_total",
                              "Puts, updates and removals in these group commits", COUNTER},
    [METRIC_QUEUE_MESSAGES] = {"sluice_queue_messages", "Messages in the queue", GAUGE},
    [METRIC_QUEUE_UNITS] = {"sluice_queue_units",
                            "Delivery units (a message's recipients of one domain at one site)",
                            GAUGE, {"state"}},
    [METRIC_QUEUE_SITES] = {"sluice_queue_sites", "Sites that mail waits for", GAUGE},
    [METRIC_QUEUE_FREE_BYTES] = {"sluice_queue_free_bytes", "Room for more mail", GAUGE},
    [METRIC_RELEASES] = {"sluice_releases_total", "Passes that let deferred mail go", COUNTER},
    [METRIC_MESSAGES_RELEASED] = {"sluice_messages_released_total", "Messages that they let go",
                                  COUNTER},
    [METRIC_MESSAGES_REMOVED] = {"sluice_messages_removed_total", "Messages that left the queue",
                                 COUNTER},
    [METRIC_DELIVERY_ATTEMPTS] = {"sluice_delivery_attempts_total",
                                  "Attempts to deliver to a recipient", COUNTER,
                                  {"transport", "result"}},
    [METRIC_DELIVERY_SECONDS] = {"sluice_delivery_attempt_duration_seconds",
                                 "Connecting and transferring, of one delivery", HISTOGRAM,
                                 {"transport"}, call_buckets},
    [METRIC_DELIVERY_DELAY_SECONDS] = {"sluice_delivery_delay_seconds",
                                       "From a message's arrival until a recipient had it",
                                       HISTOGRAM, {"transport"}, delay_buckets},
    [METRIC_PLUGIN_CALLS] = {"sluice_plugin_calls_total", "Calls of plugins", COUNTER,
                             {"kind", "name", "status"}},
    [METRIC_PLUGIN_CALL_SECONDS] = {"sluice_plugin_call_duration_seconds", "How long they took",
                                    HISTOGRAM, {"kind", "name"}, call_buckets},
    [METRIC_PLUGIN_EVENTS] = {"sluice_plugin_events_total", "What plugins count themselves",
                              COUNTER, {"plugin", "event"}},
    [METRIC_TABLE_LOOKUPS] = {"sluice_table_lookups_total",
                              "Questions to tables that a lookup process has, and where their "
                              "answers came from",
                              COUNTER, {"table", "from", "status"}},
    [METRIC_TABLE_SEARCH_SECONDS] = {"sluice_table_search_duration_seconds",
                                     "How long the tables themselves took to answer", HISTOGRAM,
                                     {"table"}, call_buckets},
    [METRIC_TABLE_SEARCHES] = {"sluice_table_searches", "Searches under way", GAUGE, {"table"}},
    [METRIC_TABLE_CACHE_ENTRIES] = {"sluice_table_cache_entries", "Answers that are kept for a while",
                                    GAUGE, {"table"}},
    [METRIC_TABLE_CACHE_BYTES] = {"sluice_table_cache_bytes", "The memory that they take", GAUGE,
                                  {"table"}},
    [METRIC_TABLE_KNOWN_ENTRIES] = {"sluice_table_last_known_entries",
                                    "Last known answers on disk", GAUGE, {"table"}, NULL, true},
    [METRIC_TABLE_KNOWN_BYTES] = {"sluice_table_last_known_bytes", "The space that they take", GAUGE,
                                  {"table"}, NULL, true},
    [METRIC_TABLE_KNOWN_OLDEST] = {"sluice_table_last_known_oldest_seconds",
                                   "When the oldest of them was given, since 1970; 0: there is none",
                                   GAUGE, {"table"}, NULL, true},
    [METRIC_TABLE_FAILING_SINCE] = {"sluice_table_failing_since_seconds",
                                    "Since when a table gives no answer, since 1970; 0: it does",
                                    GAUGE, {"table"}, NULL, true},
    [METRIC_TABLE_STALE_SINCE] = {"sluice_table_stale_since_seconds",
                                  "Since when last known answers stand in, since 1970; 0: they do not",
                                  GAUGE, {"table"}, NULL, true},
};

enum series_state { SERIES_FREE, SERIES_CLAIMED, SERIES_READY };

struct metric {
    _Atomic uint32_t state; /* enum series_state */
    uint32_t family;
    _Atomic int32_t owner; /* of a gauge: a pid */
    uint32_t reserved;
    char labels[LABELS_SIZE]; /* transport="smtp",result="sent" */
    _Atomic uint64_t cells[CELLS];
};

/* What the block looks like. */
struct block {
    _Atomic uint32_t family_counts[METRIC_FAMILIES];
    uint32_t reserved;
    struct metric series[];
};

static struct block *block;
static size_t series_count;
static struct metric nowhere;

static size_t count_of(size_t size)
{
    return size > sizeof(struct block) ? (size - sizeof(struct block)) / sizeof(struct metric) : 0;
}

void metrics_attach(void *memory, size_t size)
{
    block = memory;
    series_count = memory != NULL ? count_of(size) : 0;
}

/* ---- finding a series ------------------------------------------------------------------------ */

/* label="value", where \, " and line feeds in the value are marked; in at least room bytes, which
 * the label fits into. */
static size_t put_label(char *out, size_t room, const char *label, const char *value)
{
    size_t used = strlen(label);

    memcpy(out, label, used);
    out[used++] = '=';
    out[used++] = '"';
    for (; *value != '\0' && used + 3 < room; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            out[used++] = '\\';
        out[used++] = *value == '\n' ? 'n' : *value;
    }
    out[used++] = '"';
    return used;
}

static void format_labels(enum metric_family family, const char *const values[3],
                          char labels[LABELS_SIZE])
{
    size_t used = 0;

    memset(labels, 0, LABELS_SIZE);
    for (size_t i = 0; i < 3 && families[family].labels[i] != NULL; i++) {
        /* Each has its share, so that a long one does not cut those behind it. */
        size_t end = LABELS_SIZE - (2 - i) * (LABELS_SIZE / 4);
        if (i > 0)
            labels[used++] = ',';
        used += put_label(labels + used, end - used, families[family].labels[i], values[i]);
    }
}

static uint32_t hash(uint32_t family, const char *labels)
{
    uint32_t sum = 2166136261U ^ family; /* FNV-1a */

    for (; *labels != '\0'; labels++)
        sum = (sum ^ (unsigned char)*labels) * 16777619U;
    return sum;
}

static bool is_gone(int32_t pid)
{
    return kill(pid, 0) == -1 && errno == ESRCH;
}

static bool has_labels(const struct metric *series, enum metric_family family, const char *labels)
{
    return atomic_load(&series->state) == SERIES_READY && series->family == family &&
           strcmp(series->labels, labels) == 0;
}

/* A gauge of a process that has gone may be taken over. */
static bool take_over(struct metric *series)
{
    int32_t owner = atomic_load(&series->owner);

    if (!is_gone(owner) ||
        !atomic_compare_exchange_strong(&series->owner, &owner, (int32_t)getpid()))
        return false;
    atomic_store(&series->cells[0], 0);
    return true;
}

static bool claim(struct metric *series, enum metric_family family, const char labels[LABELS_SIZE])
{
    uint32_t free_state = SERIES_FREE;

    if (atomic_load(&block->family_counts[family]) >= SERIES_PER_FAMILY_MAX ||
        !atomic_compare_exchange_strong(&series->state, &free_state, SERIES_CLAIMED))
        return false;
    (void)atomic_fetch_add(&block->family_counts[family], 1);
    series->family = family;
    atomic_store(&series->owner, (int32_t)getpid());
    memcpy(series->labels, labels, LABELS_SIZE);
    atomic_store(&series->state, SERIES_READY);
    return true;
}

/* The series that is there already, of a gauge our own; else NULL. */
static struct metric *find(enum metric_family family, const char *labels, size_t at)
{
    bool is_gauge = families[family].kind == GAUGE;
    int32_t us = is_gauge ? (int32_t)getpid() : 0;

    for (size_t i = 0; i < PROBES_MAX; i++, at = (at + 1) % series_count) {
        struct metric *series = &block->series[at];

        if (atomic_load(&series->state) == SERIES_FREE)
            return NULL;
        if (has_labels(series, family, labels) &&
            (!is_gauge || atomic_load(&series->owner) == us))
            return series;
    }
    return NULL;
}

struct metric *metric_get(enum metric_family family, const char *first, const char *second,
                          const char *third)
{
    const char *const values[3] = {first, second, third};
    char labels[LABELS_SIZE];

    if (series_count == 0)
        return &nowhere;
    format_labels(family, values, labels);
    size_t at = hash(family, labels) % series_count;
    struct metric *found = find(family, labels, at);
    if (found != NULL)
        return found;
    for (size_t i = 0; i < PROBES_MAX; i++, at = (at + 1) % series_count) {
        struct metric *series = &block->series[at];

        /* What is no gauge may have been made by another process just now. */
        if (has_labels(series, family, labels) &&
            (families[family].kind != GAUGE || take_over(series)))
            return series;
        if (atomic_load(&series->state) == SERIES_FREE && claim(series, family, labels))
            return series;
    }
    return &nowhere;
}

/* ---- counting -------------------------------------------------------------------------------- */

static void add(_Atomic uint64_t *cell, uint64_t count)
{
    (void)atomic_fetch_add_explicit(cell, count, memory_order_relaxed);
}

void metric_add(struct metric *metric, uint64_t count)
{
    add(&metric->cells[0], count);
}

void metric_set(struct metric *metric, uint64_t value)
{
    atomic_store_explicit(&metric->cells[0], value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, enum metric_family family, uint64_t time_us)
{
    const uint64_t *buckets = families[family].buckets;
    size_t at = 0;

    while (at < BUCKETS_MAX && buckets[at] != 0 && time_us > buckets[at])
        at++;
    add(&metric->cells[at], 1);
    add(&metric->cells[SUM_CELL], time_us);
}

/* ---- showing --------------------------------------------------------------------------------- */

/* A copy, which nobody changes while it is looked at. */
struct shown {
    uint32_t family;
    char labels[LABELS_SIZE];
    uint64_t cells[CELLS];
};

/* By family, then labels. */
static int compare(const void *a, const void *b)
{
    const struct shown *left = a;
    const struct shown *right = b;

    if (left->family != right->family)
        return left->family < right->family ? -1 : 1;
    return strcmp(left->labels, right->labels);
}

/* False: there is none, or its process has gone. */
static bool copy(const struct metric *series, struct shown *shown)
{
    if (atomic_load(&series->state) != SERIES_READY)
        return false;
    shown->family = series->family;
    memcpy(shown->labels, series->labels, LABELS_SIZE);
    shown->labels[LABELS_SIZE - 1] = '\0';
    for (size_t i = 0; i < CELLS; i++)
        shown->cells[i] = atomic_load_explicit(&series->cells[i], memory_order_relaxed);
    if (shown->family >= METRIC_FAMILIES)
        return false;
    return families[shown->family].kind != GAUGE || !is_gone(atomic_load(&series->owner));
}

/* Of two series with the same labels. */
static void put_together(uint32_t family, uint64_t cells[CELLS], const uint64_t more[CELLS])
{
    for (size_t i = 0; i < CELLS; i++) {
        if (!families[family].is_shared)
            cells[i] += more[i];
        else if (more[i] > cells[i])
            cells[i] = more[i];
    }
}

/* What that many of 100 took at most. */
static uint64_t bound_of(enum metric_family family, const uint64_t cells[CELLS], uint64_t count,
                         unsigned percent)
{
    const uint64_t *buckets = families[family].buckets;
    uint64_t passed = 0;

    if (count == 0)
        return 0;
    for (size_t i = 0; i < BUCKETS_MAX && buckets[i] != 0; i++) {
        passed += cells[i];
        if (passed * 100 >= count * percent)
            return buckets[i];
    }
    return UINT64_MAX;
}

static void read_histogram(enum metric_family family, const uint64_t cells[CELLS],
                           struct metric_reading *reading)
{
    uint64_t count = 0;

    for (size_t i = 0; i <= BUCKETS_MAX; i++)
        count += cells[i];
    *reading = (struct metric_reading){
        .value = count,
        .sum_us = cells[SUM_CELL],
        .half_us = bound_of(family, cells, count, 50),
        .most_us = bound_of(family, cells, count, 90),
        .nearly_all_us = bound_of(family, cells, count, 99),
    };
}

void metric_read(enum metric_family family, const char *first, const char *second,
                 const char *third, struct metric_reading *ret_reading)
{
    const char *const values[3] = {first, second, third};
    char labels[LABELS_SIZE];
    uint64_t cells[CELLS] = {0};
    struct shown shown;

    format_labels(family, values, labels);
    for (size_t i = 0; i < series_count; i++) {
        if (!has_labels(&block->series[i], family, labels) || !copy(&block->series[i], &shown))
            continue;
        put_together(family, cells, shown.cells);
    }
    if (families[family].kind == HISTOGRAM)
        read_histogram(family, cells, ret_reading);
    else
        *ret_reading = (struct metric_reading){.value = cells[0]};
}

static void put_line(struct buffer *out, const char *name, const char *suffix, const char *labels,
                     const char *more, const char *value)
{
    bool has_labels = labels[0] != '\0' || more[0] != '\0';

    buffer_printf(out, "%s%s%s%s%s%s%s %s\n", name, suffix, has_labels ? "{" : "", labels,
                  labels[0] != '\0' && more[0] != '\0' ? "," : "", more, has_labels ? "}" : "",
                  value);
}

/* Microseconds as seconds. */
static void format_seconds(uint64_t time_us, char out[32])
{
    (void)snprintf(out, 32, "%" PRIu64 ".%06" PRIu64, time_us / SECOND, time_us % SECOND);
    size_t len = strlen(out);
    while (out[len - 1] == '0')
        out[--len] = '\0';
    if (out[len - 1] == '.')
        out[len - 1] = '\0';
}

static void put_histogram(struct buffer *out, uint32_t family, const char *labels,
                          const uint64_t cells[CELLS])
{
    const uint64_t *buckets = families[family].buckets;
    const char *name = families[family].name;
    uint64_t count = 0;
    char bound[32];
    char label[48];
    char value[32];
    size_t i = 0;

    for (;; i++) {
        bool is_last = i == BUCKETS_MAX || buckets[i] == 0;
        if (!is_last)
            format_seconds(buckets[i], bound);
        count += cells[i];
        (void)snprintf(label, sizeof(label), "le=\"%s\"", is_last ? "+Inf" : bound);
        (void)snprintf(value, sizeof(value), "%" PRIu64, count);
        put_line(out, name, "_bucket", labels, label, value);
        if (is_last)
            break;
    }
    put_line(out, name, "_count", labels, "", value);
    format_seconds(cells[SUM_CELL], value);
    put_line(out, name, "_sum", labels, "", value);
}

/* All series of the same labels, put together. */
static size_t put_series(struct buffer *out, struct shown *sorted, size_t count)
{
    struct shown *sum = &sorted[0];
    char value[32];
    size_t used = 1;

    for (; used < count && compare(sum, &sorted[used]) == 0; used++) {
        put_together(sum->family, sum->cells, sorted[used].cells);
    }
    if (families[sum->family].kind == HISTOGRAM) {
        put_histogram(out, sum->family, sum->labels, sum->cells);
        return used;
    }
    (void)snprintf(value, sizeof(value), "%" PRIu64, sum->cells[0]);
    put_line(out, families[sum->family].name, "", sum->labels, "", value);
    return used;
}

static void put_all(struct buffer *out, struct shown *sorted, size_t count)
{
    uint32_t family = METRIC_FAMILIES; /* of the line before */

    for (size_t at = 0; at < count;) {
        if (sorted[at].family != family) {
            family = sorted[at].family;
            buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
                          families[family].help, families[family].name,
                          kind_names[families[family].kind]);
        }
        at += put_series(out, sorted + at, count - at);
    }
}

void metrics_format(const void *memory, size_t size, struct buffer *out)
{
    const struct block *shown = memory;
    size_t count = count_of(size);
    struct shown *copies = calloc(count + 1, sizeof(*copies));
    size_t found = 0;

    if (copies == NULL) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        found += copy(&shown->series[i], &copies[found]) ? 1 : 0;
    qsort(copies, found, sizeof(*copies), compare);
    put_all(out, copies, found);
    free(copies);
}
