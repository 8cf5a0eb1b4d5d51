/* SPDX-License-Identifier: ISC */
/*
 * append: the end of the log, where batches go.
 *
 * Order: append_begin, then frames and their COMMIT into the store's buffer, then append_finish. All with
 * the store's lock.
 */
#ifndef SLUICE_LOG_APPEND_H
#define SLUICE_LOG_APPEND_H

#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

struct sluice_queue;

/* What a batch may use on a full disk. */
enum append_kind {
    APPEND_MAIL,    /* nothing that is kept back */
    APPEND_RESULTS, /* the reserve */
    APPEND_COPIES,  /* the room of compaction */
};

/* Room for a batch of count frames and size bytes with its COMMIT: in the current segment, in the
 * buffer and in the index. */
sluice_status append_begin(struct sluice_queue *queue, uint64_t size, size_t count,
                           enum append_kind kind, const struct sluice_errors *errors);

/*
 * The batch in the buffer is durable, and counts. After TEMP it does not: void_number is 0 if that is
 * certain already; else a restart may still find it, until another segment has been begun.
 */
sluice_status append_finish(struct sluice_queue *queue, size_t size, enum append_kind kind,
                            const struct sluice_errors *errors);

#endif
