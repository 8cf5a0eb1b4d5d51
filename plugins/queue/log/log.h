/* SPDX-License-Identifier: ISC */
/*
 * log: the default queue store. Segments written in order, one fdatasync for each batch; see
 * doc/log-store.md for what is on disk and why.
 *
 *   log.c      the plugin: open, close, stage, space
 *   start.c    takes up what is in the folder (head.c: headers; replay.c: one segment)
 *   apply.c    makes batches of changes; append.c: writes them
 *   maintain.c what is done beside them; compact.c: segments that hold little are emptied
 *   read.c     gives messages back
 *   ledger.c   what there is and where (index.c: by id); which segments are needed
 *   segment.c  segment files; spare.c: before and after their time; checkpoint.c: their short form
 *   format.c   their bytes; name.c: their names; window.c: reading them in pieces
 *
 * Threads: whoever changes anything here holds lock: apply all the time, maintain for moments. open,
 * scan and close are alone with it, the host's promise. Others read the ledger and the numbers for
 * space() under guard, which is taken to change those, too.
 */
#ifndef SLUICE_LOG_LOG_H
#define SLUICE_LOG_LOG_H

#include "../common/large.h"
#include "compact.h"
#include "ledger.h"
#include "head.h"
#include "segment.h"
#include "spare.h"

#include <pthread.h>
#include <stdatomic.h>

/* Contents up to this lie in segments, with one sync for many; longer ones in files of their own. */
#define LOG_CONTENT_MAX ((size_t)1 << 20)

/* Space that is kept back in a file of its own. */
struct kept {
    const char *name;
    uint64_t size;
    atomic_bool is_whole; /* changes under lock */
};

struct sluice_queue {
    int folder;
    int folder_lock;
    struct large large;
    pthread_mutex_t lock;
    pthread_mutex_t turn; /* whoever waits for the lock has it */
    pthread_rwlock_t guard;
    struct ledger ledger;

    uint64_t segment_size;
    struct kept reserve; /* for results */
    struct kept room;    /* for compaction: a segment, so that it can free others on a full disk */

    struct segment *current; /* where the next batch goes; NULL: a new segment is needed */
    int current_fd;
    struct segment_file ready; /* the next segment; fd is -1: there is none yet */
    struct spares spares;
    uint64_t spare_bytes; /* that these, and the segment that is ready, hold for messages */
    uint32_t last_number; /* of all segments so far, also of those that could not be made */
    uint64_t next;        /* sequence number of the next batch */
    uint64_t durable;     /* of the last batch that was written; those up to next are void */
    uint32_t void_number; /* the last segment that may hold void batches, 0: none does */

    bool is_examined;   /* log_examine(): nothing on the disk is changed */
    bool is_maintained; /* maintain has been called since a segment was begun */
    bool has_retired;   /* segments, and the folder is not yet synced */
    bool is_reaping;    /* somebody is at it, and lets go of the lock on the way */

    struct compaction compaction; /* maintain's, without the lock */

    uint8_t *buffer; /* a batch on its way to disk */
    size_t buffer_size;
};

/* The lock of whoever changes something. Taken in turn: a thread that applies one batch after the other
 * would else keep maintenance away from it for ever. */
void log_lock(struct sluice_queue *queue);
void log_unlock(struct sluice_queue *queue);

/* Makes whole what is kept back; false if the disk has no space for all of it. First the room of compaction,
 * which makes the rest. With the lock. */
bool log_keep_back(struct sluice_queue *queue);

/* start.c: takes up what is in the folder. */
sluice_status log_start(struct sluice_queue *queue, const struct sluice_errors *errors);

/* start.c: opens a store for nothing but log_read(), log_scan() and log_close(): the disk is left as it
 * is, checkpoints are not relied on, and what would keep log_start() from taking up the rest is explained
 * and left out. TEMP: the folder cannot be opened, or somebody else has the store open. */
sluice_status log_examine(const char *folder, const struct sluice_errors *errors,
                          struct sluice_queue **ret_queue);

/* log.c: a store without anything in it yet, its folder not opened; NULL: no memory. */
struct sluice_queue *log_new(void);
void log_close(struct sluice_queue *queue);

/* replay.c: enters a segment into the ledger. next is the segment after it, or NULL: its header says what
 * counts in this one. previous is the number of the one before, or 0. Damage is explained to
 * errors and does not end it; *ret_is_damaged says that there was some. */
sluice_status log_replay(struct sluice_queue *queue, const struct head *head,
                         const struct head *next, uint32_t previous,
                         const struct sluice_errors *errors, bool *ret_is_damaged);

/* apply.c */
sluice_status log_apply(struct sluice_queue *queue, const struct sluice_queue_change *changes,
                        size_t count, size_t change_size, const struct sluice_errors *errors);

/* maintain.c */
sluice_status log_maintain(struct sluice_queue *queue, int64_t budget_ms,
                           const struct sluice_errors *errors);
/* Deletes the segments that nobody needs; true if there were any. Called with the lock, which it lets
 * go of while it waits for the disk. */
bool log_reap(struct sluice_queue *queue);

/* read.c */
sluice_status log_read(struct sluice_queue *queue, uint64_t id,
                       const struct sluice_queue_sink *sink, const struct sluice_errors *errors);
sluice_status log_scan(struct sluice_queue *queue, const struct sluice_queue_sink *sink,
                       const struct sluice_errors *errors);
/* A message's entry as it is now; false: there is no such message. */
bool log_find_entry(struct sluice_queue *queue, uint64_t id, struct index_entry *ret_entry);
/* The record of an entry, in memory that the caller frees. NOT_FOUND: the message was changed or
 * removed meanwhile. */
sluice_status log_read_record(struct sluice_queue *queue, const struct index_entry *entry,
                              const struct sluice_errors *errors, uint8_t **ret_memory,
                              const uint8_t **ret_record);

#endif
