/* SPDX-License-Identifier: ISC */
/*
 * lmdb: tables in LMDB files, as Postfix's postmap writes and reads them: one file without a folder
 * and without the library's own locks, which the table's flock stands in for.
 *
 * The library maps the file. A copy cannot change; a file that is too large to be copied must not be
 * cut off in place while it is in use, which neither postmap nor our writer does.
 */
#include "file_table.h"

#include <lmdb.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_FLAGS (MDB_NOSUBDIR | MDB_NOLOCK)
#define BATCH_BYTES ((size_t)1024 * 1024) /* written in one transaction */
#define MAP_STEP ((size_t)16 * 1024 * 1024)

struct lmdb_table {
    MDB_env *env;
    MDB_txn *txn; /* NULL: none */
    MDB_dbi dbi;
    size_t batch_bytes; /* written since it began */
};

static const char no_memory[] = "out of memory";

static MDB_val val_of(struct sluice_span span)
{
    MDB_val val = {.mv_size = span.len};

    memcpy(&val.mv_data, &span.ptr, sizeof(val.mv_data)); /* the library does not say const */
    return val;
}

static struct sluice_span span_of(const MDB_val *val)
{
    return (struct sluice_span){val->mv_data, val->mv_size};
}

static sluice_status answer(int error, int miss, const char **ret_why)
{
    if (error == MDB_SUCCESS)
        return SLUICE_OK;
    if (error == miss)
        return SLUICE_NOT_FOUND;
    *ret_why = mdb_strerror(error);
    return SLUICE_TEMP;
}

static void close_file(void *data)
{
    struct lmdb_table *table = data;

    if (table == NULL)
        return;
    if (table->txn != NULL)
        mdb_txn_abort(table->txn);
    if (table->env != NULL)
        mdb_env_close(table->env);
    free(table);
}

static const char *open_env(const char *path, unsigned flags, struct lmdb_table **ret_table)
{
    struct lmdb_table *table = calloc(1, sizeof(*table));
    int error;

    if (table == NULL)
        return no_memory;
    error = mdb_env_create(&table->env);
    if (error == MDB_SUCCESS)
        error = mdb_env_open(table->env, path, ENV_FLAGS | flags, 0600);
    if (error != MDB_SUCCESS) {
        close_file(table);
        return mdb_strerror(error);
    }
    *ret_table = table;
    return NULL;
}

/* How much of the file the library uses. */
static size_t used_bytes(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(env, &info) != MDB_SUCCESS || mdb_env_stat(env, &stat) != MDB_SUCCESS)
        return SIZE_MAX;
    return (info.me_last_pgno + 1) * stat.ms_psize;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A file of another version, or of something else, is the library's to refuse; one that is cut off
 * it would not notice. */
static const char *open_file(const struct file_source *source, void **ret_data)
{
    struct lmdb_table *table;
    const char *wrong;
    int error;

    if (source->size == 0)
        return "the file is empty";
    wrong = open_env(source->path, MDB_RDONLY, &table);
    if (wrong != NULL)
        return wrong;
    if (used_bytes(table->env) > source->size) {
        close_file(table);
        return "the file is cut off";
    }
    error = mdb_txn_begin(table->env, NULL, MDB_RDONLY, &table->txn);
    if (error == MDB_SUCCESS)
        error = mdb_dbi_open(table->txn, NULL, 0, &table->dbi);
    if (error != MDB_SUCCESS) {
        close_file(table);
        return mdb_strerror(error);
    }
    *ret_data = table;
    return NULL;
}

/* Of an empty key, or one that is too long for any table, the library says that it is bad. */
static sluice_status get(void *data, struct sluice_span key, struct sluice_span *ret_value,
                         const char **ret_why)
{
    struct lmdb_table *table = data;
    MDB_val asked = val_of(key);
    MDB_val value;
    int error;

    if (key.len == 0 || key.len > (size_t)mdb_env_get_maxkeysize(table->env))
        return SLUICE_NOT_FOUND;
    error = mdb_get(table->txn, table->dbi, &asked, &value);
    if (error == MDB_SUCCESS)
        *ret_value = span_of(&value);
    return answer(error, MDB_NOTFOUND, ret_why);
}

