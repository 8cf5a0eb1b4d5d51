/* SPDX-License-Identifier: ISC */
/*
 * segment: the segment files of a log store: named, made, read.
 *
 * A segment gets its name only when its header and its space are on disk, so that a file under such
 * a name is always whole to begin with. It is written by apply alone, in order; what may still be
 * written and what must be left alone is the store's business (log.h).
 */
#ifndef SLUICE_LOG_SEGMENT_H
#define SLUICE_LOG_SEGMENT_H

#include "format.h"

#include "sluice/types.h"

#define SEGMENT_NAME_SIZE 16

void segment_name(char name[SEGMENT_NAME_SIZE], uint32_t number);
bool segment_parse_name(const char *name, uint32_t *ret_number);

/* A segment file that was made, or should have been. It begins as {0}. */
struct segment_file {
    int fd; /* open for writing */
    uint64_t size;
    bool may_exist; /* also after a failure: a restart may find it, header and all */
};

/* A new segment file of size bytes, all of them allocated. */
sluice_status segment_create(int folder, const struct segment_header *header, uint64_t size,
                             const struct sluice_errors *errors, struct segment_file *file);

/* Makes the reserve file into a segment, so that not one byte is asked of a full disk. */
sluice_status segment_create_from_reserve(int folder, const struct segment_header *header,
                                          const struct sluice_errors *errors,
                                          struct segment_file *file);

/* Opens a segment; flags are open()'s. NOT_FOUND if there is no such file. */
sluice_status segment_open(int folder, uint32_t number, int flags,
                           const struct sluice_errors *errors, int *ret_fd);

/* False if it is still there. */
bool segment_unlink(int folder, uint32_t number);

/* All of size bytes at offset. TEMP if there are fewer. */
sluice_status segment_read(int fd, void *data, size_t size, uint64_t offset,
                           const struct sluice_errors *errors);

/* The whole file; the caller frees it. Where the disk cannot read there are zeros, and
 * *ret_is_whole says that there are such places. */
sluice_status segment_load(int fd, const struct sluice_errors *errors, uint8_t **ret_data,
                           uint64_t *ret_size, bool *ret_is_whole);

#endif
