/* SPDX-License-Identifier: ISC */
/*
 * table: tables, opened here or asked at their home.
 */
#include "route/table_private.h"

#include "base/clock.h"
#include "base/span.h"
#include "config/homes.h"
#include "config/options.h"
#include "config/table_name.h"
#include "route/remote.h"
#include "task/pool.h"

#include <assert.h>
#include <stdlib.h>

#define REOPEN_INTERVAL_MS 1000

struct tables {
    const struct config *config;
    struct table *by_name;
    struct remote *remote; /* NULL: all tables are opened here */
};

const struct instance_side *table_side(const struct table *table)
{
    if (table->instance == NULL)
        return &table->added;
    return INSTANCE_SIDE(table->instance, struct sluice_lookup_ops, find);
}

uint32_t table_flags(const struct table *table)
{
    if (table->remote != NULL)
        return table->remote_flags;

    const struct instance_side *side = table_side(table);

    return side != NULL ? INSTANCE_OPS(side, struct sluice_lookup_ops)->flags : 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void close_added(struct table *table)
{
    const struct sluice_lookup_ops *ops = INSTANCE_OPS(&table->added, struct sluice_lookup_ops);

    if (ops != NULL && SLUICE_HAS(struct sluice_lookup_ops, ops, close))
        ops->close(table->added.self);
}

/* The data behind the table: until it can be opened the table answers with the reason. */
static void try_open(struct table *table)
{
    struct error err = ERROR_INIT;

    table->next_open_ms = clock_monotonic_ms() + REOPEN_INTERVAL_MS;
    if (instance_open(table->instance, table->argument, &err) == SLUICE_OK) {
        table->is_open = true;
        return;
    }
    (void)error_set_dsn(&table->closed_because, SLUICE_TEMP, "4.3.0", "%s is unavailable. %s",
                        table->name, err.text);
    complain(&table->complaint, LOG_LEVEL_WARNING, "%s", table->closed_because.text);
}

static sluice_status table_new(const char *name, struct table **ret_table)
{
    struct table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return SLUICE_TEMP;
    table->name = span_dup(sluice_span_of(name));
    if (table->name == NULL) {
        free(table);
        return SLUICE_TEMP;
    }
    *ret_table = table;
    return SLUICE_OK;
}

static void table_free(struct table *table)
{
    instance_close(table->instance);
    close_added(table);
    instance_free(table->instance);
    free(table->name);
    free(table);
}

/* ---- the set -------------------------------------------------------------------------------- */

sluice_status tables_new(const struct config *config, struct tables **ret_tables)
{
    struct tables *tables = calloc(1, sizeof(*tables));

    if (tables == NULL)
        return SLUICE_TEMP;
    tables->config = config;
    *ret_tables = tables;
    return SLUICE_OK;
}

void tables_free(struct tables *tables)
{
    struct table *table;
    struct table *next;

    if (tables == NULL)
        return;
    HASH_ITER(hh, tables->by_name, table, next)
    {
        HASH_DEL(tables->by_name, table);
        table_free(table);
    }
    remote_free(tables->remote);
    free(tables);
}

sluice_status tables_ask_homes(struct tables *tables)
{
    tables->remote = remote_new();
    return tables->remote != NULL ? SLUICE_OK : SLUICE_TEMP;
}

void tables_link(struct tables *tables, unsigned home, int fd)
{
    remote_connect(tables->remote, home, fd);
}

/* A table that asks others has their kind of keys. One that is not there leaves it as it is: the
 * plugin says so when it is asked. */
static void find_first(struct tables *tables, struct table *table)
{
    struct sluice_span rest = table_names_inside(table->argument);
    struct sluice_span item;
    struct table *first;
    char *name;

    if ((table_flags(table) & SLUICE_LOOKUP_OF_TABLES) == 0 || !list_next(&rest, &item))
        return;
    name = span_dup(item);
    if (name != NULL && tables_get(tables, name, &first, NULL) == SLUICE_OK)
        table->first = first;
    free(name);
}

/* Who is going to open it: this process, or its home. */
static sluice_status find_opener(const struct tables *tables, struct table *table,
                                 const struct config_instance *configured, struct error *err)
{
    sluice_status st;

    if (tables->remote != NULL && configured->home != HOME_NONE) {
        table->remote_flags = configured->table_flags;
        table->is_open = true;
        st = remote_get(tables->remote, configured->home, sluice_span_of(table->name),
                        &table->remote);
        return st == SLUICE_OK ? st : error_set(err, st, "no memory for the table %s", table->name);
    }
    st = instance_new(configured, &table->instance, err);
    if (st == SLUICE_OK)
        table->pool = instance_pool(table->instance);
    return st;
}

static sluice_status configure(struct tables *tables, const char *name, struct table **ret_table,
                               struct error *err)
{
    const struct config_instance *configured = NULL;
    struct table *table;

    if (tables->config != NULL)
        configured = config_instance_find(tables->config, SLUICE_LOOKUP_ID, name);
    if (configured == NULL)
        return error_set(err, SLUICE_CONFIG, "there is no table %s", name);
    if (table_new(name, &table) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no memory for the table %s", name);
    table->argument = configured->argument;

    sluice_status st = find_opener(tables, table, configured, err);
    if (st != SLUICE_OK) {
        table_free(table);
        return st;
    }
    HASH_ADD_KEYPTR(hh, tables->by_name, table->name, strlen(table->name), table);
    if (!hash_has(table)) {
        table_free(table);
        return error_set(err, SLUICE_TEMP, "no memory for the table %s", name);
    }
    if (table->remote == NULL)
        try_open(table);
    find_first(tables, table);
    *ret_table = table;
    return SLUICE_OK;
}

static struct table *find_table(const struct tables *tables, const char *name)
{
    struct table *table = NULL;

    HASH_FIND_STR(tables->by_name, name, table);
    return table;
}

const struct table *tables_find(const struct tables *tables, const char *name)
{
    return find_table(tables, table_name_plain(name));
}

const struct config *tables_config(const struct tables *tables)
{
    return tables->config;
}

const char *table_why_closed(const struct table *table)
{
    return table->is_open ? NULL : table->closed_because.text;
}

sluice_status tables_get(struct tables *tables, const char *name, struct table **ret_table,
                         struct error *err)
{
    struct table *table;

    name = table_name_plain(name);
    table = find_table(tables, name);
    if (table == NULL)
        return configure(tables, name, ret_table, err);
    *ret_table = table;
    return SLUICE_OK;
}

sluice_status tables_add(struct tables *tables, const char *name,
                         const struct sluice_lookup_ops *ops, struct sluice_lookup *self,
                         struct pool *pool)
{
    struct table *table;

    if (table_new(name, &table) != SLUICE_OK)
        return SLUICE_TEMP;
    HASH_ADD_KEYPTR(hh, tables->by_name, table->name, strlen(table->name), table);
    if (!hash_has(table)) {
        table_free(table);
        return SLUICE_TEMP;
    }
    table->added = (struct instance_side){.ops = ops, .self = self};
    table->pool = pool;
    table->is_open = true;
    return SLUICE_OK;
}

bool table_is_available(struct table *table)
{
    if (!table->is_open && clock_monotonic_ms() >= table->next_open_ms)
        try_open(table);
    return table->is_open;
}

/* ---- lists ---------------------------------------------------------------------------------- */

sluice_status table_list_add(struct table_list *list, struct tables *tables, const char *name,
                             struct error *err)
{
    struct table *table;

    sluice_status st = tables_get(tables, name, &table, err);
    if (st != SLUICE_OK)
        return st;
    struct table **more = realloc(list->tables, (list->count + 1) * sizeof(struct table *));
    if (more == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for the table %s", name);
    list->tables = more;
    list->tables[list->count++] = table;
    return SLUICE_OK;
}

sluice_status table_list_read(struct table_list *list, struct tables *tables,
                              const struct config *config, const char *parameter, struct error *err)
{
    size_t count = config_count(config, parameter);

    list->parameter = parameter;
    for (size_t i = 0; i < count; i++) {
        const char *name = config_item(config, parameter, i);
        sluice_status st = table_list_add(list, tables, name, err);
        if (st != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(config, parameter), parameter);
            return st;
        }
    }
    return SLUICE_OK;
}

void table_list_done(struct table_list *list)
{
    free(list->tables);
    *list = (struct table_list){0};
}

sluice_status table_list_find(const struct table_list *list, struct sluice_span key,
                              bool is_partial, int64_t deadline_ms, struct buffer *value,
                              struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_partial && table_has_patterns(list->tables[i]))
            continue;
        sluice_status st =
            table_find_for(list->tables[i], key, list->sink_flags, deadline_ms, value, err);
        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    return SLUICE_NOT_FOUND;
}
