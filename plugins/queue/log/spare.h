/* SPDX-License-Identifier: ISC */
/*
 * spare: files that no segment needs any more, kept for the next ones.
 *
 * To overwrite blocks that were written before takes the disk half the time of writing to new ones,
 * and deleting a file takes it longer than many batches. So a useless segment becomes a spare; the
 * next segment is made of one, ahead of time, and waits under its name until a batch
 * needs it. What a spare holds means nothing: its frames begin with another salt than those of the segment
 * that it becomes.
 *
 * All of this with the store's lock.
 */
#ifndef SLUICE_LOG_SPARE_H
#define SLUICE_LOG_SPARE_H

#include "append.h"
#include "segment.h"

#define SPARES_MAX 3 /* hide the making of new ones; more would only take space */

struct spare {
    uint32_t number; /* of the segment that it was */
    bool is_usable;
};

struct spares {
    struct spare items[SPARES_MAX];
    size_t count;
};

struct sluice_queue;

/* Of the file of a segment that nobody needs: renames it, or deletes it where no more are wanted. False if
 * it still has its name. It may be used after spare_settle(): not before it is certain, for any power
 * cut, that the segment is gone. Lets go of the lock on the way. */
bool spare_retire(struct sluice_queue *queue, uint32_t number, uint64_t size);
/* The folder was synced after that. */
void spare_settle(struct sluice_queue *queue);

/* At the start: a spare that was found, and a segment file that was never begun. */
void spare_found(struct sluice_queue *queue, uint32_t number);
void spare_found_unused(struct sluice_queue *queue, uint32_t number);

/* Gives all of it back to the disk, also the segment that is ready. False if there was nothing. */
bool spare_release(struct sluice_queue *queue);

/* A file for the next segment, of at least size bytes: the one that is ready, or made of what there is,
 * in the last resort of what is kept back for that kind. */
sluice_status spare_take(struct sluice_queue *queue, uint64_t size, enum append_kind kind,
                         const struct sluice_errors *errors, struct segment_file *ret_file);

/* A step of maintain: makes one ready, and lets go of the lock meanwhile. */
sluice_status spare_prepare(struct sluice_queue *queue, const struct sluice_errors *errors);

#endif
