/* SPDX-License-Identifier: ISC */
/* table_report: see table_report.h. */
#include "route/table_report.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/span.h"
#include "config/homes.h"
#include "ipc/messages.h"
#include "task/explain.h"
#include "task/task.h"

#include <stdlib.h>
#include <string.h>

/* ---- which there are ------------------------------------------------------------------------- */

static void set(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value); /* without memory it is missing */
}

static void describe_opening(const struct table *table, json_t *line)
{
    const char *why = table_why_closed(table);

    set(line, "open", json_boolean(why == NULL));
    if (why != NULL)
        set(line, "text", json_text(sluice_span_of(why)));
}

static json_t *describe(struct tables *tables, const struct config_instance *instance)
{
    const struct sluice_config *options = instance->options;
    const struct table *table = tables_find(tables, instance->name);
    json_t *line = json_object();

    set(line, "table", json_text(sluice_span_of(instance->name)));
    set(line, "plugin", json_string(instance->plugin));
    if (instance->home != HOME_NONE)
        set(line, "home", json_integer(instance->home));
    set(line, "is_shared", json_boolean(options->get_number(options, "shared") != 0));
    set(line, "is_isolated", json_boolean(options->get_number(options, "isolate") != 0));
    if (instance->home == HOME_NONE && table != NULL)
        describe_opening(table, line);
    return line;
}

json_t *table_report_list(struct tables *tables)
{
    const struct config *config = tables_config(tables);
    json_t *list = json_array();

    for (size_t i = 0; i < config_instance_count(config); i++) {
        const struct config_instance *instance = config_instance_at(config, i);

        if (strcmp(instance->interface, SLUICE_LOOKUP_ID) == 0)
            (void)json_array_append_new(list, describe(tables, instance));
    }
    return list;
}

/* ---- what a key maps to ---------------------------------------------------------------------- */

static sluice_status find(struct tables *tables, const struct message_tables_request *request,
                          struct buffer *value, struct error *err)
{
    int64_t deadline_ms =
        clock_monotonic_ms() + config_number(tables_config(tables), "lookup_timeout");
    char *name = span_dup(request->table);
    struct table *table;
    sluice_status st = name != NULL ? tables_get(tables, name, &table, err)
                                    : error_set(err, SLUICE_TEMP, "out of memory");

    free(name);
    if (st != SLUICE_OK)
        return st;
    return table_find_for(table, request->key, request->is_deep ? TABLE_FRESH : 0, deadline_ms,
                          value, err);
}

static json_t *query(struct tables *tables, const struct message_tables_request *request)
{
    struct explanation *explanation = NULL;
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    json_t *answer = json_object();

    if (explanation_new(&explanation) == SLUICE_OK)
        task_set_explanation(explanation);
    (void)task_set_limit(clock_monotonic_ms() + EXPLAIN_TIME_MS);
    sluice_status st = find(tables, request, &value, &err);
    task_set_explanation(NULL);
    set(answer, "status", json_string(status_name(st)));
    if (st == SLUICE_OK)
        set(answer, "value", json_text(buffer_span(&value)));
    else if (st != SLUICE_NOT_FOUND)
        set(answer, "text", json_text(sluice_span_of(err.text)));
    if (explanation != NULL && explanation_json(explanation) != NULL)
        (void)json_object_update_missing(answer, explanation_json(explanation));
    explanation_free(explanation);
    buffer_done(&value);
    return answer;
}

/* ---- answers --------------------------------------------------------------------------------- */

void table_report_answer(struct tables *tables, struct sluice_span body, struct buffer *answer)
{
    struct message_tables_request request;
    json_t *json = NULL;

    if (message_tables_request_decode(body, &request) != SLUICE_OK)
        return;
    if (request.wish == TABLES_LIST)
        json = table_report_list(tables);
    else if (request.wish == TABLES_QUERY)
        json = query(tables, &request);
    json_format(json, answer);
    json_decref(json);
}
