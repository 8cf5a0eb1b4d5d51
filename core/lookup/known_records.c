/* SPDX-License-Identifier: ISC */
/* known_records: see known_records.h. */
#include "lookup/known_records.h"

#include <string.h>

#define TIME_LEN ((size_t)8)

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

enum known_kind known_kind_of(sluice_status status)
{
    return status == SLUICE_OK ? KNOWN_VALUES : KNOWN_MISSES;
}

/* ---- one record ------------------------------------------------------------------------------ */

int known_records_find(const struct known_file *file, MDB_txn *txn, struct sluice_span key,
                       struct known_record *ret_record)
{
    MDB_val at = val(key.ptr, key.len);
    MDB_val got;
    int rc = mdb_get(txn, file->shelves[KNOWN_VALUES].answers, &at, &got);

    ret_record->status = SLUICE_OK;
    if (rc == MDB_NOTFOUND) {
        rc = mdb_get(txn, file->shelves[KNOWN_MISSES].answers, &at, &got);
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

static int store(const struct known_shelf *shelf, MDB_txn *txn, struct sluice_span key,
                 const struct known_record *record)
{
    char age[TIME_LEN + KNOWN_KEY_MAX];
    MDB_val by_key = val(key.ptr, key.len);
    MDB_val by_age = val(age, TIME_LEN + key.len);
    MDB_val nothing = val("", 0);
    MDB_val place = {.mv_size = TIME_LEN + record->value.len};

    put_time(age, record->wall_ms);
    memcpy(age + TIME_LEN, key.ptr, key.len);
    int rc = mdb_put(txn, shelf->ages, &by_age, &nothing, 0);
    if (rc == 0)
        rc = mdb_put(txn, shelf->answers, &by_key, &place, MDB_RESERVE);
    if (rc != 0)
        return rc;
    memcpy(place.mv_data, age, TIME_LEN);
    if (record->value.len > 0)
        memcpy((char *)place.mv_data + TIME_LEN, record->value.ptr, record->value.len);
    return 0;
}

/* Of one key; nothing if it is not there. */
static int forget(const struct known_shelf *shelf, MDB_txn *txn, struct sluice_span key)
{
    char age[TIME_LEN + KNOWN_KEY_MAX];
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

int known_records_put(const struct known_file *file, MDB_txn *txn, struct sluice_span key,
                      const struct known_record *record)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++)
        rc = forget(&file->shelves[i], txn, key);
    if (rc != 0 || record->status == SLUICE_TEMP)
        return rc;
    return store(&file->shelves[known_kind_of(record->status)], txn, key, record);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int known_records_remove_all(const struct known_file *file, MDB_txn *txn)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < KNOWN_KINDS; i++) {
        rc = mdb_drop(txn, file->shelves[i].answers, 0);
        if (rc == 0)
            rc = mdb_drop(txn, file->shelves[i].ages, 0);
    }
    return rc;
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

void known_records_measure(const struct known_file *file, MDB_txn *txn,
                           struct last_known_size *size)
{
    for (int i = 0; i < KNOWN_KINDS; i++)
        measure(&file->shelves[i], txn, size);
}

int known_records_trim(const struct known_file *file, MDB_txn *txn, enum known_kind kind,
                       size_t bytes_max, int64_t too_old_ms)
{
    const struct known_shelf *shelf = &file->shelves[kind];
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
