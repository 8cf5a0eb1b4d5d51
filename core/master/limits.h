/* SPDX-License-Identifier: ISC */
/*
 * limits: what the process of an isolated table may take. The kernel's own limits are set between fork and exec; what
 * they cannot do is looked at from time to time: a plugin that has used up what there is would go on
 * failing for ever, and its process is to be replaced.
 *
 * Processes and threads have none: RLIMIT_NPROC counts those of a user, here all roles on the network's side.
 * Files neither: the log is one.
 */
#ifndef MASTER_LIMITS_H
#define MASTER_LIMITS_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define LIMITS_TEXT_SIZE 320

struct limits {
    char *table; /* NULL: there are none */
    uint64_t memory_bytes;
    uint64_t descriptors;
};

/* Of the lookup process of that home, by its snapshot; none where its tables are shared. [any] */
sluice_status limits_read(int snapshot_fd, unsigned home, struct limits *ret_limits,
                          struct error *err);
void limits_done(struct limits *limits);
/* For this process and what it executes. Returns 0 or an errno; async-signal-safe. */
int limits_apply(const struct limits *limits);
/* True: the process has too much, and text says of what. */
bool limits_are_passed(const struct limits *limits, pid_t pid, char text[LIMITS_TEXT_SIZE]);

#endif
