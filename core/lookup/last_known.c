/* SPDX-License-Identifier: ISC */
/*
 * last_known: see last_known.h. What waits to be written is here, the file is known_file.c's. Times are of the wall
 * clock, since they outlive a restart of the machine.
 */
#include "lookup/last_known.h"

#include "base/hash.h"
#include "base/span.h"
#include "lookup/known_file.h"
#include "task/explain.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#define TIME_LEN ((size_t)8)
#define KEY_MAX ((size_t)500)                  /* LMDB's 511, less a time */
#define WAITING_MAX ((size_t)8 * 1024 * 1024)  /* bytes that wait to be written, for each kind */
#define MISSES_PART 4 /* misses may take this part of what values may, beside it */
#define REFRESH_PART 16 /* an answer that is the same is written again after this part of its age */

/* An answer that is not in the file yet. */
struct item {
    sluice_status status;
    int64_t wall_ms;
    size_t key_len;
    size_t value_len;
    UT_hash_handle hh;
    char bytes[]; /* key, value */
};

struct last_known {
    struct last_known_limits limits;
    struct known_file file;
    size_t bytes_max[KNOWN_KINDS];
    size_t waiting_bytes[KNOWN_KINDS];
    struct item *waiting;
    struct item *writing; /* a thread has it */
    bool is_under_way;    /* a write is */
    bool is_void;         /* what is in the file counts no more: the next write, */
    bool is_emptying;     /* or the one that is under way, empties it */
};

static enum known_kind kind_of(sluice_status status)
{
    return status == SLUICE_OK ? KNOWN_VALUES : KNOWN_MISSES;
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

sluice_status last_known_open(const char *path, const struct last_known_limits *limits,
                              struct last_known **ret_known, struct error *err)
{
    struct last_known *known = calloc(1, sizeof(*known));
    int rc = ENOMEM;

    if (known != NULL) {
        known->limits = *limits;
        known->bytes_max[KNOWN_VALUES] = limits->bytes_max;
        known->bytes_max[KNOWN_MISSES] = limits->bytes_max / MISSES_PART;
        rc = known_file_open(&known->file, path, 2 * limits->bytes_max);
    }
    if (rc != 0) {
        last_known_close(known);
        return error_set(err, SLUICE_TEMP, "cannot open %s: %s", path, mdb_strerror(rc));
    }
    *ret_known = known;
    return SLUICE_OK;
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
    known_file_close(&known->file);
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
    rc = mdb_get(txn, known->file.shelves[KNOWN_VALUES].answers, &at, &got);

