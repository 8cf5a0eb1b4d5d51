/* SPDX-License-Identifier: ISC */
/*
 * known_file: the LMDB file of what is known of a table, for last_known.c and known_records.c alone: how it is
 * opened, and begun anew where it is damaged.
 *
 * Two databases for values: "answers" has for each key the time and the value, "ages" has time and key, so that
 * the oldest are found first; and the same two for misses, with times alone, so that each is trimmed by itself.
 * The schema is the one from before there were misses: that program's files are good, and it leaves what it
 * does not know alone.
 *
 * Order: known_file_open; looks, each ended; now and then known_file_mend, with no look under way;
 * known_file_close. What an int says is LMDB's, or an errno.
 */
#ifndef LOOKUP_KNOWN_FILE_H
#define LOOKUP_KNOWN_FILE_H

#include "base/log.h"
#include "lookup/damage.h"

#include <lmdb.h>
#include <stdatomic.h>
#include <stddef.h>

enum known_kind {
    KNOWN_VALUES,
    KNOWN_MISSES,
    KNOWN_KINDS,
};

/* All answers of one kind. */
struct known_shelf {
    MDB_dbi answers;
    MDB_dbi ages;
};

struct known_file {
    struct damage damage;
    size_t bytes_max; /* that are in use, about */
    MDB_env *env;     /* NULL: it cannot be opened */
    struct known_shelf shelves[KNOWN_KINDS];
    atomic_bool is_damaged;  /* who looked at it has found that: it is to be begun anew */
    atomic_bool is_outdated; /* it is good, but not as we have it open */
    struct complaint complaint;
};

/* A transaction, and what the thread looked at before. */
struct known_look {
    MDB_txn *txn; /* NULL: it could not be begun, or is committed */
    const char *before;
};

/* Where it is damaged, or a process has crashed on it, it is put aside, which the log says, and begun anew. The
 * struct is all zeroes before. In any case known_file_close is to be called. [main] */
int known_file_open(struct known_file *file, const char *path, size_t bytes_max);
void known_file_close(struct known_file *file);
/* Opens it again, or another one, if who looked at it has found that it must be. */
void known_file_mend(struct known_file *file);

/* All that looks at the file stands between these two, in any case; rc: how it went. flags: MDB_RDONLY, or 0
 * to write: at most one at a time. [any thread] */
int known_file_look(struct known_file *file, unsigned flags, struct known_look *look);
void known_file_look_away(struct known_file *file, struct known_look *look, int rc);

#endif
