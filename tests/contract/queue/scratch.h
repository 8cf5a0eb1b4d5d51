/* SPDX-License-Identifier: ISC */
/*
 * scratch: empty folders to test in.
 */
#ifndef SLUICE_TEST_SCRATCH_H
#define SLUICE_TEST_SCRATCH_H

#define SCRATCH_PATH_MAX 256

/* A new empty folder: in memory where the machine has that (/dev/shm), as syncs are quick there. */
void scratch_make(char path[SCRATCH_PATH_MAX]);
/* Removes the folder and all that is in it. */
void scratch_remove(const char *path);

#endif
