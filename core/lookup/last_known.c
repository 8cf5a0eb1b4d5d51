/* SPDX-License-Identifier: ISC */
/*
 * last_known: see last_known.h. An LMDB file with two databases for values: "answers" has for each key the time
 * and the value, "ages" has time and key, so that the oldest are found first; and the same two for misses, with
 * times alone, so that each is trimmed by itself. Times are of the wall clock, since they outlive a restart
 * of the machine. The schema is the one from before there were misses: that program's files are good, and it
 * leaves what it does not know alone.
 */
#include "lookup/last_known.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/span.h"
#include "lookup/damage.h"
#include "task/explain.h"

#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_KEY "sluice last known"
#define SCHEMA "1" /* of the databases */
#define TIME_LEN ((size_t)8)
#define KEY_MAX ((size_t)500)                  /* LMDB's 511, less a time */
#define WAITING_MAX ((size_t)8 * 1024 * 1024)  /* bytes that wait to be written, for each kind */
#define MISSES_PART 4 /* misses may take this part of what values may, beside it */
#define MAP_RESERVE ((size_t)64 * 1024 * 1024) /* for pages that a batch replaces */
#define REFRESH_PART 16 /* an answer that is the same is written again after this part of its age */

#define DAMAGED_INSIDE "it is damaged inside"

/* An answer that is not in the file yet. */
struct item {
    sluice_status status;
    int64_t wall_ms;
    size_t key_len;
    size_t value_len;
    UT_hash_handle hh;
    char bytes[]; /* key, value */
};

enum kind {
    VALUES,
    MISSES,
    KIND_COUNT,
};

/* All answers of one kind, with bounds that the other kind does not touch. */
struct shelf {
    MDB_dbi answers;
    MDB_dbi ages;
    size_t bytes_max;
    size_t waiting_bytes;
};

struct last_known {
    struct last_known_limits limits;
    struct damage damage;
    atomic_bool is_damaged; /* who looked at the file has found that */
    struct complaint complaint;
    MDB_env *env;           /* NULL: it cannot be opened */
    struct shelf shelves[KIND_COUNT];
    struct item *waiting;
    struct item *writing; /* a thread has it */
    bool is_under_way;    /* a write is */
    bool is_void;         /* what is in the file counts no more: the next write, */
    bool is_emptying;     /* or the one that is under way, empties it */
};

static enum kind kind_of(sluice_status status)
{
    return status == SLUICE_OK ? VALUES : MISSES;
}

static MDB_val val(const void *bytes, size_t len)
{
    return (MDB_val){.mv_data = (void *)(uintptr_t)bytes, .mv_size = len};
}

/* Big-endian: in the order of time. */
static void put_time(char *bytes, int64_t time_ms)
{
    for (size_t i = 0; i < TIME_LEN; i++)
        bytes[i] = (char)(unsigned char)((uint64_t)time_ms >> (8 * (TIME_LEN - 1 - i)));
}

