/* SPDX-License-Identifier: ISC */
/*
 * channel: frames between two roles over a stream socketpair.
 *
 * A frame is a type, a reference that the reply carries too, a body, and at most one descriptor.
 * Sending never waits: frames gather in memory and go out with one sendmsg at the end of the loop's
 * turn; how much may gather is bounded by the credit that the peer has given (core/task/credit.h),
 * not by the channel. Both sides begin with a hello that names format version and role; a peer of
 * another version is refused. All on the loop's thread.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>

#define CHANNEL_VERSION 1
#define CHANNEL_BODY_MAX ((size_t)4 * 1024 * 1024) /* a peer that sends more is broken */

struct channel;

struct channel_frame {
    uint16_t type;           /* enum message_type in messages.h */
    uint64_t ref;
    struct sluice_span body; /* borrowed for the call of the handler */
    int fd;                  /* -1, or a descriptor: set to -1 to keep it; else it is closed */
};

struct channel_handlers {
    void (*frame)(struct channel *channel, struct channel_frame *frame, void *user);
    /* The peer is gone, or talked nonsense: reason says so, with the channel's name in front. Called
     * once; free the channel then or later. Not called after channel_free. */
    void (*closed)(struct channel *channel, const char *reason, void *user);
};

/* Takes fd over; with TEMP it stays the caller's. name is for the log: "queue to deliver 1"; copied.
 * Frames are handled from the loop's next turn on. */
sluice_status channel_new(int fd, const char *name, const struct channel_handlers *handlers,
                          void *user, struct channel **ret_channel);
/* Closes at once; what was not sent is lost. Accepts NULL. May be called from a handler. */
void channel_free(struct channel *channel);

/*
 * Queues a frame whose body is the parts one after the other (copied); fd is -1, or is duplicated.
 * Nothing was sent with TEMP: there is no memory or no descriptor, or the channel is closed; nor with
 * PERM: the body is larger than CHANNEL_BODY_MAX.
 */
sluice_status channel_send(struct channel *channel, uint16_t type, uint64_t ref,
                           const struct sluice_span *parts, size_t count, int fd);
/* The same with one part. */
sluice_status channel_send_body(struct channel *channel, uint16_t type, uint64_t ref,
                                struct sluice_span body);
/* Bytes that wait to be sent. */
size_t channel_pending(const struct channel *channel);

#endif
