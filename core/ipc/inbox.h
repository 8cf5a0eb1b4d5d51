/* SPDX-License-Identifier: ISC */
/*
 * inbox: a channel's bytes on their way in, cut into frames. Only channel.c uses it.
 *
 * Order: inbox_receive, then inbox_next until NOT_FOUND, and again. A frame's body is valid until
 * the next inbox_receive.
 */
#ifndef IPC_INBOX_H
#define IPC_INBOX_H

#include "ipc/channel.h"

/*
 * A read ends behind the bytes that a descriptor came with. So between two reads at most two are
 * waiting: that of a frame whose end is still to come, and that of the frame which the read ended
 * in.
 */
#define INBOX_DESCRIPTORS_MAX 2

struct inbox {
    char *bytes;
    size_t capacity;
    size_t begin; /* of what has not been taken */
    size_t end;
    int fds[INBOX_DESCRIPTORS_MAX]; /* received and not taken, the oldest first */
    size_t fd_count;
    bool is_short; /* the last read took all that there was */
};

/* One recvmsg. OK; TEMP: nothing there now; NOT_FOUND: the peer has closed; PERM: it is of no
 * use any more, see *ret_reason. */
sluice_status inbox_receive(struct inbox *inbox, int socket, const char **ret_reason);
/* The next whole frame, whose descriptor is the caller's. NOT_FOUND: not there yet; PERM: nonsense,
 * see *ret_reason. */
sluice_status inbox_next(struct inbox *inbox, struct channel_frame *ret_frame,
                         const char **ret_reason);
void inbox_done(struct inbox *inbox);

#endif
