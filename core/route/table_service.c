/* SPDX-License-Identifier: ISC */
#include "route/table_service.h"

#include "plugin/host.h"

static struct tables *provided;

static void explain(const struct sluice_errors *errors, const struct error *err)
{
    errors->explain(errors, err->dsn[0] != '\0' ? err->dsn : "4.3.0", err->text);
}

/* What is asked of which table. */
struct question {
    const char *table;
    struct sluice_span key;
    bool is_part; /* of what is looked for: not for tables of patterns */
    uint64_t flags;
    int64_t deadline_ms;
};

static sluice_status ask(const struct question *question, void *user,
                         void (*value)(void *user, struct sluice_span value),
                         const struct sluice_errors *errors)
{
    struct buffer found = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct table *table;
    sluice_status st = tables_get(provided, question->table, &table, &err);

    if (st == SLUICE_OK && question->is_part && table_has_patterns(table))
        st = SLUICE_NOT_FOUND;
    if (st == SLUICE_OK)
        st = table_find_for(table, question->key, question->flags, question->deadline_ms, &found,
                            &err);
    if (st == SLUICE_OK)
        value(user, buffer_span(&found));
    buffer_done(&found);
    if (st == SLUICE_OK || st == SLUICE_NOT_FOUND)
        return st;
    explain(errors, &err);
    return SLUICE_TEMP;
}

static sluice_status find(const struct sluice_host *host, const char *name, struct sluice_span key,
                          int64_t deadline_ms, void *user,
                          void (*value)(void *user, struct sluice_span value),
                          const struct sluice_errors *errors)
{
    const struct question question = {.table = name, .key = key, .deadline_ms = deadline_ms};

    (void)host;
    return ask(&question, user, value, errors);
}

static sluice_status find_part(const struct sluice_host *host, const char *name,
                               struct sluice_span key, int64_t deadline_ms, void *user,
                               void (*value)(void *user, struct sluice_span value),
                               const struct sluice_errors *errors)
{
    const struct question question = {
        .table = name, .key = key, .is_part = true, .deadline_ms = deadline_ms};

    (void)host;
    return ask(&question, user, value, errors);
}

static void to_sink(void *user, struct sluice_span value)
{
    const struct sluice_lookup_sink *const *sink = user;

    (*sink)->value(*sink, value);
}

static sluice_status find_for(const struct sluice_host *host, const char *name,
                              struct sluice_span key, int64_t deadline_ms,
                              const struct sluice_lookup_sink *sink,
                              const struct sluice_errors *errors)
{
    const struct question question = {
        .table = name,
        .key = key,
        .flags = sluice_sink_has(sink, SLUICE_SINK_NO_SUBSTITUTION) != 0
                     ? SLUICE_SINK_NO_SUBSTITUTION
                     : 0,
        .deadline_ms = deadline_ms,
    };

    (void)host;
    return ask(&question, &sink, to_sink, errors);
}

static sluice_status generation(const struct sluice_host *host, const char *name,
                                uint64_t *ret_generation)
{
    struct table *table;
    sluice_status st = tables_get(provided, name, &table, NULL);

    (void)host;
    return st == SLUICE_OK ? table_generation(table, ret_generation) : SLUICE_TEMP;
}

static const struct sluice_tables service = {
    .struct_size = sizeof(service),
    .find = find,
    .find_part = find_part,
    .find_for = find_for,
    .generation = generation,
};

void table_service_provide(struct tables *tables)
{
    provided = tables;
    host_provide_tables(tables != NULL ? &service : NULL);
}
