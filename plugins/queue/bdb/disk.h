/* SPDX-License-Identifier: ISC */
/*
 * disk: what Berkeley DB leaves undone about syncing its files.
 *
 * It tries a sync that failed again, a hundred times. But Linux forgets then what was to be written, so
 * the next one succeeds and proves nothing. Here each failure counts once; after one, the files are
 * written again as they can still be read, which makes the kernel take them to the disk afresh.
 * It does not sync the folder, nor the log that it finds at the start (database.c).
 */
#ifndef SLUICE_BDB_DISK_H
#define SLUICE_BDB_DISK_H

#include <stdbool.h>

#include "sluice/types.h"

/* Berkeley DB of this process syncs through this module from now on. */
int disk_take_over(void);

/* Syncs of Berkeley DB that have failed so far in this process. */
unsigned disk_failures(void);

/* Makes durable what can be read in the files of the folder that is_wanted names. */
sluice_status disk_write_again(int folder, bool (*is_wanted)(const char *name),
                               const struct sluice_errors *errors);

/* Removes the files of the folder that is_unwanted names. */
sluice_status disk_remove(int folder, bool (*is_unwanted)(const char *name),
                          const struct sluice_errors *errors);

/* The names of files. */
sluice_status disk_sync_names(int folder, const struct sluice_errors *errors);

#endif
