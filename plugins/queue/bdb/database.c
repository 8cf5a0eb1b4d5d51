/* SPDX-License-Identifier: ISC */
/* database: the messages of a store in a Berkeley DB environment with transactions. */
#include "database.h"
#include "disk.h"

#include "../common/failure.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDS "records.db"
#define CONTENTS "contents.db"

#define LOG_FILE_SIZE ((uint32_t)4 << 20)
#define CHECKPOINT_KB (32u << 10) /* of log between two checkpoints */
#define LOCKS_MAX                                                                                  \
    30000u /* pages that one transaction may change: a batch of 10000 small messages */

/* Pages that one call of compact may change: each is logged, on a disk that is almost full. */
#define COMPACT_PAGES 200u

/* In front of each record, little-endian: flags, 1 if large, size of the content. */
#define HEAD_SIZE 16

static sluice_status explain(const struct sluice_errors *errors, int error, const char *what)
{
    return failure(errors, SLUICE_TEMP, error == ENOSPC ? "4.3.1" : "4.3.0", "%s: %s", what,
                   db_strerror(error));
}

static bool is_log_name(const char *name)
{
    return strncmp(name, "log.", 4) == 0 && strspn(name + 4, "0123456789") == 10 &&
           name[14] == '\0';
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Berkeley DB says more than its error codes, and would say it to standard error. */
static void on_message(const DB_ENV *env, const char *prefix, const char *text)
{
    const struct database *database = env->app_private;

    (void)prefix;
    if (database->log != NULL)
        database->log->write(database->host, SLUICE_LOG_WARNING, text);
}

static void on_event(DB_ENV *env, uint32_t event, void *info)
{
    struct database *database = env->app_private;

    (void)info;
    if (event == DB_EVENT_PANIC)
        database->is_lost = true;
}

static int open_env(DB_ENV *env, const char *folder, uint64_t cache_size)
{
    int error = env->set_cachesize(env, (uint32_t)(cache_size >> 30),
                                   (uint32_t)(cache_size & ((1u << 30) - 1)), 1);

    env->set_errcall(env, on_message);
    if (error == 0)
        error = env->set_event_notify(env, on_event);
    if (error == 0)
        error = env->set_lg_max(env, LOG_FILE_SIZE);
    if (error == 0)
        error = env->set_lk_max_locks(env, LOCKS_MAX);
    if (error == 0)
        error = env->set_lk_max_objects(env, LOCKS_MAX);
    if (error == 0)
        error = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1);
    if (error == 0)
        error = env->open(env, folder,
                          DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL | DB_RECOVER |
                              DB_CREATE | DB_THREAD,
                          0600);
    return error;
}

static sluice_status open_tree(struct database *database, const char *name,
                               const struct sluice_errors *errors, DB **ret_tree)
{
    DB *tree;
    int error = db_create(&tree, database->env, 0);

    if (error != 0)
        return explain(errors, error, name);
    error = tree->set_flags(tree, DB_CHKSUM); /* a torn page is found, not taken for recovered */
    if (error == 0)
        error = tree->open(tree, NULL, name, NULL, DB_BTREE, DB_CREATE | DB_THREAD | DB_AUTO_COMMIT,
                           0600);
    if (error != 0) {
        (void)tree->close(tree, 0);
        return explain(errors, error, name);
    }
    *ret_tree = tree;
    return SLUICE_OK;
}

static bool is_data_name(const char *name)
{
    return is_log_name(name) || strcmp(name, RECORDS) == 0 || strcmp(name, CONTENTS) == 0;
}

static bool is_region_name(const char *name)
{
    return strncmp(name, "__db.", 5) == 0;
}

/*
 * Memory that Berkeley DB shares among processes is in files that it maps, and never syncs. Recovery
 * makes them anew, but looks into the old ones first; where a power cut has left one shorter than it
 * says of itself, that is SIGBUS, at each start. The store's lock is held: nobody else has them.
 *
 * What was written and not synced, by a process that was killed or because a sync failed. Recovery
 * syncs the pages that it makes of what it reads in the log, but not that; after a power cut they
 * would be ahead of it, and the database could not be opened.
 */
static sluice_status secure_leftovers(struct database *database, const struct sluice_errors *errors)
{
    unsigned failures = disk_failures();
    bool has_failed = failures != database->failures_mended;
    sluice_status st = disk_remove(database->folder, is_region_name, errors);

    if (st == SLUICE_OK)
        st = disk_write_again(database->folder, has_failed ? is_data_name : is_log_name, errors);
    if (st == SLUICE_OK)
        st = disk_sync_names(database->folder, errors);
    if (st == SLUICE_OK)
        database->failures_mended = failures;
    return st;
}

/* A tree that is ahead of the log could not be opened, so the log's name is synced before there are
 * trees. */
static sluice_status open_trees(struct database *database, const struct sluice_errors *errors)
{
    sluice_status st = disk_sync_names(database->folder, errors);

    if (st == SLUICE_OK)
        st = open_tree(database, RECORDS, errors, &database->records);
    if (st == SLUICE_OK)
        st = open_tree(database, CONTENTS, errors, &database->contents);
    if (st == SLUICE_OK)
        st = disk_sync_names(database->folder, errors);
    return st;
}

