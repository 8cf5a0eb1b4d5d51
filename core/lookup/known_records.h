/* SPDX-License-Identifier: ISC */
/*
 * known_records: the answers in the file of what is known (known_file.h), for last_known.c alone. All of it in a
 * transaction of a look at the file, on any thread. What an int says is LMDB's.
 */
#ifndef LOOKUP_KNOWN_RECORDS_H
#define LOOKUP_KNOWN_RECORDS_H

#include "lookup/known_file.h"
#include "lookup/last_known.h"

#define KNOWN_KEY_MAX ((size_t)500) /* LMDB's 511, less a time */

struct known_record {
    sluice_status status; /* OK, NOT_FOUND; TEMP: there is none */
    int64_t wall_ms;
    struct sluice_span value;
};

enum known_kind known_kind_of(sluice_status status);

/* The value is good until the end of the transaction. MDB_NOTFOUND: there is none. */
int known_records_find(const struct known_file *file, MDB_txn *txn, struct sluice_span key,
                       struct known_record *ret_record);
/* Instead of what is there for that key, of whatever kind. */
int known_records_put(const struct known_file *file, MDB_txn *txn, struct sluice_span key,
                      const struct known_record *record);
int known_records_remove_all(const struct known_file *file, MDB_txn *txn);
/* Removes the oldest of that kind, as long as it is too old or there is too much. */
int known_records_trim(const struct known_file *file, MDB_txn *txn, enum known_kind kind,
                       size_t bytes_max, int64_t too_old_ms);
/* Adds to size. */
void known_records_measure(const struct known_file *file, MDB_txn *txn,
                           struct last_known_size *size);

#endif
