/* SPDX-License-Identifier: ISC */
/*
 * vitals: whether a deliver or lookup process still lives, and what the process of an isolated table takes.
 *
 * A loop that is held up is its own watchdog's business (task/watchdog.h). What that cannot see is a process
 * that stands still as a whole: it is asked for a sign of life, which its loop gives, and killed when there was none
 * for twice loop_timeout, so never before its watchdog would have acted. Time is counted in looks: a master that
 * stood still itself blames nobody. A process that is being traced is left alone.
 */
#ifndef MASTER_VITALS_H
#define MASTER_VITALS_H

#include "sluice/types.h"

#include <stdbool.h>

#define VITALS_LOOK_MS 500

struct child;

struct vitals {
    uint64_t asked; /* signs of life, */
    uint64_t seen;
    unsigned silent_looks;
};

/* That process is looked at, every VITALS_LOOK_MS. */
bool vitals_count(const struct child *child);
/* May kill it, which the log says. */
void vitals_look(struct child *child);
/* A sign of life; PERM: it makes no sense. */
sluice_status vitals_take(struct child *child, uint64_t number);

#endif
