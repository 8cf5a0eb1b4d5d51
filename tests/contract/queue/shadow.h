/* SPDX-License-Identifier: ISC */
/*
 * shadow: what is on the disk for sure: a copy of each file and folder as of its last sync.
 *
 * In the shadow folder: "f<inode>" a file's bytes, "d<inode>" a folder's names with their inodes,
 * "k<inode>" a link to a file that was unlinked, so that its inode is not given to another
 * one and its bytes can still be had.
 */
#ifndef SLUICE_TEST_SHADOW_H
#define SLUICE_TEST_SHADOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SHADOW_NAME_SIZE 32

/* The name of such a file in the shadow folder; kind is the letter. */
void shadow_name(char name[SHADOW_NAME_SIZE], char kind, uint64_t inode);

bool shadow_is_on(void);

/* All without effect before faults_shadow(). */
void shadow_sync(int fd);                       /* before a sync that will work */
void shadow_keep(int folder, const char *name); /* before a name goes away */

/* After a sync that failed: as Linux does, what was not on disk counts as clean from now on. Later syncs
 * leave it out, unless it is written again. */
void shadow_drop(int fd);
void shadow_write(int fd, off_t offset, ssize_t size); /* after a write of that result */

#endif
