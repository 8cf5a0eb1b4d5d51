/* SPDX-License-Identifier: ISC */
/* tables: see tables.h. */
#include "queue/tables.h"

#include "base/metrics.h"
#include "config/homes.h"
#include "queue/dispatch.h"
#include "queue/intake.h"
#include "queue/lookup_link.h"
#include "queue/pick.h"
#include "queue/question.h"
#include "queue/state.h"

#include <string.h>

#define GLANCE_MS 2000 /* for who only wants to know whether all is well */

static void set(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value); /* without memory it is missing */
}

/* ---- asking ---------------------------------------------------------------------------------- */

static json_t *ask(struct queue *queue, struct channel *channel,
                   const struct message_tables_request *request, int64_t time_ms)
{
    struct buffer body = BUFFER_INIT;

    message_tables_request_encode(request, &body);
    return question_ask(queue, channel, MESSAGE_TABLES, &body, time_ms);
}

static struct channel *deliver_channel(const struct queue *queue)
{
    const struct deliver_link *link = pick_current(queue, CREW_COMMON);

    return link != NULL ? link->channel : NULL;
}

/* ---- all that there are ---------------------------------------------------------------------- */

/* Members of lines that are there already stay; so the first process that has a table open counts. */
static void merge(json_t *lines, json_t *list)
{
    json_t *line;
    size_t i;

    json_array_foreach(list, i, line)
    {
        const char *name = session_text(line, "table");
        json_t *known = json_object_get(lines, name);

        if (known == NULL)
            (void)json_object_set(lines, name, line);
        else
            (void)json_object_update_missing(known, line);
    }
    json_decref(list);
}

static void name_process(json_t *line)
{
    const json_t *home = json_object_get(line, "home");

    if (home == NULL) {
        set(line, "process", json_string("each"));
        return;
    }
    set(line, "process", json_sprintf("lookup %d", (int)json_integer_value(home)));
    (void)json_object_del(line, "home");
    if (json_object_get(line, "open") == NULL) {
        set(line, "open", json_false());
        set(line, "text", json_string("its process does not answer"));
    }
}

/* Each table's line, by its name. NULL: nobody can be asked. */
static json_t *gather(struct queue *queue, int64_t time_ms)
{
    const struct message_tables_request request = {.wish = TABLES_LIST};
    json_t *lines = json_object();
    const char *name;
    json_t *line;

    merge(lines, ask(queue, deliver_channel(queue), &request, time_ms));
    merge(lines, ask(queue, intake_current(queue), &request, time_ms));
    for (unsigned i = 0; i < HOMES_MAX; i++) {
        const struct lookup_link *link = lookup_link_find(queue, i);

        if (link != NULL)
            merge(lines, ask(queue, link->channel, &request, time_ms));
    }
    json_object_foreach(lines, name, line) name_process(line);
    return lines;
}

/* One of them, or all. */
static sluice_status put_lines(struct session *session, const char *name,
                               void (*complete)(json_t *line))
{
    json_t *lines = gather(session->queue, QUESTION_TIME_MS);
    sluice_status st = SLUICE_OK;
    const char *each;
    json_t *line;

    if (name[0] != '\0' && json_object_get(lines, name) == NULL)
        st = error_set(&session->err, SLUICE_NOT_FOUND, "%s: there is no such table", name);
    json_object_foreach(lines, each, line)
    {
        if (st != SLUICE_OK || (name[0] != '\0' && strcmp(each, name) != 0))
            continue;
        if (complete != NULL)
            complete(line);
        st = session_put(session, json_incref(line));
    }
    json_decref(lines);
    return st;
}

sluice_status tables_send_list(struct session *session, json_t *request)
{
    (void)request;
    return put_lines(session, "", NULL);
}

static bool is_in_trouble(const json_t *line)
{
    return json_is_false(json_object_get(line, "open")) ||
           json_object_get(line, "failing_since") != NULL ||
           json_object_get(line, "stale_since") != NULL;
}