sluice_status database_open(struct database *database, const struct sluice_host *host,
                            const char *path, int folder, uint64_t cache_size,
                            const struct sluice_errors *errors)
{
    sluice_status st;
    int error = disk_take_over();

    if (error == 0)
        error = db_env_create(&database->env, 0);
    if (error != 0)
        return explain(errors, error, "cannot make an environment");
    database->host = host;
    database->log = host->get_service(host, SLUICE_LOG_ID);
    database->env->app_private = database;
    database->folder = folder;
    st = secure_leftovers(database, errors);
    if (st != SLUICE_OK)
        return st;
    error = open_env(database->env, path, cache_size);
    if (error == DB_RUNRECOVERY)
        return failure(errors, SLUICE_TEMP, "4.3.0",
                       "the database is damaged and cannot recover: the log says which page; "
                       "db_verify checks, db_dump -r saves what can be read");
    if (error != 0)
        return explain(errors, error, "cannot open the environment");
    return open_trees(database, errors);
}

bool database_is_lost(const struct database *database)
{
    return database->records == NULL || database->contents == NULL || database->is_lost ||
           database->failures_mended != disk_failures();
}

void database_close(struct database *database)
{
    if (database->records != NULL)
        (void)database->records->close(database->records, 0);
    if (database->contents != NULL)
        (void)database->contents->close(database->contents, 0);
    if (database->env != NULL)
        (void)database->env->close(database->env, 0); /* all that counts is in the log */
    *database = (struct database){.failures_mended = database->failures_mended};
}

bool database_owns(const char *name)
{
    return strcmp(name, RECORDS) == 0 || strcmp(name, CONTENTS) == 0 ||
           is_region_name(name) || is_log_name(name);
}

/* ---- transactions --------------------------------------------------------------------------- */

sluice_status database_begin(struct database *database, const struct sluice_errors *errors)
{
    int error = database->env->txn_begin(database->env, NULL, &database->txn, 0);

    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot begin a transaction");
}

static sluice_status sync_log_name(struct database *database, const struct sluice_errors *errors)
{
    DB_LOG_STAT *stat;
    int error = database->env->log_stat(database->env, &stat, 0);
    uint32_t file;

    if (error != 0)
        return explain(errors, error, "cannot look at the log");
    file = stat->st_cur_file;
    free(stat);
    if (file == database->log_file)
        return SLUICE_OK;
    database->log_file = file;
    return disk_sync_names(database->folder,
                           errors);
}

sluice_status database_commit(struct database *database, const struct sluice_errors *errors)
{
    DB_TXN *txn = database->txn;
    int error = txn->commit(txn, DB_TXN_SYNC);
    sluice_status st;

    database->txn = NULL;
    if (error != 0)
        return explain(errors, error, "cannot commit");
    st = sync_log_name(database, errors);
    if (st != SLUICE_OK)
        database->is_lost = true; /* it is there, and cannot be relied on: begin again */
    /* Lets old log files go. If it fails, the next one has more to do. */
    (void)database->env->txn_checkpoint(database->env, CHECKPOINT_KB, 0, 0);
    return st;
}

static void shrink_tree(DB *tree)
{
    DB_COMPACT limits = {.compact_pages = COMPACT_PAGES};

    /* Best effort: what does not go now goes at the next call. */
    (void)tree->compact(tree, NULL, NULL, NULL, &limits, DB_FREE_SPACE, NULL);
}

void database_shrink(struct database *database)
{
    shrink_tree(database->contents);
    shrink_tree(database->records);
}

void database_shrink_log(struct database *database)
{
    (void)database->env->txn_checkpoint(database->env, 0, 0, DB_FORCE);
}

void database_abort(struct database *database)
{
    (void)database->txn->abort(database->txn);
    database->txn = NULL;
}

/* ---- keys and values ------------------------------------------------------------------------ */

/* Big-endian, so that the tree is in the order of ids. */
static DBT key_of(uint64_t *big_endian_id)
{
    return (DBT){.data = big_endian_id,
                 .size = sizeof(*big_endian_id),
                 .ulen = sizeof(*big_endian_id),
                 .flags = DB_DBT_USERMEM};
}

static void format_head(char head[HEAD_SIZE], const struct stored *stored)
{
    uint32_t flags = htole32(stored->flags);
    uint32_t is_large = htole32(stored->is_large ? 1 : 0);
    uint64_t size = htole64(stored->content_size);

    memcpy(head, &flags, 4);
    memcpy(head + 4, &is_large, 4);
    memcpy(head + 8, &size, 8);
}

static bool parse_value(const DBT *value, struct stored *stored)
{
    const char *bytes = value->data;
    uint32_t flags;
    uint32_t is_large;
    uint64_t size;

    if (value->size < HEAD_SIZE)
        return false;
    memcpy(&flags, bytes, 4);
    memcpy(&is_large, bytes + 4, 4);
    memcpy(&size, bytes + 8, 8);
    stored->flags = le32toh(flags);
    stored->is_large = le32toh(is_large) == 1;
    stored->content_size = le64toh(size);
    stored->record = (struct sluice_span){bytes + HEAD_SIZE, value->size - HEAD_SIZE};
    return true;
}

