/* SPDX-License-Identifier: ISC */
/* large: message contents in files of their own, in the folder "large" of a store. */
#include "large.h"

#include "failure.h"
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 16
#define NAME_SIZE (NAME_DIGITS + 1)

static void name_format(char name[NAME_SIZE], uint64_t id)
{
    (void)snprintf(name, NAME_SIZE, "%016" PRIX64, id);
}

static bool name_parse(const char *name, uint64_t *ret_id)
{
    char again[NAME_SIZE];

    if (strspn(name, "0123456789ABCDEF") != NAME_DIGITS || name[NAME_DIGITS] != '\0')
        return false;
    *ret_id = strtoull(name, NULL, 16);
    name_format(again, *ret_id);
    return strcmp(again, name) == 0;
}

sluice_status large_open(struct large *large, int parent, size_t threshold,
                         const struct sluice_errors *errors)
{
    large->threshold = threshold;
    if (mkdirat(parent, LARGE_FOLDER, 0700) == 0) {
        if (fsync(parent) == -1)
            return failure_errno(errors, "cannot sync the folder of", LARGE_FOLDER);
    } else if (errno != EEXIST) {
        return failure_errno(errors, "cannot make the folder", LARGE_FOLDER);
    }
    large_open_to_read(large, parent);
    if (large->folder == -1)
        return failure_errno(errors, "cannot open the folder", LARGE_FOLDER);
    return SLUICE_OK;
}

void large_open_to_read(struct large *large, int parent)
{
    large->folder = openat(parent, LARGE_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void large_done(struct large *large)
{
    if (large->folder != -1)
        close(large->folder);
    large->folder = -1;
}

bool large_wants(const struct large *large, const struct sluice_queue_change *put)
{
    return put->content_fd != -1 || put->content.len > large->threshold;
}

static sluice_status open_unnamed(const struct large *large, const struct sluice_errors *errors,
                                  int *ret_fd)
{
    int fd = openat(large->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd == -1)
        return failure_errno(errors, "cannot make an unnamed file in", LARGE_FOLDER);
    *ret_fd = fd;
    return SLUICE_OK;
}

sluice_status large_stage(const struct large *large, const struct sluice_queue_sink *sink,
                          const struct sluice_errors *errors)
{
    int fd = -1;
    sluice_status st = open_unnamed(large, errors, &fd);

    if (st != SLUICE_OK)
        return st;
    st = sink->staged(sink, fd);
    close(fd);
    return st;
}

/* Gives a synced file the name of the message. A file of that name belongs to no message: the id
 * was put before, in a batch that failed. */
static sluice_status name_file(const struct large *large, int fd, const char *name,
                               const struct sluice_errors *errors)
{
    char self[sizeof("/proc/self/fd/") + 16];
    int done;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    done = linkat(AT_FDCWD, self, large->folder, name, AT_SYMLINK_FOLLOW);
    if (done == -1 && errno == EEXIST && unlinkat(large->folder, name, 0) == 0)
        done = linkat(AT_FDCWD, self, large->folder, name, AT_SYMLINK_FOLLOW);
    return done == 0 ? SLUICE_OK : failure_errno(errors, "cannot link the content of", name);
}

static sluice_status keep_file(const struct large *large, uint64_t id, int fd,
                               const struct sluice_errors *errors, uint64_t *ret_size)
{
    char name[NAME_SIZE];
    struct stat info;

    name_format(name, id);
    if (fstat(fd, &info) == -1)
        return failure_errno(errors, "cannot look at the content of", name);
    if (fsync(fd) == -1)
        return failure_errno(errors, "cannot sync the content of", name);
    *ret_size = (uint64_t)info.st_size;
    return name_file(large, fd, name, errors);
}

sluice_status large_add(const struct large *large, const struct sluice_queue_change *put,
                        const struct sluice_errors *errors, uint64_t *ret_size)
{
    int fd = put->content_fd;
    sluice_status st;

    if (fd != -1)
        return keep_file(large, put->id, fd, errors, ret_size);
    st = open_unnamed(large, errors, &fd);
    if (st != SLUICE_OK)
        return st;
    st = folder_write(fd, put->content.ptr, put->content.len, 0);
    if (st != SLUICE_OK)
        st = failure_errno(errors, "cannot write a content in", LARGE_FOLDER);
    else
        st = keep_file(large, put->id, fd, errors, ret_size);
    close(fd);
    return st;
}

sluice_status large_sync(const struct large *large, const struct sluice_errors *errors)
{
    if (fsync(large->folder) == -1)
        return failure_errno(errors, "cannot sync the folder", LARGE_FOLDER);
    return SLUICE_OK;
}

sluice_status large_find(const struct large *large, uint64_t id, uint64_t size,
                         const struct sluice_errors *errors, int *ret_fd)
{
    char name[NAME_SIZE];
    struct stat info;
    sluice_status st;
    int fd;

    name_format(name, id);
    fd = openat(large->folder, name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT ? SLUICE_NOT_FOUND
                               : failure_errno(errors, "cannot open the content of", name);
    if (fstat(fd, &info) == 0 && (uint64_t)info.st_size == size) {
        *ret_fd = fd;
        return SLUICE_OK;
    }
    st = failure(errors, SLUICE_TEMP, "4.3.0",
                 "message %s is damaged: " LARGE_FOLDER "/%s has not the %llu bytes that it had",
                 name, name, (unsigned long long)size);
    close(fd);
    return st;
}

void large_remove(const struct large *large, uint64_t id)
{
    char name[NAME_SIZE];

    name_format(name, id);
    (void)unlinkat(large->folder, name, 0); /* what stays is an orphan, swept at the next open */
}

struct sweep {
    const struct large *large;
    bool (*is_wanted)(void *user, uint64_t id);
    void *user;
    const struct sluice_errors *errors;
};

static sluice_status sweep_check(void *user, const char *name)
{
    const struct sweep *sweep = user;
    uint64_t id;

    return name_parse(name, &id) ? SLUICE_OK : folder_foreign(name, sweep->errors);
}

static sluice_status sweep_name(void *user, const char *name)
{
    const struct sweep *sweep = user;
    uint64_t id;

    if (name_parse(name, &id) && !sweep->is_wanted(sweep->user, id))
        large_remove(sweep->large, id);
    return SLUICE_OK;
}

sluice_status large_sweep(const struct large *large, bool (*is_wanted)(void *user, uint64_t id),
                          void *user, const struct sluice_errors *errors)
{
    struct sweep sweep = {large, is_wanted, user, errors};
    sluice_status st = folder_list(large->folder, sweep_check, &sweep, errors);

    if (st != SLUICE_OK)
        return st;
    return folder_list(large->folder, sweep_name, &sweep, errors);
}
