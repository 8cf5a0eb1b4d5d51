/* SPDX-License-Identifier: ISC */
/*
 * lock: flock, which belongs to an open file and not to a process, and so is shared by whoever
 * inherits the descriptor. The folder may belong to another user (run_directory is mail_owner's), and
 * the master is root: links of both kinds are refused, and what is written goes into the very file
 * that is locked.
 */
#include "master/lock.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/durable.h"
#include "base/log.h"
#include "config/role.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 100
#define WAIT_MS (ROLE_ORPHAN_MS + 5000)
#define PID_TEXT_SIZE 32
#define PROC_PATH_SIZE 32

/* The file is still the one that has that name: the last owner may have removed it meanwhile. */
static bool is_current(const char *path, int fd)
{
    struct stat named;
    struct stat held;

    return lstat(path, &named) == 0 && fstat(fd, &held) == 0 && named.st_ino == held.st_ino &&
           named.st_dev == held.st_dev;
}

/* OK with the lock; NOT_FOUND: somebody else has it. */
static sluice_status try_lock(const char *path, int *ret_fd, struct error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open %s: %s", path, strerror(errno));
    if (fstat(fd, &info) == -1 || !S_ISREG(info.st_mode) || info.st_nlink > 1) {
        (void)close(fd); /* only read */
        return error_set(err, SLUICE_TEMP, "%s is no file of its own", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(path, fd)) {
        *ret_fd = fd;
        return SLUICE_OK;
    }
    (void)close(fd); /* only read */
    return SLUICE_NOT_FOUND;
}

/* The pid in the file if such a process is there, else 0. */
static long find_owner(const char *path)
{
    char *bytes;
    size_t len;

    if (durable_read_file(path, PID_TEXT_SIZE, &bytes, &len, NULL) != SLUICE_OK)
        return 0;
    char text[PID_TEXT_SIZE + 1];
    memcpy(text, bytes, len);
    text[len] = '\0';
    free(bytes);
    long pid = strtol(text, NULL, 10);
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

/* The roles hold the lock and must not be able to write: this descriptor is another one. */
static sluice_status write_pid(const struct lock *lock, struct error *err)
{
    const char *path = lock->path;
    char text[PID_TEXT_SIZE];
    char locked[PROC_PATH_SIZE];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    (void)snprintf(locked, sizeof(locked), "/proc/self/fd/%d", lock->fd);
    int fd = open(locked, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open %s: %s", path, strerror(errno));
    ssize_t n = write(fd, text, (size_t)len);
    int saved = errno;
    if (close(fd) == -1 || n != len)
        return error_set(err, SLUICE_TEMP, "write %s: %s", path, strerror(saved));
    return SLUICE_OK;
}

static sluice_status wait_for_lock(const char *path, int *ret_fd, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    bool is_said = false;

    for (;;) {
        sluice_status status = try_lock(path, ret_fd, err);
        if (status != SLUICE_NOT_FOUND)
            return status;
        long owner = find_owner(path);
        if (owner != 0)
            return error_set(err, SLUICE_TEMP, "already running, pid %ld (%s)", owner, path);
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= deadline_ms)
            return error_set(err, SLUICE_TEMP, "roles of an earlier daemon are still running (%s)",
                             path);
        if (!is_said)
            log_notice("waiting for the roles of an earlier daemon to leave");
        is_said = true;
        if (task_sleep_until(now_ms + RETRY_MS) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "%s: cancelled", path);
    }
}

sluice_status lock_take(const char *run_directory, struct lock *ret_lock, struct error *err)
{
    struct buffer name = BUFFER_INIT;

    buffer_printf(&name, "%s/sluiced.pid", run_directory);
    if (buffer_text(&name) == NULL)
        return error_set(err, SLUICE_TEMP, "%s: out of memory", run_directory);
    struct lock lock = {.path = name.ptr, .fd = -1};
    sluice_status status = wait_for_lock(lock.path, &lock.fd, err);
    if (status == SLUICE_OK)
        status = write_pid(&lock, err);
    if (status == SLUICE_OK) {
        *ret_lock = lock;
        return SLUICE_OK;
    }
    if (lock.fd != -1)
        (void)close(lock.fd); /* only read */
    buffer_done(&name);
    return status;
}

void lock_release(struct lock *lock)
{
    if (lock->path == NULL)
        return;
    (void)unlink(lock->path); /* it may be gone; whoever comes next looks again (is_current) */
    (void)close(lock->fd);    /* only read */
    free(lock->path);
    *lock = (struct lock){0};
}
