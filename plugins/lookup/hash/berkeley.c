/* SPDX-License-Identifier: ISC */
/*
 * berkeley: tables in Berkeley DB files, as Postfix's postmap writes and reads them.
 */
#include "berkeley.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_EXPECTED 4096 /* Postfix's hint to the library */
#define READ_CACHE_BYTES (1024 * 1024) /* of pages, for each table that is no copy */
#define WRITE_CACHE_BYTES (16 * 1024 * 1024)

static const char no_memory[] = "out of memory";

/* The library's own lines name pages; its error number says enough. */
static void discard_line(const DB_ENV *env, const char *prefix, const char *line)
{
    (void)env;
    (void)prefix;
    (void)line;
}

static DB *handle_new(void)
{
    DB *db;

    if (db_create(&db, NULL, 0) != 0)
        return NULL;
    db->set_errcall(db, discard_line);
    return db;
}

/* A DBT does not say const, but the library keeps to it. */
static DBT dbt_of(struct sluice_span span)
{
    DBT dbt;

    memset(&dbt, 0, sizeof(dbt));
    memcpy(&dbt.data, &span.ptr, sizeof(dbt.data));
    dbt.size = (u_int32_t)span.len;
    return dbt;
}

static struct sluice_span span_of(const DBT *dbt)
{
    return (struct sluice_span){dbt->data, dbt->size};
}

static sluice_status answer(int error, int miss, const char **ret_why)
{
    if (error == 0)
        return SLUICE_OK;
    if (error == miss)
        return SLUICE_NOT_FOUND;
    *ret_why = db_strerror(error);
    return SLUICE_TEMP;
}

static void discard(void *data)
{
    DB *db = data;

    if (db != NULL)
        (void)db->close(db, DB_NOSYNC); /* only read, or given up */
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *open_file(const struct file_source *source, void **ret_data)
{
    /* A mapped file that its writer cuts off would end the process. */
    u_int32_t flags = source->is_copy ? DB_RDONLY : DB_RDONLY | DB_NOMMAP;
    const char *wrong = check_file(source->fd, source->size);
    DB *db;
    int error = 0;

    if (wrong != NULL)
        return wrong;
    db = handle_new();
    if (db == NULL)
        return no_memory;
    if (!source->is_copy)
        error = db->set_cachesize(db, 0, READ_CACHE_BYTES, 1);
    if (error == 0)
        error = db->open(db, NULL, source->path, NULL, berkeley_type, flags, 0);
    if (error != 0) {
        discard(db);
        return db_strerror(error);
    }
    *ret_data = db;
    return NULL;
}

static sluice_status get(void *data, struct sluice_span key, struct sluice_span *ret_value,
                         const char **ret_why)
{
    DB *db = data;
    DBT asked = dbt_of(key);
    DBT value = dbt_of((struct sluice_span){NULL, 0});
    int error = db->get(db, NULL, &asked, &value, 0);

    if (error == 0)
        *ret_value = span_of(&value);
    return answer(error, DB_NOTFOUND, ret_why);
}

static sluice_status each(void *data, const struct sluice_lookup_entry_sink *sink,
                          const char **ret_why)
{
    DB *db = data;
    DBT key = dbt_of((struct sluice_span){NULL, 0});
    DBT value = dbt_of((struct sluice_span){NULL, 0});
    DBC *cursor;
    sluice_status status = SLUICE_OK;
    int error = db->cursor(db, NULL, &cursor, 0);

    if (error != 0)
        return answer(error, 0, ret_why);
    while (status == SLUICE_OK && (error = cursor->get(cursor, &key, &value, DB_NEXT)) == 0)
        status = sink->entry(sink, span_of(&key), span_of(&value));
    (void)cursor->close(cursor); /* only read through */
    if (error != 0 && error != DB_NOTFOUND)
        return answer(error, 0, ret_why);
    return status;
}

/* ---- building -------------------------------------------------------------------------------- */

/* The library takes an empty file for a new one. */
static const char *create(const char *path, int fd, void **ret_data)
{
    DB *db = handle_new();
    int error = 0;

    (void)fd;
    if (db == NULL)
        return no_memory;
    if (berkeley_type == DB_HASH)
        error = db->set_h_nelem(db, ENTRIES_EXPECTED);
    if (error == 0)
        error = db->set_cachesize(db, 0, WRITE_CACHE_BYTES, 1);
    if (error == 0)
        error = db->open(db, NULL, path, NULL, berkeley_type, DB_CREATE, 0);
    if (error != 0) {
        discard(db);
        return db_strerror(error);
    }
    *ret_data = db;
    return NULL;
}

static sluice_status put(void *data, struct sluice_span key, struct sluice_span value, int replace,
                         const char **ret_why)
{
    DB *db = data;
    DBT stored_key = dbt_of(key);
    DBT stored_value = dbt_of(value);

    return answer(db->put(db, NULL, &stored_key, &stored_value, replace ? 0 : DB_NOOVERWRITE),
                  DB_KEYEXIST, ret_why);
}

static sluice_status remove_key(void *data, struct sluice_span key, const char **ret_why)
{
    DB *db = data;
    DBT stored_key = dbt_of(key);

    return answer(db->del(db, NULL, &stored_key, 0), DB_NOTFOUND, ret_why);
}

static const char *finish(void *data)
{
    DB *db = data;
    int error = db->close(db, 0);

    return error == 0 ? NULL : db_strerror(error);
}

const struct file_format file_format = {
    .suffix = ".db",
    .open = open_file,
    .close = discard,
    .get = get,
    .each = each,
    .create = create,
    .put = put,
    .remove = remove_key,
    .finish = finish,
    .discard = discard,
};

