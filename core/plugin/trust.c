/* SPDX-License-Identifier: ISC */
/*
 * trust: who could have changed this file? The part of load.h that looks at files before any code of
 * theirs runs.
 *
 * A file is opened first, each step without following a symbolic link below the plugin folder; what
 * is judged then is the file that was opened, by the path that the kernel knows for it.
 */
#include "plugin/load.h"

#include "base/span.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LEN 128
#define PROC_PATH_SIZE 32

/* The path of what an open descriptor stands for. */
static const char *path_of(int fd, char path[PATH_MAX])
{
    char link[PROC_PATH_SIZE];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, PATH_MAX - 1);
    path[len > 0 ? len : 0] = '\0';
    return path;
}

static bool is_trusted_user(uid_t uid, uid_t owner)
{
    struct stat executable;

    if (uid == 0 || uid == owner)
        return true;
    return stat("/proc/self/exe", &executable) == 0 && uid == executable.st_uid;
}

/* In a sticky folder of root's nobody can touch what is another user's. */
static bool is_safe_folder(const struct stat *status)
{
    return S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX) != 0 && status->st_uid == 0;
}

static sluice_status judge(const char *path, const struct stat *status, uid_t owner,
                           struct error *err)
{
    if (!is_trusted_user(status->st_uid, owner))
        return error_set(err, SLUICE_CONFIG,
                         "%s cannot be trusted: it belongs to user %u, who is neither root nor the "
                         "owner of Sluice",
                         path, (unsigned)status->st_uid);
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_safe_folder(status))
        return error_set(err, SLUICE_CONFIG,
                         "%s cannot be trusted: others may write to it (mode %04o)", path,
                         (unsigned)(status->st_mode & 07777));
    return SLUICE_OK;
}

static sluice_status judge_path(const char *path, uid_t owner, struct error *err)
{
    struct stat status;

    if (stat(path, &status) == -1)
        return error_set(err, SLUICE_CONFIG, "%s: %s", path, strerror(errno));
    return judge(path, &status, owner, err);
}

/* A path of the kernel's: absolute, without links. */
static sluice_status judge_all(const char *path, uid_t owner, struct error *err)
{
    sluice_status st = judge_path("/", owner, err);
    char part[PATH_MAX];

    for (size_t i = 1; st == SLUICE_OK && path[i] != '\0'; i++) {
        if (path[i] != '/')
            continue;
        (void)snprintf(part, sizeof(part), "%.*s", (int)i, path);
        st = judge_path(part, owner, err);
    }
    return st == SLUICE_OK ? judge_path(path, owner, err) : st;
}

static sluice_status open_trusted(const char *path, int flags, uid_t owner, int *ret_fd,
                                  struct error *err)
{
    int fd = open(path, flags | O_PATH | O_CLOEXEC);
    char real_path[PATH_MAX];
    sluice_status st;

    if (fd == -1)
        return error_set(err, SLUICE_CONFIG, "%s: %s", path, strerror(errno));
    st = judge_all(path_of(fd, real_path), owner, err);
    if (st == SLUICE_OK)
        *ret_fd = fd;
    else
        (void)close(fd); /* only a path */
    return st;
}

sluice_status plugin_check_trust(const char *path, uid_t owner, struct error *err)
{
    int fd;
    sluice_status st = open_trusted(path, 0, owner, &fd, err);

    if (st == SLUICE_OK)
        (void)close(fd); /* only a path */
    return st;
}

/* "…/lookup/hash.so". */
static bool is_path_of(const char *path, const char *name)
{
    struct sluice_span rest = sluice_span_of(path);
    const struct sluice_span parts[] = {SPAN_LITERAL(".so"), sluice_span_of(name),
                                        SPAN_LITERAL("/")};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (rest.len < parts[i].len ||
            !span_equal(span_skip(rest, rest.len - parts[i].len), parts[i]))
            return false;
        rest.len -= parts[i].len;
    }
    return true;
}

