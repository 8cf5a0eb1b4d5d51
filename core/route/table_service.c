/* SPDX-License-Identifier: ISC */
#include "route/table_service.h"

#include "plugin/host.h"

static struct tables *provided;

static void explain(const struct sluice_errors *errors, const struct error *err)
{
    errors->explain(errors, err->dsn[0] != '\0' ? err->dsn : "4.3.0", err->text);
}

static sluice_status ask(const char *name, struct sluice_span key, bool is_part,
                         int64_t deadline_ms, void *user,
                         void (*value)(void *user, struct sluice_span value),
                         const struct sluice_errors *errors)
{
    struct buffer found = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct table *table;
    sluice_status st = tables_get(provided, name, &table, &err);

    if (st == SLUICE_OK && is_part && table_has_patterns(table))
        st = SLUICE_NOT_FOUND;
    if (st == SLUICE_OK)
        st = table_find(table, key, deadline_ms, &found, &err);
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
    (void)host;
    return ask(name, key, false, deadline_ms, user, value, errors);
}

static sluice_status find_part(const struct sluice_host *host, const char *name,
                               struct sluice_span key, int64_t deadline_ms, void *user,
                               void (*value)(void *user, struct sluice_span value),
                               const struct sluice_errors *errors)
{
    (void)host;
    return ask(name, key, true, deadline_ms, user, value, errors);
}

static const struct sluice_tables service = {
    .struct_size = sizeof(service),
    .find = find,
    .find_part = find_part,
};

void table_service_provide(struct tables *tables)
{
    provided = tables;
    host_provide_tables(tables != NULL ? &service : NULL);
}
