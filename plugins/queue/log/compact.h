/* SPDX-License-Identifier: ISC */
/*
 * compact: empties segments that hold little that is needed.
 *
 * What is needed of a victim is written again at the end of the log: a COPY for each message that has
 * its content there, an UPDATE for each that has only its record there, the REMOVEs that must
 * outlive another segment. Then nobody needs the victim. A crash on the way does no harm: the copy and
 * the original say the same.
 *
 * Read piece by piece without the lock; what was changed or removed meanwhile is not written. A message that
 * cannot be read stays where it is, and its segment with it.
 */
#ifndef SLUICE_LOG_COMPACT_H
#define SLUICE_LOG_COMPACT_H

#include "segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/types.h"

struct sluice_queue;

/* What the steps know of each other. */
struct compaction {
    uint32_t victim; /* its number; 0: there is none */
    uint64_t salt;
    uint64_t offset; /* what lies before it has been looked at */
    uint64_t end;
    bool is_again;    /* not for the first time: something was changed under way */
    bool has_skipped; /* and something has to be looked at again */
    bool is_broken;   /* it cannot be emptied */
    uint8_t *window;
    size_t window_size;
};

void compaction_done(struct compaction *compaction);

/* A step of maintain: chooses a victim, or moves a slice of it. NOT_FOUND: what could be gained is not worth
 * it. TEMP: explained; a victim that cannot be read is left alone from then on. */
sluice_status log_compact(struct sluice_queue *queue, const struct sluice_errors *errors);

#endif