/* Takes the lines, of that process. */
static void add_troubled(json_t *list, json_t *lines, unsigned index)
{
    json_t *line;
    size_t i;

    if (lines == NULL)
        (void)json_array_append_new(list, json_pack("{s:o, s:s}", "process",
                                                    json_sprintf("lookup %u", index), "text",
                                                    "does not answer"));
    json_array_foreach(lines, i, line)
    {
        if (is_in_trouble(line))
            (void)json_array_append(list, line);
    }
    json_decref(lines);
}

json_t *tables_in_trouble(struct queue *queue)
{
    const struct message_tables_request request = {.wish = TABLES_LIST};
    json_t *list = json_array();

    for (unsigned i = 0; i < HOMES_MAX; i++) {
        const struct lookup_link *link = lookup_link_find(queue, i);

        if (link != NULL)
            add_troubled(list, ask(queue, link->channel, &request, GLANCE_MS), i);
    }
    return list;
}

/* ---- what was counted ------------------------------------------------------------------------ */

static const char *const statuses[] = {"ok", "not_found", "temp", "perm", "config", "unsupported"};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

static uint64_t count_of(enum metric_family family, const char *first, const char *second,
                         const char *third)
{
    struct metric_reading reading;

    metric_read(family, first, second, third, &reading);
    return reading.value;
}

static void set_count(json_t *line, const char *name, uint64_t count)
{
    set(line, name, json_integer((json_int_t)count));
}

/* Where there is no bound: null. */
static json_t *bound_json(uint64_t time_us)
{
    return time_us != UINT64_MAX ? json_integer((json_int_t)time_us) : json_null();
}

static void set_times(json_t *line, const struct metric_reading *times)
{
    set_count(line, "searches", times->value);
    if (times->value == 0)
        return;
    set(line, "search_us",
        json_pack("{s:I, s:o, s:o, s:o}", "mean", (json_int_t)(times->sum_us / times->value), "p50",
                  bound_json(times->half_us), "p90", bound_json(times->most_us), "p99",
                  bound_json(times->nearly_all_us)));
}

/* Questions with that end, from all places where answers come from. */
static uint64_t ended(const char *table, const char *status)
{
    static const char *const froms[] = {"cache", "search", "joined", "last_known"};
    uint64_t count = 0;

    for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++)
        count += count_of(METRIC_TABLE_LOOKUPS, table, froms[i], status);
    return count;
}

static uint64_t came_from(const char *table, const char *from)
{
    return count_of(METRIC_TABLE_LOOKUPS, table, from, "ok") +
           count_of(METRIC_TABLE_LOOKUPS, table, from, "not_found") +
           count_of(METRIC_TABLE_LOOKUPS, table, from, "temp");
}

static void set_ends(json_t *line, uint64_t found, uint64_t not_found, uint64_t failed)
{
    set_count(line, "lookups", found + not_found + failed);
    set_count(line, "found", found);
    set_count(line, "not_found", not_found);
    set_count(line, "failed", failed);
}

/* Of a table that a lookup process has. */
static void count_shared(json_t *line, const char *table)
{
    static const struct {
        const char *name;
        enum metric_family family;
    } gauges[] = {
        {"searching", METRIC_TABLE_SEARCHES},
        {"cache_entries", METRIC_TABLE_CACHE_ENTRIES},
        {"cache_bytes", METRIC_TABLE_CACHE_BYTES},
        {"last_known_entries", METRIC_TABLE_KNOWN_ENTRIES},
        {"last_known_bytes", METRIC_TABLE_KNOWN_BYTES},
        {"last_known_oldest", METRIC_TABLE_KNOWN_OLDEST},
    };
    struct metric_reading times;

    set_ends(line, ended(table, "ok"), ended(table, "not_found"), ended(table, "temp"));
    set_count(line, "cached_found", count_of(METRIC_TABLE_LOOKUPS, table, "cache", "ok"));
    set_count(line, "cached_not_found",
              count_of(METRIC_TABLE_LOOKUPS, table, "cache", "not_found"));
    set_count(line, "joined", came_from(table, "joined"));
    set_count(line, "stood_in", came_from(table, "last_known"));
    metric_read(METRIC_TABLE_SEARCH_SECONDS, table, NULL, NULL, &times);
    set_times(line, &times);
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        set_count(line, gauges[i].name, count_of(gauges[i].family, table, NULL, NULL));
}

