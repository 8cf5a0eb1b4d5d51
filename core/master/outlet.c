/* SPDX-License-Identifier: ISC */
/*
 * outlet: see outlet.h.
 */
#include "master/outlet.h"

#include "base/clock.h"
#include "config/logging.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640 /* it names who writes to whom */
#define WATCH_MS 1000

/* systemd says which file it has given us, for those that have another one by now. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) == -1)
        return false;
    (void)snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(stream, ours) == 0;
}

void outlet_start(struct outlet *outlet, bool is_foreground, void (*renewed)(void *user),
                  void *user)
{
    *outlet = (struct outlet){
        .settings = {.max_level = LOG_LEVEL_INFO, .file_fd = -1},
        .file_fd = -1,
        .renewed = renewed,
        .user = user,
    };
    if (!is_foreground)
        outlet->without_file = LOG_TO_SYSLOG;
    else
        outlet->without_file = is_journal() ? LOG_TO_JOURNAL : LOG_TO_STDERR;
    outlet->settings.target = outlet->without_file;
    log_start(logging_component("master"), &outlet->settings);
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool is_standard(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0;
}

/* /dev/stdout cannot be opened where it is a socket. */
static int open_path(const char *path)
{
    if (is_standard(path))
        return fcntl(path[strlen("/dev/std")] == 'o' ? STDOUT_FILENO : STDERR_FILENO,
                     F_DUPFD_CLOEXEC, 0);
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
}

static void close_file(struct outlet *outlet)
{
    if (outlet->file_fd != -1)
        (void)close(outlet->file_fd); /* the log writes through one of its own */
    outlet->file_fd = -1;
}

/* errno says why it fails; then all is as before. */
static bool open_file(struct outlet *outlet, const char *path)
{
    struct stat status;
    int fd = open_path(path);

    if (fd == -1)
        return false;
    if (fstat(fd, &status) == -1) {
        int saved = errno;
        (void)close(fd); /* nothing was written */
        errno = saved;
        return false;
    }
    close_file(outlet);
    outlet->file_fd = fd;
    outlet->device = status.st_dev;
    outlet->inode = status.st_ino;
    return true;
}

sluice_status outlet_configure(struct outlet *outlet, const struct config *config,
                               struct error *err)
{
    const char *path = config_text(config, "maillog_file");

    if (path[0] != '\0' && !open_file(outlet, path))
        return error_set(err, SLUICE_CONFIG, "%s: maillog_file: %s: %s",
                         config_origin(config, "maillog_file"), path, strerror(errno));
    if (path[0] == '\0')
        close_file(outlet);
    (void)snprintf(outlet->path, sizeof(outlet->path), "%s", path);
    logging_configure(config, &outlet->settings);
    outlet->settings.target = outlet->file_fd != -1 ? LOG_TO_FILE : outlet->without_file;
    if (outlet->file_fd != -1)
        outlet->settings.file_fd = fcntl(outlet->file_fd, F_DUPFD_CLOEXEC, 0);
    log_change(&outlet->settings);
    outlet->renewed(outlet->user);
    return SLUICE_OK;
}

/* ---- looking after it ------------------------------------------------------------------------ */

static bool is_same(const struct outlet *outlet)
{
    struct stat status;

    return stat(outlet->path, &status) == 0 && status.st_dev == outlet->device &&
           status.st_ino == outlet->inode;
}

static void watch(void *arg)
{
    struct outlet *outlet = arg;

    while (task_sleep_until(clock_monotonic_ms() + WATCH_MS) == SLUICE_OK) {
        if (outlet->file_fd == -1 || is_standard(outlet->path) || is_same(outlet) ||
            !open_file(outlet, outlet->path)) /* then the old one goes on */
            continue;
        log_set_file(fcntl(outlet->file_fd, F_DUPFD_CLOEXEC, 0));
        outlet->renewed(outlet->user);
    }
    outlet->watch = NULL;
}

sluice_status outlet_watch(struct outlet *outlet)
{
    return task_start("outlet", watch, outlet, &outlet->watch);
}

void outlet_unwatch(struct outlet *outlet)
{
    if (outlet->watch != NULL)
        task_cancel(outlet->watch);
}

void outlet_stop(struct outlet *outlet)
{
    log_stop();
    close_file(outlet);
}