static sluice_status each(void *data, const struct sluice_lookup_entry_sink *sink,
                          const char **ret_why)
{
    struct lmdb_table *table = data;
    MDB_cursor *cursor;
    MDB_val key, value;
    sluice_status status = SLUICE_OK;
    int error = mdb_cursor_open(table->txn, table->dbi, &cursor);

    if (error != MDB_SUCCESS)
        return answer(error, MDB_SUCCESS, ret_why);
    while (status == SLUICE_OK &&
           (error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
        status = sink->entry(sink, span_of(&key), span_of(&value));
    mdb_cursor_close(cursor);
    if (error != MDB_SUCCESS && error != MDB_NOTFOUND)
        return answer(error, MDB_SUCCESS, ret_why);
    return status;
}

/* ---- building -------------------------------------------------------------------------------- */

/* One transaction may copy each page that it touches, beside what it adds. */
static int begin_batch(struct lmdb_table *table)
{
    int error = mdb_env_set_mapsize(table->env, 4 * used_bytes(table->env) + MAP_STEP);

    table->batch_bytes = 0;
    if (error == MDB_SUCCESS)
        error = mdb_txn_begin(table->env, NULL, 0, &table->txn);
    if (error == MDB_SUCCESS)
        error = mdb_dbi_open(table->txn, NULL, 0, &table->dbi);
    return error;
}

static int commit_batch(struct lmdb_table *table)
{
    MDB_txn *txn = table->txn;

    table->txn = NULL; /* gone, whatever comes of it */
    return txn != NULL ? mdb_txn_commit(txn) : MDB_BAD_TXN;
}

/* Makes room in the batch for that many bytes more. */
static int continue_batch(struct lmdb_table *table, size_t bytes)
{
    int error = MDB_SUCCESS;

    if (table->batch_bytes + bytes > BATCH_BYTES)
        error = commit_batch(table);
    if (error == MDB_SUCCESS && table->txn == NULL)
        error = begin_batch(table);
    table->batch_bytes += bytes;
    return error;
}

/* The file is nobody else's yet, and synced as a whole at the end. */
static const char *create(const char *path, int fd, void **ret_data)
{
    struct lmdb_table *table;
    const char *wrong = open_env(path, MDB_NOSYNC, &table);
    int error;

    (void)fd;
    if (wrong != NULL)
        return wrong;
    error = begin_batch(table);
    if (error != MDB_SUCCESS) {
        close_file(table);
        return mdb_strerror(error);
    }
    *ret_data = table;
    return NULL;
}

static sluice_status put(void *data, struct sluice_span key, struct sluice_span value, int replace,
                         const char **ret_why)
{
    struct lmdb_table *table = data;
    MDB_val stored_key = val_of(key);
    MDB_val stored_value = val_of(value);
    int error;

    if (key.len == 0 || key.len > (size_t)mdb_env_get_maxkeysize(table->env)) {
        *ret_why = "a key is too long for this sort of table";
        return SLUICE_TEMP;
    }
    error = continue_batch(table, key.len + value.len);
    if (error == MDB_SUCCESS)
        error = mdb_put(table->txn, table->dbi, &stored_key, &stored_value,
                        replace ? 0 : MDB_NOOVERWRITE);
    return answer(error, MDB_KEYEXIST, ret_why);
}

static sluice_status remove_key(void *data, struct sluice_span key, const char **ret_why)
{
    struct lmdb_table *table = data;
    MDB_val stored_key = val_of(key);
    int error;

    if (key.len == 0 || key.len > (size_t)mdb_env_get_maxkeysize(table->env))
        return SLUICE_NOT_FOUND;
    error = continue_batch(table, key.len);
    if (error == MDB_SUCCESS)
        error = mdb_del(table->txn, table->dbi, &stored_key, NULL);
    return answer(error, MDB_NOTFOUND, ret_why);
}

static const char *finish(void *data)
{
    struct lmdb_table *table = data;
    int error = commit_batch(table);

    close_file(table);
    return error == MDB_SUCCESS ? NULL : mdb_strerror(error);
}

static void discard(void *data)
{
    close_file(data);
}

const struct file_format file_format = {
    .suffix = ".lmdb",
    .open = open_file,
    .close = close_file,
    .get = get,
    .each = each,
    .create = create,
    .put = put,
    .remove = remove_key,
    .finish = finish,
    .discard = discard,
};

/* ---- descriptor ------------------------------------------------------------------------------ */

static const struct sluice_option options[] = {FILE_OPTION_TERMINATED};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_LOOKUP_ID) == 0 ? &file_table_ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "lookup/lmdb",
    .version = "0.1.0",
    .license = "ISC AND OLDAP-2.8",
    .summary = "Tables in LMDB files, NAME.lmdb, as made by postmap",
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
