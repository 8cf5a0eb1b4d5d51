/* SPDX-License-Identifier: ISC */
/*
 * maildir: https://cr.yp.to/proto/maildir.html, with Postfix's names: time, device and inode, microseconds
 * and host, which no other delivery has.
 */
#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define FILE_MODE 0600

static bool join(char path[PATH_MAX], const char *folder, const char *name)
{
    int len = snprintf(path, PATH_MAX, "%s%s", folder, name);

    return len > 0 && len < PATH_MAX;
}

/* The folder that a path lies in, with its slash at the end; of folders the one above. */
static void cut_to_parent(char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 1 && path[len - 1] != '/')
        len--;
    path[len] = '\0';
}

/* 0, or -1 with errno. One that is made is safe in its parent before anything is put into it. */
static int make_one(const char *path)
{
    char parent[PATH_MAX];
    struct stat info;

    if (mkdir(path, FOLDER_MODE) == 0) {
        (void)snprintf(parent, sizeof(parent), "%s", path); /* has room */
        cut_to_parent(parent);
        return mailbox_sync_folder(parent);
    }
    int error = errno;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    errno = error;
    return -1;
}

/* The same with those above it, as far as they are missing. */
static int make_folder(const char *folder)
{
    char path[PATH_MAX];
    size_t len = strlen(folder);

    for (size_t i = 1; i <= len; i++) {
        if (i < len && folder[i] != '/')
            continue;
        memcpy(path, folder, i);
        path[i] = '\0';
        if (make_one(path) == -1)
            return -1;
    }
    return 0;
}

static sluice_status make_folders(const struct mailbox *mailbox, struct result *result)
{
    static const char *const names[] = {"tmp", "new", "cur"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];

        if (!join(path, mailbox->target->path, names[i]))
            return result_set_errno(result, ENAMETOOLONG, "create maildir folder");
        if (make_folder(path) == -1)
            return result_set_errno(result, errno, "create maildir folder %s", path);
    }
    return SLUICE_OK;
}

static int open_file(struct mailbox *mailbox)
{
    static atomic_uint counter; /* threads have one process id */
    char name[NAME_MAX + 1];
    int len = snprintf(name, sizeof(name), "tmp/%lld.P%ldQ%u.%s", (long long)time(NULL),
                       (long)getpid(), atomic_fetch_add(&counter, 1), mailbox->hostname);

    if (len < 0 || (size_t)len >= sizeof(name) ||
        !join(mailbox->file, mailbox->target->path, name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(mailbox->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
}

sluice_status maildir_open(struct mailbox *mailbox, struct result *result)
{
    mailbox->fd = open_file(mailbox);
    if (mailbox->fd == -1 && errno == ENOENT) {
        if (make_folders(mailbox, result) != SLUICE_OK) {
            mailbox->file[0] = '\0';
            return result->status;
        }
        mailbox->fd = open_file(mailbox);
    }
    if (mailbox->fd != -1)
        return SLUICE_OK;
    (void)result_set_errno(result, errno, "create maildir file %s", mailbox->file);
    mailbox->file[0] = '\0'; /* nothing to take back */
    return result->status;
}

static bool name_file(const struct mailbox *mailbox, char path[PATH_MAX])
{
    char name[NAME_MAX + 1];
    struct timeval now;
    struct stat info;

    if (fstat(mailbox->fd, &info) == -1 || gettimeofday(&now, NULL) == -1)
        return false;
    int len = snprintf(name, sizeof(name), "new/%lld.V%lxI%lxM%ld.%s", (long long)now.tv_sec,
                       (unsigned long)info.st_dev, (unsigned long)info.st_ino, (long)now.tv_usec,
                       mailbox->hostname);
    errno = ENAMETOOLONG;
    return len > 0 && (size_t)len < sizeof(name) && join(path, mailbox->target->path, name);
}

/* The other two folders may be missing although tmp/ is there. */
static sluice_status rename_file(const struct mailbox *mailbox, const char *path,
                                 struct result *result)
{
    int status = rename(mailbox->file, path);

    if (status == -1 && errno == ENOENT) {
        if (make_folders(mailbox, result) != SLUICE_OK)
            return result->status;
        status = rename(mailbox->file, path);
    }
    return status == 0 ? SLUICE_OK
                       : result_set_errno(result, errno, "create maildir file %s", path);
}

/* Nobody sees it before it is whole and on disk. */
sluice_status maildir_finish(struct mailbox *mailbox, struct result *result)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];

    if (!join(folder, mailbox->target->path, "new") || !name_file(mailbox, path))
        return result_set_errno(result, errno, "create maildir file");
    if (fsync(mailbox->fd) == -1)
        return result_set_errno(result, errno, "error writing message");
    int status = close(mailbox->fd);
    mailbox->fd = -1;
    if (status == -1)
        return result_set_errno(result, errno, "error writing message");
    if (rename_file(mailbox, path, result) != SLUICE_OK)
        return result->status;
    if (mailbox_sync_folder(folder) == -1)
        return result_set_errno(result, errno, "sync maildir folder %s", folder);
    return SLUICE_OK;
}

void maildir_undo(struct mailbox *mailbox)
{
    if (!mailbox->is_finished && mailbox->file[0] != '\0')
        (void)unlink(mailbox->file); /* what stays in tmp/ is nobody's mail */
    mailbox->file[0] = '\0';
}
