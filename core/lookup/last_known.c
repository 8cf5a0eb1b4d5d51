/* SPDX-License-Identifier: ISC */
/*
 * last_known: see last_known.h. What waits to be written is here; the file is known_file.c's, what is in it
 * known_records.c's. Times are of the wall clock, since they outlive a restart of the machine.
 */
#include "lookup/last_known.h"

#include "base/hash.h"
#include "base/span.h"
#include "lookup/known_records.h"
#include "task/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Returns LMDB's. */
static int read_record(const struct last_known *known, MDB_txn *txn, struct sluice_span key,
                       struct known_record *ret_record)
{
    return known->is_void || known->is_emptying
               ? MDB_NOTFOUND
               : known_records_find(&known->file, txn, key, ret_record);
}

static sluice_status judge(const struct last_known *known, const struct known_record *record,
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
    struct known_record record;
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

static struct known_record record_of(const struct item *item)
{
    return (struct known_record){
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

    struct known_record record = record_of(item);
    return judge(known, &record, wall_ms, value);
}

/* ---- putting --------------------------------------------------------------------------------- */

static bool is_as_good(const struct last_known *known, const struct known_record *record,
                       const struct known_record *fresh)
{
    int64_t age_ms = fresh->wall_ms - record->wall_ms;

    return record->status == fresh->status && age_ms >= 0 &&
           age_ms < known->limits.age_ms / REFRESH_PART && span_equal(record->value, fresh->value);
}

/* The file says the same. */
static bool is_in_file(struct last_known *known, struct sluice_span key, const struct known_record *fresh)
{
    struct known_look look;
    struct known_record record;
    int rc = known_file_look(&known->file, MDB_RDONLY, &look);

    if (rc == 0)
        rc = read_record(known, look.txn, key, &record);
    bool is_same = rc == 0 && is_as_good(known, &record, fresh);
    known_file_look_away(&known->file, &look, rc);
    return is_same;
}

/* What is known says the same already, and not long ago: most answers do. */
static bool is_known(struct last_known *known, struct sluice_span key, const struct known_record *fresh)
{
    const struct item *item = find_item(known, key);

    if (item == NULL)
        return is_in_file(known, key, fresh);

    struct known_record record = record_of(item);
    return is_as_good(known, &record, fresh);
}

static size_t cost(const struct item *item)
{
    return sizeof(*item) + item->key_len + item->value_len;
}

static void drop_waiting(struct last_known *known, struct item *item)
{
    known->waiting_bytes[known_kind_of(item->status)] -= cost(item);
    HASH_DEL(known->waiting, item);
    free(item);
}

static struct item *item_new(struct sluice_span key, const struct known_record *record)
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
    size_t *waiting_bytes = &known->waiting_bytes[known_kind_of(item->status)];
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
    const struct known_record fresh = {
        .status = status,
        .wall_ms = wall_ms,
        .value = status == SLUICE_OK ? value : SPAN_EMPTY,
    };

    if (key.len > KNOWN_KEY_MAX || is_known(known, key, &fresh))
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

void last_known_measure(struct last_known *known, struct last_known_size *ret_size)
{
    struct known_look look;
    int rc = known_file_look(&known->file, MDB_RDONLY, &look);

    *ret_size = (struct last_known_size){0};
    if (rc == 0)
        known_records_measure(&known->file, look.txn, ret_size);
    known_file_look_away(&known->file, &look, rc);
}

static int write_all(const struct last_known *known, MDB_txn *txn, int64_t wall_ms)
{
    int64_t too_old_ms = wall_ms - known->limits.age_ms;
    int rc = known->is_emptying ? known_records_remove_all(&known->file, txn) : 0;

    for (const struct item *item = known->writing; rc == 0 && item != NULL; item = item->hh.next) {
        struct sluice_span key = {.ptr = item->bytes, .len = item->key_len};
        struct known_record record = record_of(item);

        rc = known_records_put(&known->file, txn, key, &record);
    }
    for (enum known_kind kind = 0; rc == 0 && kind < KNOWN_KINDS; kind++)
        rc = known_records_trim(&known->file, txn, kind, known->bytes_max[kind], too_old_ms);
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
