/* SPDX-License-Identifier: ISC */
/* segment: the segment files of a log store: made, begun, read. */
#include "segment.h"

#include "name.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_SIZE 4096

static sluice_status write_start(int fd, const uint8_t *bytes, size_t size,
                                 const struct sluice_errors *errors)
{
    if (folder_write(fd, bytes, size, 0) != SLUICE_OK || fdatasync(fd) == -1)
        return failure_errno(errors, "cannot write", "the header of a segment");
    return SLUICE_OK;
}

sluice_status segment_write_header(int fd, const struct segment_header *header,
                                   const struct sluice_errors *errors)
{
    uint8_t bytes[FORMAT_HEADER_SIZE];

    format_header(bytes, header);
    return write_start(fd, bytes, sizeof(bytes), errors);
}

/* And nothing where the first frame will be. If the header tears when it is written over, that tells that
 * no batch followed; and it is not made up from a frame that the file held before, which would live
 * again. */
static sluice_status write_unused_header(struct segment_file *file,
                                         const struct sluice_errors *errors)
{
    uint8_t bytes[FORMAT_HEADER_SIZE + FORMAT_FRAME_SIZE] = {0};
    struct segment_header header = {.version = FORMAT_VERSION, .number = file->number};

    if (getrandom(&file->salt, sizeof(file->salt), 0) != sizeof(file->salt))
        return failure_errno(errors, "cannot get", "random bytes");
    file->salt |= 1; /* never like empty space */
    header.salt = file->salt;
    format_header(bytes, &header);
    return write_start(file->fd, bytes, sizeof(bytes), errors);
}

/* After it has the name: makes that durable, or takes the name away again, as far as that goes. */
static sluice_status sync_name(int folder, const char *name, const struct sluice_errors *errors)
{
    sluice_status st;

    if (fsync(folder) == 0)
        return SLUICE_OK;
    st = failure_errno(errors, "cannot sync the folder of", name);
    (void)unlinkat(folder, name, 0);
    return st;
}

static sluice_status fill_new(int folder, struct segment_file *file,
                              const struct sluice_errors *errors)
{
    char self[sizeof("/proc/self/fd/") + 16];
    char name[NAME_SIZE];
    sluice_status st;

    name_format(name, NAME_SEGMENT, file->number);
    if (fallocate(file->fd, 0, 0, (off_t)file->size) == -1)
        return failure_errno(errors, "cannot allocate the segment", name);
    st = write_unused_header(file, errors);
    if (st != SLUICE_OK)
        return st;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
    if (linkat(AT_FDCWD, self, folder, name, AT_SYMLINK_FOLLOW) == -1)
        return failure_errno(errors, "cannot link the segment", name);
    return sync_name(folder, name, errors);
}

sluice_status segment_make(int folder, uint32_t number, uint64_t size,
                           const struct sluice_errors *errors, struct segment_file *ret_file)
{
    struct segment_file file = {.number = number, .size = size};
    sluice_status st;

    file.fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file.fd == -1)
        return failure_errno(errors, "cannot make", "a segment");
    st = fill_new(folder, &file, errors);
    if (st == SLUICE_OK)
        *ret_file = file;
    else
        close(file.fd);
    return st;
}

static sluice_status fill_old(int folder, const char *from, struct segment_file *file,
                              const struct sluice_errors *errors)
{
    char name[NAME_SIZE];
    struct stat info;
    sluice_status st;

    name_format(name, NAME_SEGMENT, file->number);
    if (fstat(file->fd, &info) == -1)
        return failure_errno(errors, "cannot look at", from);
    file->size = (uint64_t)info.st_size;
    st = write_unused_header(file, errors);
    if (st != SLUICE_OK)
        return st;
    if (renameat(folder, from, folder, name) == -1)
        return failure_errno(errors, "cannot make a segment of", from);
    return sync_name(folder, name, errors);
}

sluice_status segment_make_of(int folder, const char *from, uint32_t number,
                              const struct sluice_errors *errors, struct segment_file *ret_file)
{
    struct segment_file file = {.number = number};
    sluice_status st;

    file.fd = openat(folder, from, O_RDWR | O_CLOEXEC);
    if (file.fd == -1)
        return failure_errno(errors, "cannot open", from);
    st = fill_old(folder, from, &file, errors);
    if (st == SLUICE_OK)
        *ret_file = file;
    else
        close(file.fd);
    return st;
}

sluice_status segment_open(int folder, uint32_t number, int flags,
                           const struct sluice_errors *errors, int *ret_fd)
{
    char name[NAME_SIZE];
    int fd;

    name_format(name, NAME_SEGMENT, number);
    fd = openat(folder, name, flags | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT ? SLUICE_NOT_FOUND : failure_errno(errors, "cannot open", name);
    *ret_fd = fd;
    return SLUICE_OK;
}

sluice_status segment_read(int fd, void *data, size_t size, uint64_t offset,
                           const struct sluice_errors *errors)
{
    char *next = data;

    while (size > 0) {
        ssize_t got = pread(fd, next, size, (off_t)offset);

        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return failure_errno(errors, "cannot read", "a segment");
        if (got == 0)
            return failure(errors, SLUICE_TEMP, "4.3.0", "a segment is shorter than it was");
        next += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return SLUICE_OK;
}

/* Sector by sector what a read in one piece did not give. Gives back where the first hole is. */
static uint64_t read_what_can_be(int fd, uint8_t *data, uint64_t size)
{
    uint64_t hole = size;

    for (uint64_t at = 0; at < size; at += SECTOR_SIZE) {
        size_t piece = size - at < SECTOR_SIZE ? (size_t)(size - at) : SECTOR_SIZE;

        if (segment_read(fd, data + at, piece, at, NULL) == SLUICE_OK)
            continue;
        memset(data + at, 0, piece);
        if (hole == size)
            hole = at;
    }
    return hole;
}

sluice_status segment_load(int fd, const struct sluice_errors *errors, uint8_t **ret_data,
                           uint64_t *ret_size, uint64_t *ret_hole)
{
    struct stat info;
    uint8_t *data;

    if (fstat(fd, &info) == -1)
        return failure_errno(errors, "cannot look at", "a segment");
    data = malloc((size_t)info.st_size + 1);
    if (data == NULL)
        return failure(errors, SLUICE_TEMP, "4.3.0", "no memory to read a segment of %lld bytes",
                       (long long)info.st_size);
    *ret_size = (uint64_t)info.st_size;
    *ret_hole = *ret_size;
    if (segment_read(fd, data, (size_t)info.st_size, 0, NULL) != SLUICE_OK)
        *ret_hole = read_what_can_be(fd, data, *ret_size);
    *ret_data = data;
    return SLUICE_OK;
}
