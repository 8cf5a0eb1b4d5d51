/* SPDX-License-Identifier: ISC */
/*
 * resolve: mail that is queued follows the tables. Deliver, which has them, is asked where recipients
 * go now; one whose route is another moves to its new site, there and in its record, and may go at
 * once. What deliver cannot tell keeps its route.
 *
 * All waiting mail after a start, which may be with a new configuration, and messages that somebody
 * names. Where the tables tell domains apart and not addresses, a walk through all mail asks for one address
 * of each domain and site, and reads no other message. Addresses go in batches, one at a time, each
 * address once in a batch. A message of which
 * something is in flight is looked at again when it is not. When the deliver process goes that has
 * been asked, the next batch has half as many messages; one that took RESOLVE_LOSSES_MAX processes with
 * it, alone, keeps its route until somebody asks again. On the loop's thread.
 */
#ifndef QUEUE_RESOLVE_H
#define QUEUE_RESOLVE_H

#include "base/error.h"
#include "ipc/channel.h"
#include "queue/id_list.h"
#include "queue/schedule.h"
#include "task/task.h"

struct deliver_link;
struct queue;

#define RESOLVE_BATCH_ADDRESSES 1000
#define RESOLVE_BATCH_MESSAGES 1000
#define RESOLVE_BATCH_BYTES ((size_t)1024 * 1024) /* of addresses */
#define RESOLVE_LOSSES_MAX 3
#define RESOLVE_ANSWER_MS 60000
/* Between two batches: as many times as long as the batch took; attempts come first. */
#define RESOLVE_PAUSE_FACTOR 3
#define RESOLVE_PAUSE_MIN_MS 20
#define RESOLVE_PAUSE_MAX_MS 200 /* what was waited for was somebody's directory then */
#define RESOLVE_MESSAGES_PER_TURN 1024 /* that are passed over before others get their turn */
#define RESOLVE_AGAIN_MS 2000 /* until what could not be done is tried again */

struct resolving {
    struct cursor cursor;
    bool is_walking; /* the cursor is somewhere */
    uint32_t walk;   /* its number: domains remember in which they were asked for */
    struct id_list named;
    struct task_queue changed; /* the task waits here */
    uint64_t ref;              /* of the question that is out; 0: none */
    const struct deliver_link *asked;
    bool is_answered;
    bool is_lost; /* whom we asked has gone */
    struct buffer answer;
    size_t width;    /* messages of a batch, at most */
    unsigned losses; /* of a batch of one message, one after the other */
};

/* Starts the task; it has nothing to do yet. TEMP: no memory. */
sluice_status resolve_start(struct queue *queue);
/* All mail that waits now. */
void resolve_all(struct queue *queue);
/* One message, soon. Without memory for that nothing happens, and it is said. */
void resolve_message(struct queue *queue, const struct queue_message *message);
/* A deliver process has answered. PERM: nobody asked it. */
sluice_status resolve_answered(struct deliver_link *link, const struct channel_frame *frame);
/* A deliver process has gone. */
void resolve_link_ended(const struct deliver_link *link);
/* After its task has ended. */
void resolve_done(struct queue *queue);

#endif
