/* SPDX-License-Identifier: ISC */
/*
 * mbox: one file for all messages. Others write to it and from it, too; so it is locked in the ways that
 * they know: a file FILE.lock, and a lock of the kernel on the file as a whole. That one belongs to the
 * open file and not to the process, so that two threads keep each other out as two processes do.
 */
#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0600
#define LOCK_MODE 0444
#define OPEN_FLAGS (O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* ---- locks ----------------------------------------------------------------------------------- */

static bool is_stale(const struct mailbox *mailbox, const char *path)
{
    int64_t stale_ms = mailbox->target->stale_lock_ms;
    struct stat info;

    return stale_ms > 0 && lstat(path, &info) == 0 &&
           ((int64_t)time(NULL) - (int64_t)info.st_mtime) * 1000 > stale_ms;
}

/* 0, or -1 with errno; EEXIST: somebody else has it. */
static int make_dotlock(struct mailbox *mailbox)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s.lock", mailbox->target->path);

    if (len < 0 || (size_t)len >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (is_stale(mailbox, path))
        (void)unlink(path); /* whoever made it has died; if not so, O_EXCL says so */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, LOCK_MODE);
    if (fd == -1)
        return -1;
    (void)close(fd); /* it is empty */
    memcpy(mailbox->file, path, (size_t)len + 1);
    return 0;
}

static sluice_status busy(struct mailbox *mailbox, struct result *result)
{
    mailbox->is_locked = true;
    return result_set(result, SLUICE_TEMP, "4.2.0",
                      "unable to lock for exclusive access: mailbox %s is busy",
                      mailbox->target->path);
}

/* Where no file can be made beside the mailbox, the kernel's lock is enough, if there is one. */
static sluice_status take_dotlock(struct mailbox *mailbox, struct result *result)
{
    bool may_fail = (mailbox->target->locks & MAILBOX_LOCK_FCNTL) != 0;

    if ((mailbox->target->locks & MAILBOX_LOCK_DOTLOCK) == 0 || make_dotlock(mailbox) == 0)
        return SLUICE_OK;
    if (errno == EEXIST)
        return busy(mailbox, result);
    if (may_fail && (errno == EACCES || errno == EPERM || errno == EROFS))
        return SLUICE_OK;
    return result_set_errno(result, errno, "unable to create lock file %s.lock",
                            mailbox->target->path);
}

static sluice_status take_kernel_lock(struct mailbox *mailbox, struct result *result)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if ((mailbox->target->locks & MAILBOX_LOCK_FCNTL) == 0 ||
        fcntl(mailbox->fd, F_OFD_SETLK, &lock) == 0)
        return SLUICE_OK;
    if (errno == EAGAIN || errno == EACCES)
        return busy(mailbox, result);
    return result_set_errno(result, errno, "unable to lock %s", mailbox->target->path);
}

