/* SPDX-License-Identifier: ISC */
/* disk: what Berkeley DB leaves undone about syncing its files. */
#include "disk.h"

#include "../common/failure.h"
#include "../common/folder.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define PIECE_SIZE 65536

/* For the process, as the function that counts is Berkeley DB's for the process. */
static atomic_uint failures;

/* An error number, as Berkeley DB wants it; not EIO, nor another that it would try again. */
static int sync_once(int fd)
{
    if (fdatasync(fd) == 0)
        return 0;
    atomic_fetch_add(&failures, 1);
    errno = errno == ENOSPC ? ENOSPC : ENOTRECOVERABLE;
    return errno;
}

int disk_take_over(void)
{
    return db_env_set_func_fsync(sync_once);
}

unsigned disk_failures(void)
{
    return atomic_load(&failures);
}

struct files {
    int folder;
    bool (*is_wanted)(const char *name); /* what is to be done to */
    const struct sluice_errors *errors;
};

static sluice_status copy_onto_itself(int fd, const char *name, const struct sluice_errors *errors)
{
    char piece[PIECE_SIZE];
    uint64_t at = 0;
    ssize_t got;

    while ((got = pread(fd, piece, sizeof(piece), (off_t)at)) > 0) {
        if (folder_write(fd, piece, (size_t)got, at) != SLUICE_OK)
            return failure_errno(errors, "cannot write again", name);
        at += (uint64_t)got;
    }
    if (got == -1)
        return failure_errno(errors, "cannot read", name);
    return fsync(fd) == 0 ? SLUICE_OK : failure_errno(errors, "cannot sync", name);
}

static sluice_status write_again(void *user, const char *name)
{
    const struct files *files = user;
    sluice_status st;
    int fd;

    if (!files->is_wanted(name))
        return SLUICE_OK;
    fd = openat(files->folder, name, O_RDWR | O_CLOEXEC);
    if (fd == -1)
        return failure_errno(files->errors, "cannot open", name);
    st = copy_onto_itself(fd, name, files->errors);
    close(fd);
    return st;
}

sluice_status disk_write_again(int folder, bool (*is_wanted)(const char *name),
                               const struct sluice_errors *errors)
{
    struct files files = {folder, is_wanted, errors};

    return folder_list(folder, write_again, &files, errors);
}

static sluice_status remove_unwanted(void *user, const char *name)
{
    const struct files *files = user;

    if (!files->is_wanted(name) || unlinkat(files->folder, name, 0) == 0)
        return SLUICE_OK;
    return failure_errno(files->errors, "cannot remove", name);
}

sluice_status disk_remove(int folder, bool (*is_unwanted)(const char *name),
                          const struct sluice_errors *errors)
{
    struct files files = {folder, is_unwanted, errors};

    return folder_list(folder, remove_unwanted, &files, errors);
}

sluice_status disk_sync_names(int folder, const struct sluice_errors *errors)
{
    return fsync(folder) == 0 ? SLUICE_OK : failure_errno(errors, "cannot sync", "the folder");
}
