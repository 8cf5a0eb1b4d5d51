/* SPDX-License-Identifier: ISC */
/*
 * durable: small files and folders that survive a crash whole.
 */
#ifndef BASE_DURABLE_H
#define BASE_DURABLE_H

#include "base/error.h"

#include <sys/types.h>

/* Writes bytes to a new name (path with ".new": one writer at a time), syncs, renames it to path,
 * syncs the folder. */
sluice_status durable_write_file(const char *path, struct sluice_span bytes, mode_t mode,
                                 struct error *err);
/* The folder is there afterwards, with that mode and owner if this call made it ((uid_t)-1: as it
 * is); its parent too if only the last two parts are missing. */
sluice_status durable_make_folder(const char *path, mode_t mode, uid_t uid, gid_t gid,
                                  struct error *err);
/* The whole of a file of at most max bytes; the caller frees *ret_bytes. NOT_FOUND: no such file;
 * PERM: it is larger. */
sluice_status durable_read_file(const char *path, size_t max, char **ret_bytes, size_t *ret_len,
                                struct error *err);

#endif
