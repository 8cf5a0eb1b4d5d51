/* SPDX-License-Identifier: ISC */
/*
 * postmap_table: see postmap_table.h.
 */
#include "postmap_table.h"

#include "base/clock.h"
#include "base/span.h"
#include "config/table_name.h"
#include "plugin/load.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS 60000 /* for a table that waits */

/* ---- services: the daemon's, but for those that are of a whole process of it ------------------ */

/* The host is the table's first member. */
static struct postmap_table *table_of(const struct sluice_host *host)
{
    return (struct postmap_table *)(uintptr_t)host;
}

static void log_line(const struct sluice_host *host, int32_t level, const char *line)
{
    if (level <= SLUICE_LOG_WARNING)
        (void)fprintf(stderr, "%s: warning: %s\n", table_of(host)->program, line);
}

/* A table that this one asks, and has perhaps asked before. NULL with a text. */
static struct postmap_table *find_other(struct postmap_table *table, const char *name,
                                        struct error *err)
{
    struct postmap_table *other = table->others;

    while (other != NULL && strcmp(other->name, table_name_plain(name)) != 0)
        other = other->next;
    if (other != NULL)
        return other;
    other = calloc(1, sizeof(*other));
    if (other == NULL) {
        (void)error_set(err, SLUICE_TEMP, "out of memory");
        return NULL;
    }
    name = arena_text(&table->draft->arena, sluice_span_of(name));
    postmap_table_init(other, table->draft, name, table->program);
    other->next = table->others;
    table->others = other;
    return other;
}

static sluice_status find_for(const struct sluice_host *host, const char *name,
                              struct sluice_span key, int64_t deadline_ms,
                              const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    struct postmap_table *table = table_of(host);
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct postmap_table *other = find_other(table, name, &err);
    sluice_status st = SLUICE_TEMP;

    (void)deadline_ms; /* each has its own */
    if (other != NULL)
        st = postmap_table_find(other, key, &value, &err);
    if (st == SLUICE_OK)
        sink->value(sink, buffer_span(&value));
    else if (st != SLUICE_NOT_FOUND)
        errors->explain(errors, "4.3.0", err.text);
    buffer_done(&value);
    return st == SLUICE_OK || st == SLUICE_NOT_FOUND ? st : SLUICE_TEMP;
}

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct sluice_tables tables = {.struct_size = sizeof(tables),
                                                .find_for = find_for};
    static const struct sluice_log log = {.struct_size = sizeof(log), .write = log_line};

    if (strcmp(id, SLUICE_LOG_ID) == 0)
        return &log;
    if (strcmp(id, SLUICE_TABLES_ID) == 0)
        return &tables;
    return table_of(host)->get_service(host, id);
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static bool is_type(const char *type)
{
    for (const char *at = type; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) == 0 && *at != '-' && *at != '_')
            return false;
    }
    return type[0] != '\0';
}

/* A type without a file of its name is the user's mistake, and said in Postfix's words. */
static sluice_status load(const char *directory, const char *plugin_name, const char *type,
                          struct plugin **ret_plugin, struct error *err)
{
    char path[4096];
    sluice_status st;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s.so", directory, plugin_name);
    if (access(path, F_OK) == -1 && errno == ENOENT)
        return error_set(err, SLUICE_UNSUPPORTED, "unsupported dictionary type: %s", type);
    st = plugin_open_file(directory, plugin_name, geteuid(), &fd, err);
    if (st != SLUICE_OK)
        return st;
    st = plugin_load(plugin_name, fd, ret_plugin, err);
    (void)close(fd); /* the loader has its own */
    return st;
}

static sluice_status settle(struct postmap_table *table, struct draft *draft, const char *name,
                            const struct sluice_plugin_desc *desc, struct error *err)
{
    struct draft_instance *instance = draft_add_table(draft, name, PLACE_DEFAULT, 0);
    size_t errors_before = draft->report.error_count;

    if (instance == NULL)
        return error_set(err, SLUICE_CONFIG, "%s: not the name of a table", name);
    draft_declare(draft, instance->plugin, desc->options, desc->option_count);
    draft_settle(draft, instance, desc->options, desc->option_count);
    if (draft->report.error_count > errors_before)
        return error_set(err, SLUICE_CONFIG, "table %s: its options do not check; try sluiced -t",
                         name);
    values_init(&table->values, instance->values, instance->value_count);
    return SLUICE_OK;
}

void postmap_table_init(struct postmap_table *table, struct draft *draft, const char *name,
                        const char *program)
{
    name = table_name_plain(name);
    size_t len = strcspn(name, ":");

    *table = (struct postmap_table){
        .name = name,
        .type = arena_printf(&draft->arena, "%.*s", (int)len, name),
        .path = name[len] == ':' ? name + len + 1 : "",
        .program = program,
        .draft = draft,
    };
    host_init(&table->host, name, name);
    table->get_service = table->host.sdk.get_service;
    table->host.sdk.get_service = get_service;
}

