/* SPDX-License-Identifier: ISC */
/*
 * outbox: gathering frames and sending them with as few sendmsg as their descriptors allow.
 */
#include "ipc/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUTBOX_KEEP ((size_t)1024 * 1024) /* memory beyond this is given back when all is out */
#define DESCRIPTORS_MIN_CAPACITY 16

static bool reserve_descriptor(struct outbox *outbox)
{
    size_t used = outbox->first_descriptor + outbox->descriptor_count;
    struct outbox_descriptor *list = outbox->descriptors;

    if (used < outbox->descriptor_capacity)
        return true;
    if (outbox->first_descriptor >= used / 2 && used > 0) {
        memmove(list, list + outbox->first_descriptor, outbox->descriptor_count * sizeof(*list));
        outbox->first_descriptor = 0;
        return true;
    }
    size_t capacity = used == 0 ? DESCRIPTORS_MIN_CAPACITY : 2 * used;
    list = reallocarray(list, capacity, sizeof(*list));
    if (list == NULL)
        return false;
    outbox->descriptors = list;
    outbox->descriptor_capacity = capacity;
    return true;
}

size_t outbox_pending(const struct outbox *outbox)
{
    return outbox->bytes.len - outbox->head;
}

sluice_status outbox_add(struct outbox *outbox, const struct frame_header *header,
                         const struct sluice_span *parts, size_t count, int fd)
{
    int copy = -1;

    if (fd != -1 && !reserve_descriptor(outbox))
        return SLUICE_TEMP;
    if (buffer_reserve(&outbox->bytes, sizeof(*header) + header->size) == NULL)
        goto no_memory;
    if (fd != -1 && (copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
        return SLUICE_TEMP;
    if (copy != -1) {
        size_t at = outbox->first_descriptor + outbox->descriptor_count++;
        outbox->descriptors[at].place = outbox->sent_bytes + outbox_pending(outbox);
        outbox->descriptors[at].fd = copy;
    }
    buffer_add(&outbox->bytes, header, sizeof(*header));
    for (size_t i = 0; i < count; i++)
        buffer_add_span(&outbox->bytes, parts[i]);
    return SLUICE_OK;
no_memory:
    outbox->bytes.failed = false; /* what was there before is whole */
    return SLUICE_TEMP;
}

/* One sendmsg of up to len bytes, with fd unless it is -1. */
static ssize_t send_bytes(int socket, const char *bytes, size_t len, int fd)
{
    union {
        struct cmsghdr header; /* for the alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd != -1) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    }
    ssize_t n;
    do {
        n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n == -1 && errno == EINTR);
    return n;
}

static void take_descriptor(struct outbox *outbox)
{
    (void)close(outbox->descriptors[outbox->first_descriptor].fd); /* the peer has its own */
    outbox->descriptor_count--;
    outbox->first_descriptor = outbox->descriptor_count > 0 ? outbox->first_descriptor + 1 : 0;
}

/* Sends up to the next place of a descriptor. */
static ssize_t send_stretch(struct outbox *outbox, int socket)
{
    const struct outbox_descriptor *next = outbox->descriptors + outbox->first_descriptor;
    size_t count = outbox->descriptor_count;
    size_t len = outbox_pending(outbox);
    int fd = -1;

    if (count > 0 && next->place == outbox->sent_bytes) {
        fd = next->fd;
        next++;
        count--;
    }
    if (count > 0)
        len = (size_t)(next->place - outbox->sent_bytes);
    ssize_t n = send_bytes(socket, outbox->bytes.ptr + outbox->head, len, fd);
    if (n > 0 && fd != -1)
        take_descriptor(outbox);
    return n;
}

/* Moving the rest to the front costs no more than what has gone since the last time. */
static void tidy(struct outbox *outbox)
{
    if (outbox->head == outbox->bytes.len) {
        if (outbox->bytes.capacity > OUTBOX_KEEP)
            buffer_done(&outbox->bytes);
        else
            buffer_clear(&outbox->bytes);
        outbox->head = 0;
    } else if (outbox->head >= outbox_pending(outbox)) {
        buffer_consume(&outbox->bytes, outbox->head);
        outbox->head = 0;
    }
}

enum outbox_state outbox_flush(struct outbox *outbox, int socket)
{
    enum outbox_state state = OUTBOX_EMPTY;

    while (state == OUTBOX_EMPTY && outbox_pending(outbox) > 0) {
        ssize_t n = send_stretch(outbox, socket);
        if (n >= 0) {
            outbox->head += (size_t)n;
            outbox->sent_bytes += (uint64_t)n;
        } else if (errno == EAGAIN) {
            state = OUTBOX_BLOCKED;
        } else if (errno == ETOOMANYREFS || errno == ENOMEM || errno == ENOBUFS) {
            state = OUTBOX_STARVED;
        } else {
            return OUTBOX_BROKEN;
        }
    }
    tidy(outbox);
    return state;
}

void outbox_done(struct outbox *outbox)
{
    while (outbox->descriptor_count > 0)
        take_descriptor(outbox);
    free(outbox->descriptors);
    buffer_done(&outbox->bytes);
    *outbox = (struct outbox){0};
}
