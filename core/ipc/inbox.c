/* SPDX-License-Identifier: ISC */
/*
 * inbox: a buffer that several frames fit in, grown for a large one and given back behind it.
 */
#include "ipc/inbox.h"

#include "ipc/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INBOX_CAPACITY ((size_t)128 * 1024)

static bool peek_header(const struct inbox *inbox, struct frame_header *ret_header)
{
    if (inbox->end - inbox->begin < sizeof(*ret_header))
        return false;
    memcpy(ret_header, inbox->bytes + inbox->begin, sizeof(*ret_header));
    return true;
}

/* Room behind end for at least one byte, and for all of the frame that has begun. */
static bool make_room(struct inbox *inbox)
{
    size_t wanted = INBOX_CAPACITY;
    size_t len = inbox->end - inbox->begin;
    struct frame_header header;

    if (peek_header(inbox, &header) && sizeof(header) + header.size > wanted)
        wanted = sizeof(header) + header.size; /* inbox_next has refused what is too large */
    if (inbox->begin > 0 && len > 0)
        memmove(inbox->bytes, inbox->bytes + inbox->begin, len);
    inbox->begin = 0;
    inbox->end = len;
    if (inbox->capacity == wanted || (inbox->capacity > wanted && len > 0))
        return true;
    char *bytes = realloc(inbox->bytes, wanted);
    if (bytes == NULL)
        return inbox->capacity > len;
    inbox->bytes = bytes;
    inbox->capacity = wanted;
    return true;
}

/* False if there are more descriptors than frames can have brought. */
static bool keep_descriptor(struct inbox *inbox, struct msghdr *message)
{
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);

    if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
        return true;
    int fd;
    memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
    if (inbox->fd_count == INBOX_DESCRIPTORS_MAX) {
        (void)close(fd); /* nobody wants it */
        return false;
    }
    inbox->fds[inbox->fd_count++] = fd;
    return true;
}

sluice_status inbox_receive(struct inbox *inbox, int socket, const char **ret_reason)
{
    union {
        struct cmsghdr header; /* for the alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};

    *ret_reason = "out of memory";
    if (!make_room(inbox))
        return SLUICE_PERM;
    struct iovec iov = {.iov_base = inbox->bytes + inbox->end,
                        .iov_len = inbox->capacity - inbox->end};
    /* CMSG_SPACE is rounded up, and would let the kernel put a second descriptor there. */
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n;
    do {
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n == -1 && errno == EINTR);
    if (n == -1) {
        *ret_reason = strerror(errno);
        return errno == EAGAIN ? SLUICE_TEMP : SLUICE_PERM;
    }
    inbox->end += (size_t)n;
    inbox->is_short = inbox->end < inbox->capacity && CMSG_FIRSTHDR(&message) == NULL;
    bool is_kept = keep_descriptor(inbox, &message);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        *ret_reason = "a descriptor was lost: more than one, or the limit of open files is reached";
        return SLUICE_PERM;
    }
    if (!is_kept) {
        *ret_reason = "descriptors without frames";
        return SLUICE_PERM;
    }
    return n > 0 ? SLUICE_OK : SLUICE_NOT_FOUND;
}

static int take_descriptor(struct inbox *inbox)
{
    int fd = inbox->fds[0];

    inbox->fd_count--;
    inbox->fds[0] = inbox->fds[1];
    return fd;
}

/* Why the frame that begins with header makes no sense, or NULL. */
static const char *find_fault(const struct inbox *inbox, const struct frame_header *header)
{
    if (header->size > CHANNEL_BODY_MAX)
        return "a frame that is too large";
    if ((header->flags & ~FRAME_HAS_FD) != 0)
        return "a frame with unknown flags";
    if ((header->flags & FRAME_HAS_FD) != 0 && inbox->fd_count == 0)
        return "a frame without its descriptor";
    return NULL;
}

sluice_status inbox_next(struct inbox *inbox, struct channel_frame *ret_frame,
                         const char **ret_reason)
{
    struct frame_header header;
    bool has_header = peek_header(inbox, &header);

    if (inbox->end == inbox->begin && inbox->fd_count > 0) {
        *ret_reason = "a descriptor without a frame";
        return SLUICE_PERM;
    }
    if (has_header && (*ret_reason = find_fault(inbox, &header)) != NULL)
        return SLUICE_PERM;
    if (!has_header || inbox->end - inbox->begin - sizeof(header) < header.size)
        return SLUICE_NOT_FOUND;
    ret_frame->type = header.type;
    ret_frame->ref = header.ref;
    ret_frame->body.ptr = inbox->bytes + inbox->begin + sizeof(header);
    ret_frame->body.len = header.size;
    ret_frame->fd = (header.flags & FRAME_HAS_FD) != 0 ? take_descriptor(inbox) : -1;
    inbox->begin += sizeof(header) + header.size;
    return SLUICE_OK;
}

void inbox_done(struct inbox *inbox)
{
    while (inbox->fd_count > 0)
        (void)close(take_descriptor(inbox)); /* of a frame that never came whole */
    free(inbox->bytes);
    *inbox = (struct inbox){0};
}
