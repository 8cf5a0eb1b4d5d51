/* SPDX-License-Identifier: ISC */
/* database: the messages of a store in a Berkeley DB environment with transactions. */
#include "database.h"

#include "../common/failure.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#define RECORDS "records.db"
#define CONTENTS "contents.db"

#define LOG_FILE_SIZE ((uint32_t)16 << 20)
#define CHECKPOINT_KB (32u << 10) /* of log between two checkpoints */
#define LOCKS_MAX 200000u         /* pages that one transaction may change */

/* In front of each record, little-endian: flags, 1 if large, size of the content. */
#define HEAD_SIZE 16

static sluice_status explain(const struct sluice_errors *errors, int error, const char *what)
{
    return failure(errors, SLUICE_TEMP, error == ENOSPC ? "4.3.1" : "4.3.0", "%s: %s", what,
                   db_strerror(error));
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_env(DB_ENV *env, const char *folder, uint64_t cache_size)
{
    int error = env->set_cachesize(env, (uint32_t)(cache_size >> 30),
                                   (uint32_t)(cache_size & ((1u << 30) - 1)), 1);

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
    error =
        tree->open(tree, NULL, name, NULL, DB_BTREE, DB_CREATE | DB_THREAD | DB_AUTO_COMMIT, 0600);
    if (error != 0) {
        (void)tree->close(tree, 0);
        return explain(errors, error, name);
    }
    *ret_tree = tree;
    return SLUICE_OK;
}

sluice_status database_open(struct database *database, const char *folder, uint64_t cache_size,
                            const struct sluice_errors *errors)
{
    sluice_status st;
    int error = db_env_create(&database->env, 0);

    if (error != 0)
        return explain(errors, error, "cannot make an environment");
    error = open_env(database->env, folder, cache_size);
    if (error != 0)
        return explain(errors, error, "cannot open the environment");
    st = open_tree(database, RECORDS, errors, &database->records);
    if (st == SLUICE_OK)
        st = open_tree(database, CONTENTS, errors, &database->contents);
    return st;
}

void database_close(struct database *database)
{
    if (database->records != NULL)
        (void)database->records->close(database->records, 0);
    if (database->contents != NULL)
        (void)database->contents->close(database->contents, 0);
    if (database->env != NULL)
        (void)database->env->close(database->env, 0); /* all that counts is in the log */
    *database = (struct database){0};
}

bool database_owns(const char *name)
{
    return strcmp(name, RECORDS) == 0 || strcmp(name, CONTENTS) == 0 ||
           strncmp(name, "__db.", 5) == 0 ||
           (strncmp(name, "log.", 4) == 0 && strspn(name + 4, "0123456789") == 10 &&
            name[14] == '\0');
}

/* ---- transactions --------------------------------------------------------------------------- */

sluice_status database_begin(struct database *database, const struct sluice_errors *errors)
{
    int error = database->env->txn_begin(database->env, NULL, &database->txn, 0);

    return error == 0 ? SLUICE_OK : explain(errors, error, "cannot begin a transaction");
}

sluice_status database_commit(struct database *database, const struct sluice_errors *errors)
{
    DB_TXN *txn = database->txn;
    int error = txn->commit(txn, DB_TXN_SYNC);

    database->txn = NULL;
    if (error != 0)
        return explain(errors, error, "cannot commit");
    /* Lets old log files go. If it fails, the next one has more to do. */
    (void)database->env->txn_checkpoint(database->env, CHECKPOINT_KB, 0, 0);
    return SLUICE_OK;
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
