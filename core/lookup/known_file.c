/* SPDX-License-Identifier: ISC */
/*
 * known_file: see known_file.h.
 */
#include "lookup/known_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMA_KEY "sluice last known"
#define SCHEMA "1" /* of the databases */
#define MAP_RESERVE ((size_t)64 * 1024 * 1024) /* for pages that a batch replaces */

#define DAMAGED_INSIDE "it is damaged inside"

/* ---- opening --------------------------------------------------------------------------------- */

static MDB_val text_val(const char *text)
{
    return (MDB_val){.mv_data = (void *)(uintptr_t)text, .mv_size = strlen(text)};
}

/* MDB_INVALID: it is somebody else's. */
static int check_schema(MDB_txn *txn)
{
    MDB_val key = text_val(SCHEMA_KEY);
    MDB_val value = text_val(SCHEMA);
    MDB_val got;
    MDB_stat stat;
    MDB_dbi root;
    int rc = mdb_dbi_open(txn, NULL, 0, &root);

    if (rc == 0)
        rc = mdb_stat(txn, root, &stat);
    if (rc == 0 && stat.ms_entries == 0)
        return mdb_put(txn, root, &key, &value, 0);
    if (rc == 0)
        rc = mdb_get(txn, root, &key, &got);
    if (rc == 0 && (got.mv_size != value.mv_size || memcmp(got.mv_data, SCHEMA, got.mv_size) != 0))
        rc = MDB_INVALID;
    return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
}

static int open_databases(struct known_file *file)
{
    static const struct {
        const char *answers;
        const char *ages;
    } names[KNOWN_KINDS] = {
        [KNOWN_VALUES] = {"answers", "ages"},
        [KNOWN_MISSES] = {"misses", "miss ages"},
    };
    MDB_txn *txn;
    int rc = mdb_txn_begin(file->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    rc = check_schema(txn);
    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++) {
        rc = mdb_dbi_open(txn, names[i].answers, MDB_CREATE, &file->shelves[i].answers);
        if (rc == 0)
            rc = mdb_dbi_open(txn, names[i].ages, MDB_CREATE, &file->shelves[i].ages);
    }
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* A file that ends before its last page would kill who reads that. One that was made with larger limits needs
 * room to become smaller, too. */
static int check_length(const struct known_file *file)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat status;
    int fd;
    int rc = mdb_env_info(file->env, &info);

    if (rc == 0)
        rc = mdb_env_stat(file->env, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(file->env, &fd);
    if (rc != 0 || fstat(fd, &status) != 0)
        return rc != 0 ? rc : errno;

    uint64_t used = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
    if ((uint64_t)status.st_size < used)
        return MDB_CORRUPTED;
    return info.me_mapsize < used + MAP_RESERVE
               ? mdb_env_set_mapsize(file->env, (size_t)used + MAP_RESERVE)
               : 0;
}

static int open_file(struct known_file *file)
{
    int rc = mdb_env_create(&file->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(file->env, 2 * KNOWN_KINDS);
    if (rc == 0)
        rc = mdb_env_set_mapsize(file->env, file->bytes_max + MAP_RESERVE);
    if (rc == 0)
        rc = mdb_env_open(file->env, file->damage.path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD,
                          0600);
    if (rc == 0)
        rc = check_length(file);
    if (rc == 0)
        rc = mdb_reader_check(file->env, NULL); /* of processes that were killed */
    if (rc == 0)
        rc = open_databases(file);
    if (rc != 0) {
        mdb_env_close(file->env);
        file->env = NULL;
    }
    return rc;
}

/* Another process has made it larger than it is mapped here; or the last step of a write has failed, after
 * which LMDB wants to see it anew. */
static bool is_out_of_date(int rc)
{
    return rc == MDB_MAP_RESIZED || rc == MDB_PANIC;
}

/* All of LMDB's own errors that a sound file does not give. */
static bool is_damage(int rc)
{
    bool is_usual = rc == MDB_NOTFOUND || rc == MDB_MAP_FULL || rc == MDB_READERS_FULL ||
                    rc == MDB_TXN_FULL || is_out_of_date(rc);

    return rc >= MDB_KEYEXIST && rc <= MDB_LAST_ERRCODE && !is_usual;
}

/* ---- beginning anew -------------------------------------------------------------------------- */

static int put_aside(struct known_file *file, const char *why)
{
    const struct damage *damage = &file->damage;

    log_warning("%s: %s; put aside as %s, and begun anew", damage->path, why, damage->aside);
    file->is_damaged = false;
    return damage_put_aside(damage);
}

/* Another file instead of one that is damaged. */
static int open_sound(struct known_file *file)
{
    const char *before = damage_look(&file->damage);
    int rc = 0;

    if (damage_has_mark(&file->damage))
        rc = put_aside(file, "a process has crashed on it");
    else if (file->is_damaged)
        rc = put_aside(file, DAMAGED_INSIDE);
    if (rc == 0)
        rc = open_file(file);
    if (is_damage(rc)) {
        rc = put_aside(file, mdb_strerror(rc));
        if (rc == 0)
            rc = open_file(file);
    }
    damage_look_away(before);
    return rc;
}

int known_file_open(struct known_file *file, const char *path, size_t bytes_max)
{
    if (damage_init(&file->damage, path) != SLUICE_OK)
        return ENOMEM;
    file->bytes_max = bytes_max;
    return open_sound(file);
}

static void close_env(struct known_file *file)
{
    if (file->env != NULL)
        mdb_env_close(file->env);
    file->env = NULL;
}

void known_file_close(struct known_file *file)
{
    close_env(file);
    if (file->is_damaged)
        (void)put_aside(file, DAMAGED_INSIDE); /* or whoever opens it finds that out again */
    damage_done(&file->damage);
}

void known_file_mend(struct known_file *file)
{
    if (file->env != NULL && !file->is_damaged && !file->is_outdated)
        return;
    close_env(file);
    file->is_outdated = false;
    int rc = open_sound(file);
    if (rc != 0)
        complain(&file->complaint, LOG_LEVEL_WARNING, "%s: cannot be opened again: %s",
                 file->damage.path, mdb_strerror(rc));
    else
        complain_over(&file->complaint, "%s is open again", file->damage.path);
}

/* ---- looking --------------------------------------------------------------------------------- */

int known_file_look(struct known_file *file, unsigned flags, struct known_look *look)
{
    *look = (struct known_look){.before = damage_look(&file->damage)};
    return file->env != NULL ? mdb_txn_begin(file->env, NULL, flags, &look->txn) : ENOENT;
}

void known_file_look_away(struct known_file *file, struct known_look *look, int rc)
{
    mdb_txn_abort(look->txn);
    damage_look_away(look->before);
    if (is_damage(rc))
        file->is_damaged = true;
    if (is_out_of_date(rc))
        file->is_outdated = true;
}