/* How keys and values end in a table that is built, if the command line says so. */
static void set_style(struct postmap_table *table)
{
    for (size_t i = 0; i < table->values.count; i++) {
        struct value *option = &table->values.list[i];

        if (table->style != POSTMAP_AS_CONFIGURED && strcmp(option->key, "terminated") == 0 &&
            option->type == SLUICE_OPT_BOOLEAN) {
            option->is_set = true;
            option->number = table->style == POSTMAP_TERMINATED ? 1 : 0;
        }
    }
}

sluice_status postmap_table_load(struct postmap_table *table, struct error *err)
{
    struct draft *draft = table->draft;
    const struct sluice_plugin_desc *desc;
    struct plugin *plugin;
    const char *plugin_name;
    sluice_status st;

    if (table->ops != NULL)
        return SLUICE_OK;
    if (!is_type(table->type))
        return error_set(err, SLUICE_UNSUPPORTED, "unsupported dictionary type: %s", table->type);
    plugin_name = arena_printf(&draft->arena, "lookup/%s", table->type);
    st = load(draft_parameter(draft, "plugin_directory")->value.text, plugin_name, table->type,
              &plugin, err);
    if (st != SLUICE_OK)
        return st;
    desc = plugin_desc(plugin);
    st = settle(table, draft, table->name, desc, err);
    if (st != SLUICE_OK)
        return st;
    set_style(table);
    table->ops = desc->get_interface(SLUICE_LOOKUP_ID);
    if (table->ops == NULL)
        return error_set(err, SLUICE_CONFIG, "plugin %s has no tables of its own", plugin_name);
    return SLUICE_OK;
}

/* ---- asking ---------------------------------------------------------------------------------- */

char *postmap_table_key(const struct postmap_table *table, struct sluice_span key)
{
    char *copy = span_dup(key);

    if (copy != NULL && !table->keeps_case && (table->ops->flags & SLUICE_LOOKUP_EXACT) == 0)
        span_fold(copy, key.len);
    return copy;
}

sluice_status postmap_table_open(struct postmap_table *table, struct error *err)
{
    struct error_sink errors;
    sluice_status st;

    if (table->lookup != NULL)
        return SLUICE_OK;
    st = postmap_table_load(table, err);
    if (st != SLUICE_OK)
        return st;
    error_sink_init(&errors, err);
    return status_known(table->ops->open(&table->host.sdk, &table->values.sdk, table->path,
                                         &errors.sdk, &table->lookup));
}

struct answer {
    struct sluice_lookup_sink sdk;
    struct buffer *value;
};

static void take_value(const struct sluice_lookup_sink *sdk, struct sluice_span value)
{
    const struct answer *answer = (const struct answer *)sdk; /* its first member */

    if (answer->value->len > 0)
        buffer_add_byte(answer->value, ',');
    buffer_add_span(answer->value, value);
}

sluice_status postmap_table_find(struct postmap_table *table, struct sluice_span key,
                                 struct buffer *value, struct error *err)
{
    struct answer answer = {.sdk = {.struct_size = sizeof(answer.sdk), .value = take_value},
                            .value = value};
    struct error_sink errors;
    sluice_status st = postmap_table_open(table, err);
    char *copy;

    if (st != SLUICE_OK)
        return st;
    copy = postmap_table_key(table, key);
    if (copy == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    error_sink_init(&errors, err);
    st = table->ops->find(table->lookup, (struct sluice_span){copy, key.len},
                          clock_monotonic_ms() + DEADLINE_MS, &answer.sdk, &errors.sdk);
    free(copy);
    return status_known(st);
}

sluice_status postmap_table_list(struct postmap_table *table,
                                 const struct sluice_lookup_entry_sink *sink, struct error *err)
{
    struct error_sink errors;
    sluice_status st = postmap_table_open(table, err);

    if (st != SLUICE_OK)
        return st;
    if (!SLUICE_HAS(struct sluice_lookup_ops, table->ops, list))
        return error_set(err, SLUICE_UNSUPPORTED,
                         "table %s:%s: sequence operation is not supported", table->type,
                         table->path);
    error_sink_init(&errors, err);
    return status_known(table->ops->list(table->lookup, sink, &errors.sdk));
}

void postmap_table_done(struct postmap_table *table)
{
    if (table->lookup != NULL)
        table->ops->close(table->lookup);
    table->lookup = NULL;
    while (table->others != NULL) {
        struct postmap_table *other = table->others;

        table->others = other->next;
        postmap_table_done(other);
        free(other);
    }
    host_done(&table->host);
}