/* Somebody may have put another file in its place while we had no lock yet. */
static sluice_status check_identity(struct mailbox *mailbox, struct result *result)
{
    struct stat opened;
    struct stat named;

    if (fstat(mailbox->fd, &opened) == -1)
        return result_set_errno(result, errno, "%s", mailbox->target->path);
    if (lstat(mailbox->target->path, &named) == -1 || opened.st_dev != named.st_dev ||
        opened.st_ino != named.st_ino)
        return busy(mailbox, result);
    return SLUICE_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_file(struct mailbox *mailbox)
{
    const char *path = mailbox->target->path;
    int fd = open(path, OPEN_FLAGS);

    if (fd == -1 && errno == ENOENT) {
        fd = open(path, OPEN_FLAGS | O_CREAT | O_EXCL, FILE_MODE);
        mailbox->is_new = fd != -1;
    }
    return fd;
}

/* What is a link, or has another name, may be somebody else's. */
static sluice_status check_file(struct mailbox *mailbox, struct result *result)
{
    const struct mailbox_target *target = mailbox->target;
    struct stat info;

    if (fstat(mailbox->fd, &info) == -1)
        return result_set_errno(result, errno, "%s", target->path);
    mailbox->is_device = S_ISCHR(info.st_mode);
    if (mailbox->is_device)
        return SLUICE_OK;
    if (!S_ISREG(info.st_mode))
        return result_set(result, SLUICE_PERM, "5.2.0", "destination %s is not a regular file",
                          target->path);
    if (info.st_nlink != 1)
        return result_set(result, SLUICE_TEMP, "4.2.0", "destination %s has other names",
                          target->path);
    if (target->is_owner_strict && info.st_uid != target->owner)
        return result_set(result, SLUICE_TEMP, "4.2.0", "destination %s is not owned by recipient",
                          target->path);
    return SLUICE_OK;
}

/* A message that was cut off by a crash ends without an empty line: one that is put behind it must not
 * become a part of it. */
static sluice_status find_end(struct mailbox *mailbox, struct result *result)
{
    char tail[2] = {'\n', '\n'};
    size_t missing = 0;

    mailbox->start = lseek(mailbox->fd, 0, SEEK_END);
    if (mailbox->start == -1)
        return result_set_errno(result, errno, "%s", mailbox->target->path);
    size_t len = mailbox->start < 2 ? (size_t)mailbox->start : 2;
    if (len > 0 && pread(mailbox->fd, tail + 2 - len, len, mailbox->start - (off_t)len) == -1)
        return result_set_errno(result, errno, "%s", mailbox->target->path);
    if (tail[1] != '\n')
        missing = 2;
    else if (tail[0] != '\n')
        missing = 1;
    return mailbox_write(mailbox, "\n\n", missing, result);
}

sluice_status mbox_open(struct mailbox *mailbox, struct result *result)
{
    sluice_status st;

    mailbox->fd = open_file(mailbox);
    if (mailbox->fd == -1)
        return errno == ELOOP
                   ? result_set(result, SLUICE_PERM, "5.2.0",
                                "destination %s is not a regular file", mailbox->target->path)
                   : result_set_errno(result, errno, "cannot open file %s", mailbox->target->path);
    st = check_file(mailbox, result);
    if (st != SLUICE_OK || mailbox->is_device)
        return st;
    mailbox->start = -1; /* nothing to cut off before it is known */
    st = take_dotlock(mailbox, result);
    if (st == SLUICE_OK)
        st = take_kernel_lock(mailbox, result);
    if (st == SLUICE_OK)
        st = check_identity(mailbox, result);
    return st == SLUICE_OK ? find_end(mailbox, result) : st;
}

/* ---- the end --------------------------------------------------------------------------------- */

static sluice_status sync_parent(const struct mailbox *mailbox, struct result *result)
{
    char folder[PATH_MAX];

    memcpy(folder, mailbox->target->path, sizeof(folder));
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    if (mailbox_sync_folder(folder) == -1)
        return result_set_errno(result, errno, "sync folder %s", folder);
    return SLUICE_OK;
}

sluice_status mbox_finish(struct mailbox *mailbox, struct result *result)
{
    if (mailbox->is_device)
        return SLUICE_OK;
    if (fsync(mailbox->fd) == -1)
        return result_set_errno(result, errno, "error writing message");
    return mailbox->is_new ? sync_parent(mailbox, result) : SLUICE_OK;
}

/* Under the lock that is held; where that was not had, nothing has been written. */
static void cut_off(const struct mailbox *mailbox)
{
    if (mailbox->is_finished || mailbox->is_device || mailbox->fd == -1 || mailbox->start == -1 ||
        mailbox->written == 0)
        return;
    (void)!ftruncate(mailbox->fd,
                     mailbox->start); /* else it is a message too many, not one too few */
}

void mbox_undo(struct mailbox *mailbox)
{
    cut_off(mailbox);
    if (mailbox->file[0] != '\0')
        (void)unlink(mailbox->file);
    mailbox->file[0] = '\0';
}