static int64_t get_time(const MDB_val *from)
{
    const unsigned char *bytes = from->mv_data;
    uint64_t time_ms = 0;

    for (size_t i = 0; i < TIME_LEN; i++)
        time_ms = time_ms << 8 | bytes[i];
    return (int64_t)time_ms;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* MDB_INVALID: it is somebody else's. */
static int check_schema(MDB_txn *txn)
{
    MDB_val key = val(SCHEMA_KEY, strlen(SCHEMA_KEY));
    MDB_val value = val(SCHEMA, strlen(SCHEMA));
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

static int open_databases(struct last_known *known)
{
    static const struct {
        const char *answers;
        const char *ages;
    } names[KIND_COUNT] = {
        [VALUES] = {"answers", "ages"},
        [MISSES] = {"misses", "miss ages"},
    };
    MDB_txn *txn;
    int rc = mdb_txn_begin(known->env, NULL, 0, &txn);

    if (rc != 0)
        return rc;
    rc = check_schema(txn);
    for (int i = 0; rc == 0 && i < KIND_COUNT; i++) {
        rc = mdb_dbi_open(txn, names[i].answers, MDB_CREATE, &known->shelves[i].answers);
        if (rc == 0)
            rc = mdb_dbi_open(txn, names[i].ages, MDB_CREATE, &known->shelves[i].ages);
    }
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* A file that ends before its last page would kill who reads that. */
static int check_length(const struct last_known *known)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    int fd;
    int rc = mdb_env_info(known->env, &info);

    if (rc == 0)
        rc = mdb_env_stat(known->env, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(known->env, &fd);
    if (rc != 0 || fstat(fd, &file) != 0)
        return rc != 0 ? rc : errno;
    return (uint64_t)file.st_size >= (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize
               ? 0
               : MDB_CORRUPTED;
}

static int open_file(struct last_known *known)
{
    int rc = mdb_env_create(&known->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(known->env, 2 * KIND_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(known->env, 2 * known->limits.bytes_max + MAP_RESERVE);
    if (rc == 0)
        rc = mdb_env_open(known->env, known->damage.path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc == 0)
        rc = check_length(known);
    if (rc == 0)
        rc = mdb_reader_check(known->env, NULL); /* of processes that were killed */
    if (rc == 0)
        rc = open_databases(known);
    if (rc != 0) {
        mdb_env_close(known->env);
        known->env = NULL;
    }
    return rc;
}

/* All of LMDB's own errors that a sound file does not give. */
static bool is_of_no_use(int rc)
{
    bool is_usual = rc == MDB_NOTFOUND || rc == MDB_MAP_FULL || rc == MDB_MAP_RESIZED ||
                    rc == MDB_READERS_FULL || rc == MDB_TXN_FULL;

    return rc >= MDB_KEYEXIST && rc <= MDB_LAST_ERRCODE && !is_usual;
}

static int put_aside(struct last_known *known, const char *why)
{
    const struct damage *damage = &known->damage;

    log_warning("%s: %s; put aside as %s, and begun anew", damage->path, why, damage->aside);
    known->is_damaged = false;
    return damage_put_aside(damage);
}

/* Another file instead of one that is damaged. Returns LMDB's or an errno. */
static int open_sound(struct last_known *known)
{
    int rc = 0;

    if (damage_has_mark(&known->damage))
        rc = put_aside(known, "a process has crashed on it");
    else if (known->is_damaged)
        rc = put_aside(known, DAMAGED_INSIDE);
    if (rc == 0)
        rc = open_file(known);
    if (!is_of_no_use(rc))
        return rc;
    rc = put_aside(known, mdb_strerror(rc));
    return rc == 0 ? open_file(known) : rc;
}

/* All calls that look at the file are between begin_look and end_look. */
static const char *begin_look(const struct last_known *known)
{
    return damage_look(&known->damage);
}

static void end_look(struct last_known *known, const char *before, int rc)
{
    damage_look_away(before);
    if (is_of_no_use(rc))
        known->is_damaged = true;
}

sluice_status last_known_open(const char *path, const struct last_known_limits *limits,
                              struct last_known **ret_known, struct error *err)
{
    struct last_known *known = calloc(1, sizeof(*known));
    int rc = ENOMEM;

    if (known != NULL && damage_init(&known->damage, path) == SLUICE_OK) {
        const char *before = begin_look(known);
        known->limits = *limits;
        known->shelves[VALUES].bytes_max = limits->bytes_max;
        known->shelves[MISSES].bytes_max = limits->bytes_max / MISSES_PART;
        rc = open_sound(known);
        end_look(known, before, rc);
    }
    if (rc != 0) {
        last_known_close(known);
        return error_set(err, SLUICE_TEMP, "cannot open %s: %s", path, mdb_strerror(rc));
    }
    *ret_known = known;
    return SLUICE_OK;
}

/* With no transaction under way. */
static void heal(struct last_known *known)
{
    const char *before = begin_look(known);

    if (known->env != NULL)
        mdb_env_close(known->env);
    known->env = NULL;
    int rc = open_sound(known);
    end_look(known, before, rc);
    if (rc != 0)
        complain(&known->complaint, LOG_LEVEL_WARNING, "%s: cannot be begun anew: %s",
                 known->damage.path, mdb_strerror(rc));
}

static void drop_items(struct item **items)
{
    struct item *item;
    struct item *next;

    HASH_ITER(hh, *items, item, next)
    {
        HASH_DEL(*items, item);
        free(item);
    }
}

void last_known_close(struct last_known *known)
{
    if (known == NULL)
        return;
    drop_items(&known->waiting);
    drop_items(&known->writing);
    if (known->env != NULL)
        mdb_env_close(known->env);
    if (known->is_damaged)
        (void)put_aside(known, DAMAGED_INSIDE); /* or whoever opens it finds that out again */
    damage_done(&known->damage);
    free(known);
}

/* ---- finding --------------------------------------------------------------------------------- */

struct record {
    sluice_status status; /* OK, NOT_FOUND */
    int64_t wall_ms;
    struct sluice_span value;
};

/* In the transaction; the value is good until its end. Returns LMDB's. */
static int read_record(const struct last_known *known, MDB_txn *txn, struct sluice_span key,
                       struct record *ret_record)
{
    MDB_val at = val(key.ptr, key.len);
    MDB_val got;
    int rc;

    if (known->is_void || known->is_emptying)
        return MDB_NOTFOUND;
    rc = mdb_get(txn, known->shelves[VALUES].answers, &at, &got);

    ret_record->status = SLUICE_OK;
    if (rc == MDB_NOTFOUND) {
        rc = mdb_get(txn, known->shelves[MISSES].answers, &at, &got);
        ret_record->status = SLUICE_NOT_FOUND;
    }
    if (rc == 0 && (got.mv_size > TIME_LEN) != (ret_record->status == SLUICE_OK))
        rc = MDB_CORRUPTED;
    if (rc != 0)
        return rc;
    ret_record->wall_ms = get_time(&got);
    ret_record->value = (struct sluice_span){.ptr = (const char *)got.mv_data + TIME_LEN,
                                             .len = got.mv_size - TIME_LEN};
    return 0;
}

static sluice_status judge(const struct last_known *known, const struct record *record,
                           int64_t wall_ms, struct buffer *value)
{
    if (wall_ms - record->wall_ms >= known->limits.age_ms)
        return SLUICE_TEMP;
    explain_number("age", (wall_ms - record->wall_ms) / 1000);
    buffer_add_span(value, record->value);
    return buffer_failed(value) ? SLUICE_TEMP : record->status;
}

static int begin_txn(const struct last_known *known, unsigned flags, MDB_txn **ret_txn)
{
    return known->env != NULL ? mdb_txn_begin(known->env, NULL, flags, ret_txn) : ENOENT;
}

static sluice_status find_in_file(struct last_known *known, struct sluice_span key, int64_t wall_ms,
                                  struct buffer *value)
{
    const char *before = begin_look(known);
    sluice_status st = SLUICE_TEMP;
    struct record record;
    MDB_txn *txn = NULL;
    int rc = begin_txn(known, MDB_RDONLY, &txn);

    if (rc == 0)
        rc = read_record(known, txn, key, &record);
    if (rc == 0)
        st = judge(known, &record, wall_ms, value);
    mdb_txn_abort(txn);
    end_look(known, before, rc);
    return st;
}

static struct item *find_item(const struct last_known *known, struct sluice_span key)
{
    struct item *item = NULL;

    HASH_FIND(hh, known->waiting, key.ptr, key.len, item);
    if (item == NULL && !known->is_void)
        HASH_FIND(hh, known->writing, key.ptr, key.len, item);
    return item;
}

static struct record record_of(const struct item *item)
{
    return (struct record){
        .status = item->status,
        .wall_ms = item->wall_ms,
        .value = {.ptr = item->bytes + item->key_len, .len = item->value_len},
    };
}

sluice_status last_known_find(struct last_known *known, struct sluice_span key, int64_t wall_ms,
                              struct buffer *value)
{
    const struct item *item = find_item(known, key);

    if (item == NULL)
        return find_in_file(known, key, wall_ms, value);

    struct record record = record_of(item);
    return judge(known, &record, wall_ms, value);
}

/* ---- putting --------------------------------------------------------------------------------- */

static bool is_as_good(const struct last_known *known, const struct record *record,
                       const struct record *fresh)
{
    int64_t age_ms = fresh->wall_ms - record->wall_ms;

    return record->status == fresh->status && age_ms >= 0 &&
           age_ms < known->limits.age_ms / REFRESH_PART && span_equal(record->value, fresh->value);
}

/* The file says the same. */
static bool is_in_file(struct last_known *known, struct sluice_span key, const struct record *fresh)
{
    const char *before = begin_look(known);
    struct record record;
    MDB_txn *txn = NULL;
    int rc = begin_txn(known, MDB_RDONLY, &txn);

    if (rc == 0)
        rc = read_record(known, txn, key, &record);
    bool is_same = rc == 0 && is_as_good(known, &record, fresh);
    mdb_txn_abort(txn);
    end_look(known, before, rc);
    return is_same;
}

/* What is known says the same already, and not long ago: most answers do. */
static bool is_known(struct last_known *known, struct sluice_span key, const struct record *fresh)
{
    const struct item *item = find_item(known, key);

    if (item == NULL)
        return is_in_file(known, key, fresh);

    struct record record = record_of(item);
    return is_as_good(known, &record, fresh);
}

static size_t cost(const struct item *item)
{
    return sizeof(*item) + item->key_len + item->value_len;
}

static void drop_waiting(struct last_known *known, struct item *item)
{
    known->shelves[kind_of(item->status)].waiting_bytes -= cost(item);
    HASH_DEL(known->waiting, item);
    free(item);
}

static struct item *item_new(struct sluice_span key, const struct record *record)
{
    struct item *item = calloc(1, sizeof(*item) + key.len + record->value.len);

    if (item == NULL)
        return NULL;
    item->status = record->status;
    item->wall_ms = record->wall_ms;
    item->key_len = key.len;
    item->value_len = record->value.len;
    memcpy(item->bytes, key.ptr, key.len);
    if (record->value.len > 0)
        memcpy(item->bytes + key.len, record->value.ptr, record->value.len);
    return item;
}

void last_known_put(struct last_known *known, struct sluice_span key, sluice_status status,
                    struct sluice_span value, int64_t wall_ms)
{
    const struct record fresh = {
        .status = status,
        .wall_ms = wall_ms,
        .value = status == SLUICE_OK ? value : SPAN_EMPTY,
    };
    struct shelf *shelf = &known->shelves[kind_of(status)];
    struct item *item = NULL;

    if (key.len > KEY_MAX || is_known(known, key, &fresh))
        return;
    HASH_FIND(hh, known->waiting, key.ptr, key.len, item);
    if (item != NULL)
        drop_waiting(known, item);
    item = item_new(key, &fresh);
    if (item == NULL)
        return;
    if (shelf->waiting_bytes + cost(item) <= WAITING_MAX)
        HASH_ADD_KEYPTR(hh, known->waiting, item->bytes, item->key_len, item);
    if (hash_has(item))
        shelf->waiting_bytes += cost(item);
    else
        free(item);
}

/* ---- writing --------------------------------------------------------------------------------- */

void last_known_forget_all(struct last_known *known)
{
    drop_items(&known->waiting);
    for (int i = 0; i < KIND_COUNT; i++)
        known->shelves[i].waiting_bytes = 0;
    known->is_void = true;
}

bool last_known_has_waiting(const struct last_known *known)
{
    return known->waiting != NULL || known->is_void;
}

bool last_known_is_settled(const struct last_known *known)
{
    return !last_known_has_waiting(known) && !known->is_under_way;
}

bool last_known_begin_write(struct last_known *known)
{
    if (!last_known_has_waiting(known) || known->is_under_way)
        return false;
    known->is_under_way = true;
    known->is_emptying = known->is_void;
    known->is_void = false;
    if (known->is_damaged || known->env == NULL)
        heal(known);
    known->writing = known->waiting;
    known->waiting = NULL;
    for (int i = 0; i < KIND_COUNT; i++)
        known->shelves[i].waiting_bytes = 0;
    return true;
}

void last_known_end_write(struct last_known *known)
{
    drop_items(&known->writing);
    known->is_emptying = false;
    known->is_under_way = false;
}

static int empty(const struct shelf *shelf, MDB_txn *txn)
{
    int rc = mdb_drop(txn, shelf->answers, 0);

    return rc == 0 ? mdb_drop(txn, shelf->ages, 0) : rc;
}

static int store(const struct shelf *shelf, MDB_txn *txn, const struct item *item)
{
    char age[TIME_LEN + KEY_MAX];
    MDB_val by_key = val(item->bytes, item->key_len);
    MDB_val by_age = val(age, TIME_LEN + item->key_len);
    MDB_val nothing = val("", 0);
    MDB_val place = {.mv_size = TIME_LEN + item->value_len};

    put_time(age, item->wall_ms);
    memcpy(age + TIME_LEN, item->bytes, item->key_len);
    int rc = mdb_put(txn, shelf->ages, &by_age, &nothing, 0);
    if (rc == 0)
        rc = mdb_put(txn, shelf->answers, &by_key, &place, MDB_RESERVE);
    if (rc != 0)
        return rc;
    memcpy(place.mv_data, age, TIME_LEN);
    memcpy((char *)place.mv_data + TIME_LEN, item->bytes + item->key_len, item->value_len);
    return 0;
}

/* Of one key; nothing if it is not there. */
static int forget(const struct shelf *shelf, MDB_txn *txn, struct sluice_span key)
{
    char age[TIME_LEN + KEY_MAX];
    MDB_val by_key = val(key.ptr, key.len);
    MDB_val by_age = val(age, TIME_LEN + key.len);
    MDB_val got;
    int rc = mdb_get(txn, shelf->answers, &by_key, &got);

    if (rc == 0 && got.mv_size < TIME_LEN)
        rc = MDB_CORRUPTED;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    memcpy(age, got.mv_data, TIME_LEN);
    memcpy(age + TIME_LEN, key.ptr, key.len);
    rc = mdb_del(txn, shelf->ages, &by_age, NULL);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_del(txn, shelf->answers, &by_key, NULL);
    return rc;
}

/* Instead of what is there for that key, of whatever kind. */
static int write_item(const struct last_known *known, MDB_txn *txn, const struct item *item)
{
    struct sluice_span key = {.ptr = item->bytes, .len = item->key_len};
    int rc = 0;

    for (int i = 0; rc == 0 && i < KIND_COUNT; i++)
        rc = forget(&known->shelves[i], txn, key);
    if (rc != 0 || item->status == SLUICE_TEMP)
        return rc;
    return store(&known->shelves[kind_of(item->status)], txn, item);
}

static size_t size_of(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat stat;

    if (mdb_stat(txn, dbi, &stat) != 0)
        return 0;
    return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
}

/* 0: there is none. */
static int64_t oldest_of(const struct shelf *shelf, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val age;
    MDB_val nothing;
    int64_t oldest_ms = 0;

    if (mdb_cursor_open(txn, shelf->ages, &cursor) != 0)
        return 0;
    if (mdb_cursor_get(cursor, &age, &nothing, MDB_FIRST) == 0 && age.mv_size > TIME_LEN)
        oldest_ms = get_time(&age);
    mdb_cursor_close(cursor);
    return oldest_ms;
}

static void measure(const struct shelf *shelf, MDB_txn *txn, struct last_known_size *size)
{
    int64_t oldest_ms = oldest_of(shelf, txn);
    MDB_stat stat;

    if (mdb_stat(txn, shelf->answers, &stat) == 0)
        size->entries += stat.ms_entries;
    size->bytes += size_of(txn, shelf->answers) + size_of(txn, shelf->ages);
    if (oldest_ms != 0 && (size->oldest_ms == 0 || oldest_ms < size->oldest_ms))
        size->oldest_ms = oldest_ms;
}

void last_known_measure(const struct last_known *known, struct last_known_size *ret_size)
{
    const char *before = begin_look(known);
    MDB_txn *txn = NULL;
    int rc = begin_txn(known, MDB_RDONLY, &txn);

    *ret_size = (struct last_known_size){0};
    for (int i = 0; rc == 0 && i < KIND_COUNT; i++)
        measure(&known->shelves[i], txn, ret_size);
    mdb_txn_abort(txn);
    damage_look_away(before);
}

/* The oldest, as long as it is too old or there is too much. */
static int trim(const struct shelf *shelf, MDB_txn *txn, int64_t too_old_ms)
{
    MDB_cursor *cursor;
    MDB_val age;
    MDB_val key;
    MDB_val nothing;
    int rc = mdb_cursor_open(txn, shelf->ages, &cursor);

    if (rc != 0)
        return rc;
    while ((rc = mdb_cursor_get(cursor, &age, &nothing, MDB_FIRST)) == 0) {
        if (age.mv_size <= TIME_LEN) {
            rc = MDB_CORRUPTED;
            break;
        }
        if (get_time(&age) > too_old_ms &&
            size_of(txn, shelf->ages) + size_of(txn, shelf->answers) <= shelf->bytes_max)
            break;
        key = val((const char *)age.mv_data + TIME_LEN, age.mv_size - TIME_LEN);
        rc = mdb_del(txn, shelf->answers, &key, NULL);
        if (rc == 0 || rc == MDB_NOTFOUND)
            rc = mdb_cursor_del(cursor, 0);
        if (rc != 0)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

sluice_status last_known_write(struct last_known *known, int64_t wall_ms, struct error *err)
{
    const char *before = begin_look(known);
    MDB_txn *txn = NULL;
    const struct item *item;
    int rc = begin_txn(known, 0, &txn);

    if (rc == 0) {
        for (int i = 0; rc == 0 && known->is_emptying && i < KIND_COUNT; i++)
            rc = empty(&known->shelves[i], txn);
        for (item = known->writing; rc == 0 && item != NULL; item = item->hh.next)
            rc = write_item(known, txn, item);
        for (int i = 0; rc == 0 && i < KIND_COUNT; i++)
            rc = trim(&known->shelves[i], txn, wall_ms - known->limits.age_ms);
        if (rc == 0)
            rc = mdb_txn_commit(txn);
        else
            mdb_txn_abort(txn);
    }
    end_look(known, before, rc);
    if (rc != 0)
        return error_set(err, SLUICE_TEMP, "cannot write %s: %s", known->damage.path,
                         mdb_strerror(rc));
    return SLUICE_OK;
}
