/* SPDX-License-Identifier: ISC */
/*
 * table: opening lookup plugins, asking them where their mode allows it, and making sure that only a
 * clear answer is one.
 */
#include "route/table.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/span.h"
#include "config/options.h"
#include "config/table_name.h"
#include "plugin/instance.h"
#include "task/explain.h"
#include "task/pool.h"

#include <assert.h>
#include <stdlib.h>

#define REOPEN_INTERVAL_MS 1000

struct table {
    char *name;
    const char *argument;       /* what follows the colon in the name */
    struct instance *instance;  /* NULL: came with tables_add */
    struct instance_side added; /* then these are its operations */
    struct pool *pool;          /* NULL: asked on the caller's task */
    const struct table *first;  /* of a table that asks others: the first of them; else NULL */
    bool is_open;
    int64_t next_open_ms;
    struct error closed_because;
    struct complaint complaint;
    bool is_listed; /* what the table with that generation has is known */
    bool may_have_addresses;
    uint64_t generation;
    UT_hash_handle hh;
};

struct tables {
    const struct config *config;
    struct table *by_name;
};

/* The side that answers; its ops also carry the table's flags. */
static const struct instance_side *finding_side(const struct table *table)
{
    if (table->instance == NULL)
        return &table->added;
    return INSTANCE_SIDE(table->instance, struct sluice_lookup_ops, find);
}

static uint32_t flags_of(const struct table *table)
{
    const struct instance_side *side = finding_side(table);

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
    free(tables);
}

/* A table that asks others has their kind of keys. One that is not there leaves it as it is: the
 * plugin says so when it is asked. */
static void find_first(struct tables *tables, struct table *table)
{
    struct sluice_span rest = table_names_inside(table->argument);
    struct sluice_span item;
    struct table *first;
    char *name;

    if ((flags_of(table) & SLUICE_LOOKUP_OF_TABLES) == 0 || !list_next(&rest, &item))
        return;
    name = span_dup(item);
    if (name != NULL && tables_get(tables, name, &first, NULL) == SLUICE_OK)
        table->first = first;
    free(name);
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

    sluice_status st = instance_new(configured, &table->instance, err);
    if (st != SLUICE_OK) {
        table_free(table);
        return st;
    }
    table->pool = instance_pool(table->instance);
    HASH_ADD_KEYPTR(hh, tables->by_name, table->name, strlen(table->name), table);
    if (!hash_has(table)) {
        table_free(table);
        return error_set(err, SLUICE_TEMP, "no memory for the table %s", name);
    }
    try_open(table);
    find_first(tables, table);
    *ret_table = table;
    return SLUICE_OK;
}

sluice_status tables_get(struct tables *tables, const char *name, struct table **ret_table,
                         struct error *err)
{
    struct table *table = NULL;

