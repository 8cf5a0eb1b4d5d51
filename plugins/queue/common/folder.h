/* SPDX-License-Identifier: ISC */
/*
 * folder: a store's folder on disk: its lock, what lies in it, the space kept back.
 */
#ifndef SLUICE_STORE_FOLDER_H
#define SLUICE_STORE_FOLDER_H

#include <stdbool.h>

#include "sluice/types.h"

#define FOLDER_LOCK "lock"
#define FOLDER_RESERVE "reserve"
#define FOLDER_ROOM "room"

/* Opens the folder and locks it. TEMP if another process has it. */
sluice_status folder_open(const char *path, const struct sluice_errors *errors, int *ret_folder,
                          int *ret_lock);

/* The same to look at it only: locked together with others who do so. *ret_lock may be -1: there is no lock
 * file, and none is made. */
sluice_status folder_open_to_read(const char *path, const struct sluice_errors *errors,
                                  int *ret_folder, int *ret_lock);

typedef sluice_status folder_visit(void *user, const char *name);

/* visit for each name in the folder, until one is not OK. */
sluice_status folder_list(int folder, folder_visit *visit, void *user,
                          const struct sluice_errors *errors);

/* CONFIG, in words, for a name that the store did not make. */
sluice_status folder_foreign(const char *name, const struct sluice_errors *errors);

/* Writes all of it at offset, however small the steps. OK, or TEMP with errno set. */
sluice_status folder_write(int fd, const void *data, size_t size, uint64_t offset);

/* Bytes that an ordinary user may still write on the folder's file system; 0 if unknown. */
uint64_t folder_free_bytes(int folder);

/*
 * A file of size bytes that belong to the store already, such as FOLDER_RESERVE. Makes it if it is
 * not there, or is of another size; with size 0 there is none. False if the disk has no room for it.
 */
bool folder_kept_fill(int folder, const char *name, uint64_t size);

/* Gives the file's bytes back to the disk. */
void folder_kept_release(int folder, const char *name);

#endif
