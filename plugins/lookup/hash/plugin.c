/* SPDX-License-Identifier: ISC */
/*
 * plugin: what the hash plugin says about itself, and what its parts share.
 */
#include "hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

sluice_status hash_fail(const struct sluice_errors *errors, sluice_status status,
                        const char *format, ...)
{
    char text[HASH_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments); /* cut off if need be */
    va_end(arguments);
    errors->explain(errors, "4.3.0", text);
    return status;
}

/* The library's own lines name pages; its error number says enough. */
static void discard_line(const DB_ENV *env, const char *prefix, const char *line)
{
    (void)env;
    (void)prefix;
    (void)line;
}

int hash_db_new(DB **ret_db)
{
    DB *db;
    int error = db_create(&db, NULL, 0);

    if (error != 0)
        return error;
    db->set_errcall(db, discard_line);
    *ret_db = db;
    return 0;
}

DBT hash_dbt(const void *data, size_t len)
{
    DBT dbt;

    memset(&dbt, 0, sizeof(dbt));
    memcpy(&dbt.data, &data, sizeof(dbt.data));
    dbt.size = (u_int32_t)len;
    return dbt;
}

struct sluice_span hash_value(const DBT *data)
{
    struct sluice_span value = {data->data, data->size};
    const char *nul = data->size > 0 ? memchr(data->data, '\0', data->size) : NULL;

    if (nul != NULL)
        value.len = (size_t)(nul - value.ptr);
    return value;
}

static struct sluice_span stored_key(const DBT *key)
{
    struct sluice_span span = {key->data, key->size};

    if (span.len > 0 && span.ptr[span.len - 1] == '\0')
        span.len--;
    return span;
}

sluice_status hash_each(DB *db, const struct sluice_lookup_entry_sink *sink, int *ret_error)
{
    DBT key = hash_dbt(NULL, 0);
    DBT value = hash_dbt(NULL, 0);
    DBC *cursor;
    sluice_status status = SLUICE_OK;
    int error = db->cursor(db, NULL, &cursor, 0);

    *ret_error = error;
    if (error != 0)
        return SLUICE_TEMP;
    while (status == SLUICE_OK && (error = cursor->get(cursor, &key, &value, DB_NEXT)) == 0)
        status = sink->entry(sink, stored_key(&key), hash_value(&value));
    (void)cursor->close(cursor); /* only read through */
    if (status == SLUICE_OK && error != DB_NOTFOUND) {
        *ret_error = error;
        status = SLUICE_TEMP;
    }
    return status;
}

static const struct sluice_option options[] = {
    {"terminated", SLUICE_OPT_BOOLEAN, 0, "true", NULL,
     "Build tables with a NUL byte after each key and value, as Postfix does"},
};

static const struct sluice_lookup_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_LOOKUP_WRITABLE,
    .open = hash_open,
    .close = hash_close,
    .find = hash_find,
    .generation = hash_generation,
    .list = hash_list,
    .write_open = hash_write_open,
    .write_put = hash_write_put,
    .write_remove = hash_write_remove,
    .write_commit = hash_write_commit,
    .write_abort = hash_write_abort,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/hash",
    .version = "0.1.0",
    .license = "ISC AND Sleepycat",
    .summary = "Tables in Berkeley DB hash files, NAME.db, as made by postmap",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(options[0]),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
