/* SPDX-License-Identifier: ISC */
/*
 * question: what a control command asks of another role, which answers with JSON: EXPLAIN and TABLES, each
 * answered by EXPLAINED. On the loop's thread.
 */
#ifndef QUEUE_QUESTION_H
#define QUEUE_QUESTION_H

#include "base/buffer.h"
#include "ipc/channel.h"
#include "ipc/messages.h"

#include <jansson.h>

struct queue;

#define QUESTION_TIME_MS (EXPLAIN_TIME_MS + 5000)

/* What the process at the other end says; NULL: nothing in that time. channel may be NULL. Takes the body;
 * the answer is the caller's. [task: waits] */
json_t *question_ask(struct queue *queue, struct channel *channel, uint16_t type,
                     struct buffer *body, int64_t time_ms);
/* EXPLAINED has come. Whoever asked may have given up, or may have been the queue before. OK. */
sluice_status question_answered(struct queue *queue, const struct channel_frame *frame);
/* Nothing more comes over that link, which may be NULL. */
void question_link_ended(struct queue *queue, const struct channel *channel);

#endif