/* ---- changes -------------------------------------------------------------------------------- */

sluice_status database_put(struct database *database, const struct stored *stored,
                           const struct sluice_errors *errors)
{
    uint64_t id = htobe64(stored->id);
    DBT key = key_of(&id);
    DBT value = {.size = (uint32_t)(HEAD_SIZE + stored->record.len)};
    char *bytes = malloc(value.size);
    int error;

    if (bytes == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory for a record");
    format_head(bytes, stored);
    if (stored->record.len > 0)
        memcpy(bytes + HEAD_SIZE, stored->record.ptr, stored->record.len);
    value.data = bytes;
    error = database->records->put(database->records, database->txn, &key, &value, 0);
    free(bytes);
    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot write a record");
}

sluice_status database_put_content(struct database *database, uint64_t id,
                                   struct sluice_span content, const struct sluice_errors *errors)
{
    uint64_t big_endian_id = htobe64(id);
    DBT key = key_of(&big_endian_id);
    DBT value = {.data = (void *)(uintptr_t)content.ptr, .size = (uint32_t)content.len};
    int error = database->contents->put(database->contents, database->txn, &key, &value, 0);

    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot write a content");
}

sluice_status database_remove(struct database *database, uint64_t id,
                              const struct sluice_errors *errors)
{
    uint64_t big_endian_id = htobe64(id);
    DBT key = key_of(&big_endian_id);
    int error = database->records->del(database->records, database->txn, &key, 0);

    if (error == 0)
        error = database->contents->del(database->contents, database->txn, &key, 0);
    if (error == DB_NOTFOUND) /* the content is a file, or empty */
        error = 0;
    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot remove a message");
}

/* ---- finding -------------------------------------------------------------------------------- */

static sluice_status get(const struct database *database, DB *tree, uint64_t id, DBT *value,
                         const struct sluice_errors *errors)
{
    uint64_t big_endian_id = htobe64(id);
    DBT key = key_of(&big_endian_id);
    int error;

    if (tree == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "the database is not open");
    value->flags = DB_DBT_MALLOC;
    error = tree->get(tree, database->txn, &key, value, 0);
    if (error == DB_NOTFOUND)
        return SLUICE_NOT_FOUND;
    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot read a message");
}

sluice_status database_find(const struct database *database, uint64_t id,
                            const struct sluice_errors *errors, struct stored *ret_stored)
{
    struct stored stored = {.id = id};
    DBT value = {0};
    sluice_status st = get(database, database->records, id, &value, errors);

    if (st != SLUICE_OK)
        return st;
    stored.bytes = value.data;
    if (!parse_value(&value, &stored)) {
        free(stored.bytes);
        return failure(errors, SLUICE_TEMP, "4.3.0", "message %016llX is damaged",
                       (unsigned long long)id);
    }
    *ret_stored = stored;
    return SLUICE_OK;
}

sluice_status database_find_content(const struct database *database, uint64_t id,
                                    const struct sluice_errors *errors, void **ret_bytes,
                                    size_t *ret_size)
{
    DBT value = {0};
    sluice_status st = get(database, database->contents, id, &value, errors);

    if (st != SLUICE_OK)
        return st;
    *ret_bytes = value.data;
    *ret_size = value.size;
    return SLUICE_OK;
}

static sluice_status visit_value(const DBT *key, const DBT *value,
                                 sluice_status (*visit)(void *user, const struct stored *stored),
                                 void *user, const struct sluice_errors *errors)
{
    struct stored stored = {0};
    uint64_t id;

    if (key->size != sizeof(id) || !parse_value(value, &stored)) {
        (void)failure(errors, SLUICE_TEMP, "4.3.0", "a message is damaged, it is left out");
        return SLUICE_OK;
    }
    memcpy(&id, key->data, sizeof(id));
    stored.id = be64toh(id);
    return visit(user, &stored);
}

sluice_status database_each(const struct database *database,
                            sluice_status (*visit)(void *user, const struct stored *stored),
                            void *user, const struct sluice_errors *errors)
{
    DBT key = {.flags = DB_DBT_REALLOC};
    DBT value = {.flags = DB_DBT_REALLOC};
    sluice_status st = SLUICE_OK;
    DBC *cursor;
    int error = database->records->cursor(database->records, NULL, &cursor, 0);

    if (error != 0)
        return explain(errors, error, "cannot list the messages");
    while (st == SLUICE_OK && (error = cursor->get(cursor, &key, &value, DB_NEXT)) == 0)
        st = visit_value(&key, &value, visit, user, errors);
    if (st == SLUICE_OK && error != DB_NOTFOUND)
        st = explain(errors, error, "cannot list the messages");
    (void)cursor->close(cursor);
    free(key.data);
    free(value.data);
    return st;
}
