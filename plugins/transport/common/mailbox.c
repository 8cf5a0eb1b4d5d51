/* SPDX-License-Identifier: ISC */
/* mailbox: what both forms share. See mailbox.h. */
#include "mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void mailbox_init(struct mailbox *mailbox, const struct mailbox_target *target,
                  const char *hostname)
{
    *mailbox = (struct mailbox){.target = target, .hostname = hostname, .fd = -1};
}

bool mailbox_is_maildir(const struct mailbox_target *target)
{
    size_t len = strlen(target->path);

    return len > 0 && target->path[len - 1] == '/';
}

sluice_status mailbox_open(struct mailbox *mailbox, struct result *result)
{
    mailbox->is_locked = false;
    return mailbox_is_maildir(mailbox->target) ? maildir_open(mailbox, result)
                                               : mbox_open(mailbox, result);
}

/* Full, as Postfix says it when the kernel enforces the limit. */
static bool is_too_large(const struct mailbox *mailbox, size_t len)
{
    uint64_t limit = mailbox->target->size_limit;
    uint64_t size = (uint64_t)(mailbox->start > 0 ? mailbox->start : 0) + mailbox->written;

    return limit > 0 && (size > limit || len > limit - size);
}

sluice_status mailbox_write(struct mailbox *mailbox, const char *bytes, size_t len,
                            struct result *result)
{
    if (is_too_large(mailbox, len))
        return result_set_errno(result, EFBIG, "error writing message");
    mailbox->written += len;
    while (len > 0) {
        ssize_t n = write(mailbox->fd, bytes, len);

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return result_set_errno(result, errno, "error writing message");
        bytes += n;
        len -= (size_t)n;
    }
    return SLUICE_OK;
}

sluice_status mailbox_finish(struct mailbox *mailbox, struct result *result)
{
    sluice_status st = mailbox_is_maildir(mailbox->target) ? maildir_finish(mailbox, result)
                                                           : mbox_finish(mailbox, result);

    mailbox->is_finished = st == SLUICE_OK;
    return st;
}

void mailbox_close(struct mailbox *mailbox)
{
    if (mailbox_is_maildir(mailbox->target))
        maildir_undo(mailbox);
    else
        mbox_undo(mailbox);
    if (mailbox->fd != -1)
        (void)close(mailbox->fd); /* finished and synced, or void */
    mailbox->fd = -1;
}

int mailbox_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1)
        return -1;
    int status = fsync(fd);
    int error = errno;
    (void)close(fd); /* only read */
    errno = error;
    return status;
}