    name = table_name_plain(name);
    HASH_FIND_STR(tables->by_name, name, table);
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

/* ---- asking --------------------------------------------------------------------------------- */

const char *table_name(const struct table *table)
{
    return table->name;
}

bool table_has_patterns(const struct table *table)
{
    if (table->first != NULL)
        return table_has_patterns(table->first);
    return (flags_of(table) & SLUICE_LOOKUP_PATTERNS) != 0;
}

struct answer {
    struct sluice_lookup_sink sdk;
    struct buffer *value;
    size_t start; /* of this answer in value */
    size_t count;
    bool has_empty; /* spec T-2: an error, not an answer */
    bool is_too_long;
};

static void answer_value(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    struct answer *answer = (struct answer *)sink;

    if (value.len == 0)
        answer->has_empty = true;
    if (answer->value->len - answer->start + value.len + 1 > TABLE_VALUE_MAX) {
        answer->is_too_long = true;
        return;
    }
    if (answer->count > 0)
        buffer_add_byte(answer->value, ',');
    buffer_add_span(answer->value, value);
    answer->count++;
}

static sluice_status judge(const struct table *table, sluice_status st, const struct answer *answer,
                           struct sluice_span key, struct error *err)
{
    if (st == SLUICE_NOT_FOUND)
        return st;
    if (st != SLUICE_OK) {
        if (st != status_known(st))
            (void)error_set(err, SLUICE_TEMP, "%s: its plugin answered %d, which is no status",
                            table->name, (int)st);
        else if (err->text[0] == '\0')
            (void)error_set(err, st, "%s: look-up failed", table->name);
        err->status = SLUICE_TEMP;
        return SLUICE_TEMP;
    }
    if (answer->count == 0 || answer->has_empty)
        return error_set(err, SLUICE_TEMP, "%s: empty value for \"%.*s\"", table->name,
                         SPAN_ARGS(key));
    if (answer->is_too_long)
        return error_set(err, SLUICE_TEMP, "%s: value for \"%.*s\" is longer than %zu bytes",
                         table->name, SPAN_ARGS(key), TABLE_VALUE_MAX);
    if (buffer_failed(answer->value))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a value", table->name);
    return SLUICE_OK;
}

/* Where the plugin's mode lets us: on the caller's task, or on a thread of the instance's. */
static sluice_status find_here(const struct table *table, struct sluice_span key, uint64_t flags,
                               int64_t deadline_ms, struct buffer *value, struct error *err)
{
    const struct instance_side *side = finding_side(table);
    struct answer answer = {
        .sdk = {.struct_size = sizeof(answer.sdk), .value = answer_value, .flags = flags},
        .value = value,
        .start = value->len,
    };
    struct instance_call call;
    struct error_sink sink;

    error_sink_init(&sink, err);
    if (table->instance != NULL)
        instance_enter(&call, table->instance, deadline_ms);
    sluice_status st = INSTANCE_OPS(side, struct sluice_lookup_ops)
                           ->find(side->self, key, deadline_ms, &answer.sdk, &sink.sdk);
    st = judge(table, st, &answer, key, err);
    if (table->instance != NULL)
        instance_leave(&call, st);
    if (st != SLUICE_OK)
        value->len = answer.start;
    return st;
}

/* A call on a thread: copies that outlive a caller who gives up. */
struct job {
    const struct table *table;
    uint64_t flags; /* of the sink */
    int64_t deadline_ms;
    char *key;
    size_t key_len;
    struct buffer value;
    struct error err;
};

static void job_free(void *arg)
{
    struct job *job = arg;

    free(job->key);
    buffer_done(&job->value);
    free(job);
}

static sluice_status job_work(void *arg)
{
    struct job *job = arg;
    struct sluice_span key = {.ptr = job->key, .len = job->key_len};

    return find_here(job->table, key, job->flags, job->deadline_ms, &job->value, &job->err);
}

static struct job *job_new(const struct table *table, struct sluice_span key, uint64_t flags,
                           int64_t deadline_ms)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    job->key = span_dup(key);
    if (job->key == NULL) {
        free(job);
        return NULL;
    }
    job->table = table;
    job->flags = flags;
    job->deadline_ms = deadline_ms;
    job->key_len = key.len;
    return job;
}

static sluice_status find_on_thread(const struct table *table, struct sluice_span key,
                                    uint64_t flags, int64_t deadline_ms, struct buffer *value, struct error *err)
{
    struct job *job = job_new(table, key, flags, deadline_ms);
    sluice_status st;

    if (job == NULL)
        return error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table->name);
    if (pool_run(table->pool, job_work, job_free, job, deadline_ms, &st) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s: no answer in time", table->name);
    *err = job->err;
    buffer_add_span(value, buffer_span(&job->value));
    job_free(job);
    if (buffer_failed(value))
        return error_set(err, SLUICE_TEMP, "%s: no memory for a value", table->name);
    return st;
}

/* Opens a table again that could not be opened, if that is due. */
static bool is_available(struct table *table)
{
    if (!table->is_open && clock_monotonic_ms() >= table->next_open_ms)
        try_open(table);
    return table->is_open;
}

static sluice_status find(struct table *table, struct sluice_span key, uint64_t flags,
                          int64_t deadline_ms, struct buffer *value, struct error *err)
{
    sluice_status st = table->pool == NULL
                           ? find_here(table, key, flags, deadline_ms, value, err)
                           : find_on_thread(table, key, flags, deadline_ms, value, err);
    if (st == SLUICE_TEMP)
        complain(&table->complaint, LOG_LEVEL_WARNING, "%s", err->text);
    else
        complain_over(&table->complaint, "%s answers again", table->name);
    return st;
}

static sluice_status ask(struct table *table, struct sluice_span key, uint64_t flags,
                         int64_t deadline_ms, struct buffer *value, struct error *err)
{
    struct error own = ERROR_INIT;

    if (!is_available(table)) {
        if (err != NULL)
            *err = table->closed_because;
        return SLUICE_TEMP;
    }
    char *folded = span_dup(key);
    if (folded == NULL)
        return error_set(err, SLUICE_TEMP, "%s: no memory for a look-up", table->name);
    if ((flags_of(table) & SLUICE_LOOKUP_EXACT) == 0)
        span_fold(folded, key.len);

    sluice_status st =
        find(table, (struct sluice_span){.ptr = folded, .len = key.len}, flags, deadline_ms, value,
             &own);
    free(folded);
    if (st == SLUICE_TEMP && err != NULL)
        *err = own;
    return st;
}

