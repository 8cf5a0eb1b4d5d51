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

/* After a sync that worked; before a name goes away. Without faults_shadow() they do nothing. */
void shadow_sync(int fd);
void shadow_keep(int folder, const char *name);

#endif