    ret_record->status = SLUICE_OK;
    if (rc == MDB_NOTFOUND) {
        rc = mdb_get(txn, known->file.shelves[KNOWN_MISSES].answers, &at, &got);
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

static sluice_status find_in_file(struct last_known *known, struct sluice_span key, int64_t wall_ms,
                                  struct buffer *value)
{
    sluice_status st = SLUICE_TEMP;
    struct known_look look;
    struct record record;
    int rc = known_file_look(&known->file, MDB_RDONLY, &look);

    if (rc == 0)
        rc = read_record(known, look.txn, key, &record);
    if (rc == 0)
        st = judge(known, &record, wall_ms, value);
    known_file_look_away(&known->file, &look, rc);
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
    struct known_look look;
    struct record record;
    int rc = known_file_look(&known->file, MDB_RDONLY, &look);

    if (rc == 0)
        rc = read_record(known, look.txn, key, &record);
    bool is_same = rc == 0 && is_as_good(known, &record, fresh);
    known_file_look_away(&known->file, &look, rc);
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
    known->waiting_bytes[kind_of(item->status)] -= cost(item);
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

/* Instead of what waits for that key. Takes the item; false: it is not put. */
static bool put_item(struct last_known *known, struct item *item)
{
    size_t *waiting_bytes = &known->waiting_bytes[kind_of(item->status)];
    struct item *former = NULL;

    HASH_FIND(hh, known->waiting, item->bytes, item->key_len, former);
    if (*waiting_bytes + cost(item) <= WAITING_MAX) {
        if (former != NULL)
            drop_waiting(known, former);
        HASH_ADD_KEYPTR(hh, known->waiting, item->bytes, item->key_len, item);
    }
    if (!hash_has(item)) {
        free(item);
        return false;
    }
    *waiting_bytes += cost(item);
    return true;
}

bool last_known_put(struct last_known *known, struct sluice_span key, sluice_status status,
                    struct sluice_span value, int64_t wall_ms)
{
    const struct record fresh = {
        .status = status,
        .wall_ms = wall_ms,
        .value = status == SLUICE_OK ? value : SPAN_EMPTY,
    };

    if (key.len > KEY_MAX || is_known(known, key, &fresh))
        return true;

    struct item *item = item_new(key, &fresh);
    return item != NULL && put_item(known, item);
}

/* ---- writing --------------------------------------------------------------------------------- */

void last_known_forget_all(struct last_known *known)
{
    drop_items(&known->waiting);
    for (int i = 0; i < KNOWN_KINDS; i++)
        known->waiting_bytes[i] = 0;
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
    known_file_mend(&known->file);
    known->writing = known->waiting;
    known->waiting = NULL;
    for (int i = 0; i < KNOWN_KINDS; i++)
        known->waiting_bytes[i] = 0;
    return true;
}

void last_known_end_write(struct last_known *known)
{
    drop_items(&known->writing);
    known->is_emptying = false;
    known->is_under_way = false;
}

static int empty(const struct known_shelf *shelf, MDB_txn *txn)
{
    int rc = mdb_drop(txn, shelf->answers, 0);

    return rc == 0 ? mdb_drop(txn, shelf->ages, 0) : rc;
}

static int store(const struct known_shelf *shelf, MDB_txn *txn, const struct item *item)
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
static int forget(const struct known_shelf *shelf, MDB_txn *txn, struct sluice_span key)
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

    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++)
        rc = forget(&known->file.shelves[i], txn, key);
    if (rc != 0 || item->status == SLUICE_TEMP)
        return rc;
    return store(&known->file.shelves[kind_of(item->status)], txn, item);
}

static size_t size_of(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat stat;

    if (mdb_stat(txn, dbi, &stat) != 0)
        return 0;
    return (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
}

/* 0: there is none. */
static int64_t oldest_of(const struct known_shelf *shelf, MDB_txn *txn)
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

static void measure(const struct known_shelf *shelf, MDB_txn *txn, struct last_known_size *size)
{
    int64_t oldest_ms = oldest_of(shelf, txn);
    MDB_stat stat;

    if (mdb_stat(txn, shelf->answers, &stat) == 0)
        size->entries += stat.ms_entries;
    size->bytes += size_of(txn, shelf->answers) + size_of(txn, shelf->ages);
    if (oldest_ms != 0 && (size->oldest_ms == 0 || oldest_ms < size->oldest_ms))
        size->oldest_ms = oldest_ms;
}

void last_known_measure(struct last_known *known, struct last_known_size *ret_size)
{
    struct known_look look;
    int rc = known_file_look(&known->file, MDB_RDONLY, &look);

    *ret_size = (struct last_known_size){0};
    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++)
        measure(&known->file.shelves[i], look.txn, ret_size);
    known_file_look_away(&known->file, &look, rc);
}

/* The oldest, as long as it is too old or there is too much. */
static int trim(const struct known_shelf *shelf, MDB_txn *txn, size_t bytes_max, int64_t too_old_ms)
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
            size_of(txn, shelf->ages) + size_of(txn, shelf->answers) <= bytes_max)
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

static int write_all(const struct last_known *known, MDB_txn *txn, int64_t wall_ms)
{
    const struct known_shelf *shelves = known->file.shelves;
    int64_t too_old_ms = wall_ms - known->limits.age_ms;
    int rc = 0;

    for (int i = 0; rc == 0 && known->is_emptying && i < KNOWN_KINDS; i++)
        rc = empty(&shelves[i], txn);
    for (const struct item *item = known->writing; rc == 0 && item != NULL; item = item->hh.next)
        rc = write_item(known, txn, item);
    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++)
        rc = trim(&shelves[i], txn, known->bytes_max[i], too_old_ms);
    return rc;
}

sluice_status last_known_write(struct last_known *known, int64_t wall_ms, struct error *err)
{
    struct known_look look;
    int rc = known_file_look(&known->file, 0, &look);

    if (rc == 0)
        rc = write_all(known, look.txn, wall_ms);
    if (rc == 0) {
        rc = mdb_txn_commit(look.txn);
        look.txn = NULL;
    }
    known_file_look_away(&known->file, &look, rc);
    if (rc != 0)
        return error_set(err, SLUICE_TEMP, "cannot write %s: %s", known->file.damage.path,
                         mdb_strerror(rc));
    return SLUICE_OK;
}