/* Of one that each process opens for itself: all of its look-ups are searches. */
static void count_own(json_t *line, const char *table)
{
    uint64_t counts[STATUSES];
    struct metric_reading times;
    uint64_t failed = 0;

    for (size_t i = 0; i < STATUSES; i++)
        counts[i] = count_of(METRIC_PLUGIN_CALLS, "lookup", table, statuses[i]);
    for (size_t i = 2; i < STATUSES; i++)
        failed += counts[i];
    set_ends(line, counts[0], counts[1], failed);
    metric_read(METRIC_PLUGIN_CALL_SECONDS, "lookup", table, NULL, &times);
    set_times(line, &times);
}

static void add_counts(json_t *line)
{
    const char *table = session_text(line, "table");

    if (strcmp(session_text(line, "process"), "each") == 0)
        count_own(line, table);
    else
        count_shared(line, table);
}

sluice_status tables_send_stat(struct session *session, json_t *request)
{
    return put_lines(session, session_text(request, "table"), add_counts);
}

/* ---- asking for a key, forgetting ------------------------------------------------------------ */

static struct message_tables_request make_request(enum tables_wish wish, const json_t *request)
{
    return (struct message_tables_request){
        .wish = wish,
        .table = sluice_span_of(session_text(request, "table")),
        .key = sluice_span_of(session_text(request, "key")),
        .is_deep = json_is_true(json_object_get(request, "is_fresh")) ||
                   json_is_true(json_object_get(request, "is_deep")),
    };
}

sluice_status tables_send_query(struct session *session, json_t *request)
{
    const struct message_tables_request query = make_request(TABLES_QUERY, request);
    json_t *answer;

    if (query.table.len == 0 || query.key.len == 0)
        return error_set(&session->err, SLUICE_PERM, "a query wants a table and a key");
    answer = ask(session->queue, deliver_channel(session->queue), &query, QUESTION_TIME_MS);
    if (answer == NULL)
        return error_set(&session->err, SLUICE_TEMP, "no deliver process has answered");
    if (strcmp(session_text(answer, "status"), status_name(SLUICE_CONFIG)) == 0) {
        (void)error_set(&session->err, SLUICE_NOT_FOUND, "%s", session_text(answer, "text"));
        json_decref(answer);
        return SLUICE_NOT_FOUND;
    }
    set(answer, "table", json_string(session_text(request, "table")));
    set(answer, "key", json_string(session_text(request, "key")));
    return session_put(session, answer);
}

/* Of one lookup process; false: it has not done it. */
static bool flush(struct session *session, struct channel *channel,
                  const struct message_tables_request *request, json_int_t *count)
{
    json_t *answer = ask(session->queue, channel, request, QUESTION_TIME_MS);
    bool is_done = strcmp(session_text(answer, "status"), status_name(SLUICE_OK)) == 0;

    *count += json_integer_value(json_object_get(answer, "forgotten"));
    if (!is_done)
        (void)error_set(&session->err, SLUICE_TEMP, "%s",
                        answer != NULL ? session_text(answer, "text")
                                       : "a lookup process does not answer");
    json_decref(answer);
    return is_done;
}

static bool is_a_table(struct queue *queue, const char *name)
{
    json_t *lines = gather(queue, GLANCE_MS);
    bool is_there = json_object_get(lines, name) != NULL;

    json_decref(lines);
    return is_there;
}

sluice_status tables_flush(struct session *session, json_t *request)
{
    const struct message_tables_request wish = make_request(TABLES_FLUSH, request);
    const char *name = session_text(request, "table");
    json_int_t count = 0;
    bool is_done = true;

    if (name[0] != '\0' && !is_a_table(session->queue, name))
        return error_set(&session->err, SLUICE_NOT_FOUND, "%s: there is no such table", name);
    for (unsigned i = 0; i < HOMES_MAX; i++) {
        const struct lookup_link *link = lookup_link_find(session->queue, i);

        if (link != NULL)
            is_done = flush(session, link->channel, &wish, &count) && is_done;
    }
    if (!is_done)
        return SLUICE_TEMP;
    return session_put(session, json_pack("{s:I}", "forgotten", count));
}
