/* SPDX-License-Identifier: ISC */
/*
 * sealed: bytes in a memory file that nobody can change any more, for another process. [any]
 */
#ifndef BASE_SEALED_H
#define BASE_SEALED_H

#include "sluice/types.h"

/* A new file with these bytes; name is for /proc. TEMP: errno says why. */
sluice_status sealed_write(const char *name, struct sluice_span bytes, int *ret_fd);
/* Its size. PERM: it is not sealed, or empty. */
sluice_status sealed_size(int fd, size_t *ret_size);
/* The bytes of such a file, mapped. PERM: it is not sealed, or empty; TEMP: errno says why. */
sluice_status sealed_map(int fd, struct sluice_span *ret_bytes);
void sealed_unmap(struct sluice_span bytes); /* accepts an empty span */

#endif
