/* SPDX-License-Identifier: ISC */
/*
 * segment: the segment files of a log store: made, begun, read.
 *
 * A segment gets its name only when a header and its space are on disk, so that a file under such
 * a name is always whole to begin with. That header says that it is unused; the one that counts is written
 * over it, inside one sector. It is written by apply alone, in order; what may still be
 * written and what must be left alone is the store's business (log.h).
 */
#ifndef SLUICE_LOG_SEGMENT_H
#define SLUICE_LOG_SEGMENT_H

#include "format.h"

#include "sluice/types.h"

/* The file of a segment that was made ready: its header is on disk and says that it is unused. */
struct segment_file {
    int fd; /* open for writing */
    uint32_t number;
    uint64_t salt;
    uint64_t size;
};

/* A new file of size bytes, all of them allocated. After a failure it may be found by a restart, and
 * says nothing. */
sluice_status segment_make(int folder, uint32_t number, uint64_t size,
                           const struct sluice_errors *errors, struct segment_file *ret_file);

/* Of a file that has all its bytes already, under another name: not one is asked of a full disk. */
sluice_status segment_make_of(int folder, const char *from, uint32_t number,
                              const struct sluice_errors *errors, struct segment_file *ret_file);

/* Writes a header and syncs it: from now on the segment counts. After a failure it may, after a restart. */
sluice_status segment_write_header(int fd, const struct segment_header *header,
                                   const struct sluice_errors *errors);

/* Opens a segment; flags are open()'s. NOT_FOUND if there is no such file. */
sluice_status segment_open(int folder, uint32_t number, int flags,
                           const struct sluice_errors *errors, int *ret_fd);

/* All of size bytes at offset. TEMP if there are fewer. */
sluice_status segment_read(int fd, void *data, size_t size, uint64_t offset,
                           const struct sluice_errors *errors);

/* The whole file; the caller frees it. Where the disk cannot read there are zeros, and *ret_hole
 * is the first such place; the size of the file if there is none. */
sluice_status segment_load(int fd, const struct sluice_errors *errors, uint8_t **ret_data,
                           uint64_t *ret_size, uint64_t *ret_hole);

#endif