sluice_status plugin_check_file(int fd, const char *name, uid_t owner, struct error *err)
{
    char path[PATH_MAX];
    struct stat held;
    struct stat named;

    if (!is_path_of(path_of(fd, path), name))
        return error_set(err, SLUICE_CONFIG, "plugin %s: \"%s\" is not its file", name, path);
    if (fstat(fd, &held) == -1 || stat(path, &named) == -1 || !S_ISREG(held.st_mode) ||
        held.st_ino != named.st_ino || held.st_dev != named.st_dev)
        return error_set(err, SLUICE_CONFIG, "plugin %s: %s is another file by now", name, path);
    return judge_all(path, owner, err);
}

sluice_status plugin_open_folder(const char *directory, uid_t owner, int *ret_fd, struct error *err)
{
    return open_trusted(directory, O_DIRECTORY, owner, ret_fd, err);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* "lookup/hash": two parts of letters, digits, - and _. */
static bool is_name(const char *name)
{
    const char *slash = strchr(name, '/');

    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-_/", *c) == NULL)
            return false;
    }
    return slash != NULL && slash != name && slash[1] != '\0' && strchr(slash + 1, '/') == NULL &&
           strlen(name) <= NAME_MAX_LEN;
}

/* One step down from at_fd. shown: the path for messages. */
static sluice_status step(int at_fd, const char *part, int flags, const char *shown, uid_t owner,
                          int *ret_fd, struct error *err)
{
    int fd = openat(at_fd, part, flags | O_NOFOLLOW | O_CLOEXEC);
    bool is_folder = (flags & O_DIRECTORY) != 0;
    struct stat status;
    sluice_status st;

    if (fd == -1)
        return error_set(err, SLUICE_CONFIG, "%s: %s", shown,
                         errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    if (fstat(fd, &status) == -1)
        st = error_set(err, SLUICE_CONFIG, "%s: %s", shown, strerror(errno));
    else if (!is_folder && !S_ISREG(status.st_mode))
        st = error_set(err, SLUICE_CONFIG, "%s is not a regular file", shown);
    else
        st = judge(shown, &status, owner, err);
    if (st == SLUICE_OK)
        *ret_fd = fd;
    else
        (void)close(fd); /* nothing was written */
    return st;
}

sluice_status plugin_open_in(int folder_fd, const char *name, uid_t owner, int *ret_fd,
                             struct error *err)
{
    char folder[PATH_MAX];
    char shown[PATH_MAX + NAME_MAX_LEN + 8];
    char part[NAME_MAX_LEN + 8];
    int slash;
    int place_fd;
    sluice_status st;

    if (!is_name(name))
        return error_set(err, SLUICE_CONFIG, "\"%s\" cannot be the name of a plugin", name);
    slash = (int)strcspn(name, "/");
    (void)path_of(folder_fd, folder);
    (void)snprintf(shown, sizeof(shown), "%s/%.*s", folder, slash, name);
    (void)snprintf(part, sizeof(part), "%.*s", slash, name);
    st = step(folder_fd, part, O_PATH | O_DIRECTORY, shown, owner, &place_fd, err);
    if (st != SLUICE_OK)
        return st;
    (void)snprintf(shown, sizeof(shown), "%s/%s.so", folder, name);
    (void)snprintf(part, sizeof(part), "%s.so", name + slash + 1);
    st = step(place_fd, part, O_RDONLY | O_NONBLOCK, shown, owner, ret_fd, err);
    (void)close(place_fd); /* only a path */
    return st;
}

sluice_status plugin_open_file(const char *directory, const char *name, uid_t owner, int *ret_fd,
                               struct error *err)
{
    int folder_fd;
    sluice_status st = plugin_open_folder(directory, owner, &folder_fd, err);

    if (st != SLUICE_OK)
        return st;
    st = plugin_open_in(folder_fd, name, owner, ret_fd, err);
    (void)close(folder_fd); /* only a path */
    return st;
}
