/* SPDX-License-Identifier: ISC */
/* folder: a store's folder on disk: its lock, what lies in it, the space kept back. */
#include "folder.h"

#include "failure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static sluice_status take_lock(int lock, int operation, const char *path,
                               const struct sluice_errors *errors)
{
    if (flock(lock, operation | LOCK_NB) == 0)
        return SLUICE_OK;
    if (errno == EWOULDBLOCK)
        return failure(errors, SLUICE_TEMP, "4.3.0", "%s: another process has this store open",
                       path);
    return failure_errno(errors, "cannot lock", path);
}

/* Without one, if it may not be made, nobody has the store open. */
static sluice_status open_lock(int folder, bool may_make, const char *path,
                               const struct sluice_errors *errors, int *ret_lock)
{
    int flags = may_make ? O_RDWR | O_CREAT : O_RDONLY;
    int lock = openat(folder, FOLDER_LOCK, flags | O_CLOEXEC, 0600);
    sluice_status st;

    *ret_lock = lock;
    if (lock == -1 && errno == ENOENT && !may_make)
        return SLUICE_OK;
    if (lock == -1)
        return failure_errno(errors, "cannot open the lock file in", path);
    st = take_lock(lock, may_make ? LOCK_EX : LOCK_SH, path, errors);
    if (st != SLUICE_OK)
        close(lock);
    return st;
}

static sluice_status open_locked(const char *path, bool may_make,
                                 const struct sluice_errors *errors, int *ret_folder, int *ret_lock)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sluice_status st;

    if (folder == -1)
        return failure_errno(errors, "cannot open", path);
    st = open_lock(folder, may_make, path, errors, ret_lock);
    if (st != SLUICE_OK) {
        close(folder);
        return st;
    }
    *ret_folder = folder;
    return SLUICE_OK;
}

sluice_status folder_open(const char *path, const struct sluice_errors *errors, int *ret_folder,
                          int *ret_lock)
{
    return open_locked(path, true, errors, ret_folder, ret_lock);
}

sluice_status folder_open_to_read(const char *path, const struct sluice_errors *errors,
                                  int *ret_folder, int *ret_lock)
{
    return open_locked(path, false, errors, ret_folder, ret_lock);
}

static sluice_status list_names(DIR *dir, folder_visit *visit, void *user,
                                const struct sluice_errors *errors)
{
    for (;;) {
        const struct dirent *entry;
        sluice_status st;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL)
            return errno == 0 ? SLUICE_OK : failure_errno(errors, "cannot list", "the folder");
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        st = visit(user, entry->d_name);
        if (st != SLUICE_OK)
            return st;
    }
}

sluice_status folder_list(int folder, folder_visit *visit, void *user,
                          const struct sluice_errors *errors)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd == -1 ? NULL : fdopendir(fd);
    sluice_status st;

    if (dir == NULL) {
        st = failure_errno(errors, "cannot list", "the folder");
        if (fd != -1)
            close(fd);
        return st;
    }
    st = list_names(dir, visit, user, errors);
    closedir(dir);
    return st;
}

sluice_status folder_foreign(const char *name, const struct sluice_errors *errors)
{
    return failure(errors, SLUICE_CONFIG, NULL,
                   "the store's folder holds \"%s\", which is not of this store", name);
}

sluice_status folder_write(int fd, const void *data, size_t size, uint64_t offset)
{
    const char *next = data;

    while (size > 0) {
        ssize_t written = pwrite(fd, next, size, (off_t)offset);

        if (written == -1 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO;
        if (written <= 0)
            return SLUICE_TEMP;
        next += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return SLUICE_OK;
}

uint64_t folder_free_bytes(int folder)
{
    struct statvfs fs;

    if (fstatvfs(folder, &fs) == -1)
        return 0;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

bool folder_kept_fill(int folder, const char *name, uint64_t size)
{
    struct stat info;
    bool is_whole;
    int fd;

    if (size == 0)
        return true;
    fd = openat(folder, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1)
        return false;
    /* The blocks count, not the length: a crash may have left a file without them. */
    is_whole = fstat(fd, &info) == 0 && (uint64_t)info.st_size == size &&
               (uint64_t)info.st_blocks * 512 >= size;
    if (!is_whole)
        is_whole = ftruncate(fd, 0) == 0 && fallocate(fd, 0, 0, (off_t)size) == 0 && fsync(fd) == 0;
    close(fd);
    if (!is_whole)
        folder_kept_release(folder, name);
    return is_whole;
}

void folder_kept_release(int folder, const char *name)
{
    (void)unlinkat(folder, name, 0); /* not there is as good */
}
