/* SPDX-License-Identifier: ISC */
/*
 * content: a message's content for who may read it: postcat.
 */
#ifndef QUEUE_CONTENT_H
#define QUEUE_CONTENT_H

#include "queue/session.h"

#define CONTENT_CHUNK_SIZE 16384 /* that is read and written at a time */

/* The command "queue content": the message as `queue show` has it, then {"content_size"} and that
 * many bytes as they are. A content that cannot be read to its end ends the connection. [task: waits] */
sluice_status content_send(struct session *session, json_t *request);

#endif
