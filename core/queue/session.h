/* SPDX-License-Identifier: ISC */
/*
 * session: one connection of the control socket: a request, lines of answer, an end.
 */
#ifndef QUEUE_SESSION_H
#define QUEUE_SESSION_H

#include "base/buffer.h"
#include "base/error.h"
#include "net/stream.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct queue;

struct session {
    struct queue *queue;
    struct stream *stream;
    uid_t uid;         /* the asker's; UID_UNKNOWN */
    struct buffer out; /* lines on their way */
    bool is_broken;    /* in the middle of something: no end is written */
    struct error err;  /* what the end says */
    bool is_passed_on; /* somebody else answers */
};

#define SESSION_GATHER 16384 /* bytes of lines that are sent together */
#define UID_UNKNOWN ((uid_t)-1)

/* True for root and for the queue's owner, who may do everything. */
bool session_is_privileged(const struct session *session);

/* OK: the caller drops *ret_request. Otherwise the asker has been told. [task: waits] */
sluice_status session_read_request(struct session *session, json_t **ret_request);
/* A member of a request that is a text; "" if it is not there. */
const char *session_text(const json_t *request, const char *name);
/* Writes a line; takes the object. TEMP: the asker has gone, or there is no memory (object is NULL
 * then, too). [task: waits] */
sluice_status session_put(struct session *session, json_t *object);
/* Lines gather; this sends them before something that takes a while. TEMP: the asker has gone.
 * [task: waits] */
sluice_status session_send(struct session *session);
/* Writes the last line, and sends all. [task: waits] */
void session_end(struct session *session, sluice_status status);

#endif