sluice_status table_find_for(struct table *table, struct sluice_span key, uint64_t flags,
                             int64_t deadline_ms, struct buffer *value, struct error *err)
{
    size_t start = value->len;

    explain_begin("table");
    explain_text("table", table->name);
    explain_span("key", key);
    sluice_status st = ask(table, key, flags, deadline_ms, value, err);
    if (st == SLUICE_OK)
        explain_span("value", span_skip(buffer_span(value), start));
    explain_end(st, err);
    return st;
}

sluice_status table_find(struct table *table, struct sluice_span key, int64_t deadline_ms,
                         struct buffer *value, struct error *err)
{
    return table_find_for(table, key, 0, deadline_ms, value, err);
}

/* ---- what it has ----------------------------------------------------------------------------- */

struct listing {
    struct sluice_lookup_entry_sink sdk;
    size_t count;
};

static sluice_status listing_entry(const struct sluice_lookup_entry_sink *sink,
                                   struct sluice_span key, struct sluice_span value)
{
    struct listing *listing = (struct listing *)(void *)(uintptr_t)sink;
    bool is_fine = span_find(key, '@') == key.len && ++listing->count <= TABLE_LIST_MAX;

    (void)value;
    return is_fine ? SLUICE_OK : SLUICE_NOT_FOUND; /* which ends it */
}

static bool can_be_listed(const struct table *table, const struct instance_side *side)
{
    const struct sluice_lookup_ops *ops =
        side != NULL ? INSTANCE_OPS(side, struct sluice_lookup_ops) : NULL;

    return ops != NULL && table->pool == NULL && !table_has_patterns(table) &&
           SLUICE_HAS(struct sluice_lookup_ops, ops, generation) &&
           SLUICE_HAS(struct sluice_lookup_ops, ops, list);
}

static bool has_only_domains(const struct instance_side *side)
{
    struct listing listing = {.sdk = {.struct_size = sizeof(listing.sdk), .entry = listing_entry}};
    struct error err = ERROR_INIT;
    struct error_sink sink;

    error_sink_init(&sink, &err);
    return INSTANCE_OPS(side, struct sluice_lookup_ops)
               ->list(side->self, &listing.sdk, &sink.sdk) == SLUICE_OK;
}

/* The list is as long as the table: each state of it is looked through once. */
static sluice_status look_through(struct table *table, const struct instance_side *side)
{
    uint64_t generation;
    sluice_status st =
        INSTANCE_OPS(side, struct sluice_lookup_ops)->generation(side->self, &generation);

    if (st != SLUICE_OK || (table->is_listed && generation == table->generation))
        return st;
    table->may_have_addresses = !has_only_domains(side);
    table->generation = generation;
    table->is_listed = true;
    return SLUICE_OK;
}

sluice_status table_generation(struct table *table, uint64_t *ret_generation)
{
    const struct instance_side *side = finding_side(table);
    struct instance_call call;

    if (table->pool != NULL)
        return SLUICE_UNSUPPORTED; /* asking might wait */
    if (!is_available(table))
        return SLUICE_TEMP;
    if (!SLUICE_HAS(struct sluice_lookup_ops, INSTANCE_OPS(side, struct sluice_lookup_ops),
                    generation))
        return SLUICE_UNSUPPORTED;
    if (table->instance != NULL)
        instance_enter(&call, table->instance, CLOCK_NEVER);
    sluice_status st = INSTANCE_OPS(side, struct sluice_lookup_ops)
                           ->generation(side->self, ret_generation);
    if (table->instance != NULL)
        instance_leave(&call, st);
    return st == SLUICE_OK || st == SLUICE_UNSUPPORTED ? st : SLUICE_TEMP;
}

bool table_may_have_addresses(struct table *table)
{
    const struct instance_side *side = finding_side(table);
    struct instance_call call;

    if (!is_available(table) || !can_be_listed(table, side))
        return true;
    if (table->instance != NULL)
        instance_enter(&call, table->instance, CLOCK_NEVER);
    sluice_status st = look_through(table, side);
    if (table->instance != NULL)
        instance_leave(&call, st);
    return st != SLUICE_OK || table->may_have_addresses;
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
