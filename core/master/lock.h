/* SPDX-License-Identifier: ISC */
/*
 * lock: one daemon for each run folder. The lock is on the pid file, and every role process holds it
 * too: it is free only when the last process of a daemon has left.
 */
#ifndef MASTER_LOCK_H
#define MASTER_LOCK_H

#include "base/error.h"

struct lock {
    char *path;
    int fd; /* handed to the roles */
};

/*
 * Takes the lock and writes our pid. Where a master has died its roles may still be on their way
 * out: waits for them. TEMP: another daemon is running, or the roles did not leave; text says which.
 * [task: waits]
 */
sluice_status lock_take(const char *run_directory, struct lock *ret_lock, struct error *err);
/* Removes the file. Accepts one that was never taken, zeroed. */
void lock_release(struct lock *lock);

#endif
