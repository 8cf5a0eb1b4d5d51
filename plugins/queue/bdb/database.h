/* SPDX-License-Identifier: ISC */
/*
 * database: the messages of a store in a Berkeley DB environment with transactions.
 *
 * Two B-trees: records.db, from a message's id to its flags, the size of its content and its
 * record; contents.db, from the id to the content where that is not a file in large/.
 *
 * Order: open -> (begin -> (put | update | remove)* -> commit or abort | find | each)* -> close.
 * Only one thread may write, and nobody may read between begin and commit or abort: that is how
 * nothing here can ever deadlock. All results but OK and NOT_FOUND are explained.
 */
#ifndef SLUICE_BDB_DATABASE_H
#define SLUICE_BDB_DATABASE_H

#include <db.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "sluice/host.h"

struct database {
    const struct sluice_host *host;
    const struct sluice_log *log; /* or NULL */
    /* Berkeley DB has given up: nothing works until it is opened again. Any thread may find out. */
    atomic_bool is_lost;
    unsigned failures_mended; /* as disk_failures() was when all was last known to be on disk */
    uint32_t log_file; /* the number of the log file that was last known to have a durable name */
    int folder;
    DB_ENV *env;
    DB *records;
    DB *contents;
    DB_TXN *txn;
};

/* What records.db holds for a message. */
struct stored {
    uint64_t id;
    uint32_t flags;
    bool is_large;
    uint64_t content_size;
    struct sluice_span record;
    void *bytes; /* of the record, from malloc() */
};

/* path and folder are of the store's folder. Recovers from whatever happened before. The database stays where it is until close; after a
 * failure, too, it has to be closed. */
sluice_status database_open(struct database *database, const struct sluice_host *host,
                            const char *path, int folder, uint64_t cache_size,
                            const struct sluice_errors *errors);
/* Whether it has to be closed and opened again before anything else. */
bool database_is_lost(const struct database *database);
/* Accepts one that is half open, or closed. */
void database_close(struct database *database);

/* Whether a file in the store's folder is one of Berkeley DB's or ours. */
bool database_owns(const char *name);

sluice_status database_begin(struct database *database, const struct sluice_errors *errors);
/* Durable when it is OK. Also writes a checkpoint when there is enough log. */
sluice_status database_commit(struct database *database, const struct sluice_errors *errors);
void database_abort(struct database *database);

sluice_status database_put(struct database *database, const struct stored *stored,
                           const struct sluice_errors *errors);
sluice_status database_put_content(struct database *database, uint64_t id,
                                   struct sluice_span content, const struct sluice_errors *errors);
sluice_status database_remove(struct database *database, uint64_t id,
                              const struct sluice_errors *errors);

/* Gives the pages that removed messages left behind back to the disk, as far as it goes in short time.
 * Nobody may read meanwhile. */
void database_shrink(struct database *database);

/* Writes everything into the trees, so that no log is needed any more and its files go. */
void database_shrink_log(struct database *database);

/* The caller frees bytes. */
sluice_status database_find(const struct database *database, uint64_t id,
                            const struct sluice_errors *errors, struct stored *ret_stored);
sluice_status database_find_content(const struct database *database, uint64_t id,
                                    const struct sluice_errors *errors, void **ret_bytes,
                                    size_t *ret_size);

/* visit for each message, until one is not OK. The span of the record is borrowed for the call. */
sluice_status database_each(const struct database *database,
                            sluice_status (*visit)(void *user, const struct stored *stored),
                            void *user, const struct sluice_errors *errors);

#endif
