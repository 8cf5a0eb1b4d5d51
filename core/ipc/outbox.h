/* SPDX-License-Identifier: ISC */
/*
 * outbox: a channel's frames on their way out: bytes in one piece, and descriptors that belong to
 * places in them. Only channel.c uses it.
 *
 * A descriptor goes with the first byte of its frame: a sendmsg carries at most one, and begins at
 * its place. Once any byte of that sendmsg is out, the descriptor is out too.
 */
#ifndef IPC_OUTBOX_H
#define IPC_OUTBOX_H

#include "base/buffer.h"
#include "ipc/frame.h"

struct outbox_descriptor {
    uint64_t place; /* in the stream, as sent_bytes counts */
    int fd;
};

struct outbox {
    struct buffer bytes;
    size_t head;         /* bytes before it are out */
    uint64_t sent_bytes; /* since the beginning */
    struct outbox_descriptor *descriptors;
    size_t first_descriptor;
    size_t descriptor_count; /* from the first on */
    size_t descriptor_capacity;
};

enum outbox_state {
    OUTBOX_EMPTY,   /* all is out */
    OUTBOX_BLOCKED, /* wait until the socket takes more */
    OUTBOX_STARVED, /* the kernel has no room for more descriptors or memory: try again soon */
    OUTBOX_BROKEN,  /* errno */
};

/* Adds a frame; fd is -1, or duplicated. TEMP: nothing was added. */
sluice_status outbox_add(struct outbox *outbox, const struct frame_header *header,
                         const struct sluice_span *parts, size_t count, int fd);
size_t outbox_pending(const struct outbox *outbox);
/* Sends what the socket takes. */
enum outbox_state outbox_flush(struct outbox *outbox, int socket);
/* Frees all, and closes descriptors that have not gone. The outbox is empty and usable. */
void outbox_done(struct outbox *outbox);

#endif
