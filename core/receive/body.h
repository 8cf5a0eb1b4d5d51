/* SPDX-License-Identifier: ISC */
/*
 * body: the content of one message while it comes in. It begins in memory, which is paid for with
 * the queue's credit; when that is used up, or the content is larger than what travels in memory, it
 * moves into a file that the queue has staged, and only one write's worth stays in memory.
 *
 * Order: body_open; body_room and body_fill as often as there are bytes; body_commit; body_close
 * (which throws away what was not committed). On a task.
 */
#ifndef RECEIVE_BODY_H
#define RECEIVE_BODY_H

#include "receive/intake.h"

struct staged;

struct body {
    struct intake *intake;
    uint64_t id;
    char *bytes; /* content, or what is to be written next */
    size_t len;
    size_t capacity;
    uint64_t paid; /* credit for capacity; none once there is a file */
    struct staged *staged; /* NULL: all is in bytes */
    uint64_t size;         /* of the content so far */
};

void body_open(struct body *body, struct intake *intake, uint64_t id);
void body_close(struct body *body);
/*
 * Room for at least min bytes (at most BODY_ROOM_MAX) behind what is there. TEMP with a text when it
 * cannot be had: the body is of no use then. [task: waits]
 */
#define BODY_ROOM_MAX ((size_t)4096)
sluice_status body_room(struct body *body, size_t min, char **ret_room, size_t *ret_size,
                        struct error *err);
/* So many bytes of the room have been filled. */
void body_fill(struct body *body, size_t len);
/* Gives content and envelope to the queue. OK: durable. The body is empty afterwards.
 * [task: waits] */
sluice_status body_commit(struct body *body, struct sluice_span envelope, struct error *err);

#endif
