/* SPDX-License-Identifier: ISC */
/*
 * resolve: mail that is queued follows the tables. Deliver, which has them, is asked where recipients
 * go now; one whose route is another moves to its new site, there and in its record, and may go at
 * once. What deliver cannot tell keeps its route.
 *
 * What is asked for:
 *   all waiting mail      after a start, which may be with a new configuration, and when tables have
 *                         changed: each answer says what they have, and without other work deliver is
 *                         asked for that alone
 *   messages by name      by an operator; and those whose job deliver gave back, because its
 *                         recipients go somewhere else. Deliver looks before a retry and after a
 *                         release, unless its tables are those that all routes are from
 *
 * Where the tables tell domains apart and not addresses, a walk through all mail asks for one address
 * of each domain and site, and reads no other message. Addresses go in batches, one at a time, each
 * address once in a batch. A message of which something is in flight is looked at again when it is
 * not. When the deliver process goes that has been asked, or answers in part, because the tables are
 * slow, the next batch has half as many messages; one message that was not answered in full
 * RESOLVE_LOSSES_MAX times keeps its route until somebody asks again. On the loop's thread.
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

#define RESOLVE_LOSSES_MAX 3
#define RESOLVE_ANSWER_MS 60000 /* deliver takes less */
#define RESOLVE_POLL_MS 3000    /* spec R-28: a change counts within 10 s, */
#define RESOLVE_SETTLE_MS 10000 /* and by then for receive too, which routes new mail */
/* Between two batches: as many times as long as the batch took; attempts come first. */
#define RESOLVE_PAUSE_FACTOR 3
#define RESOLVE_PAUSE_MIN_MS 20
#define RESOLVE_PAUSE_MAX_MS 200 /* what was waited for was somebody's directory then */
#define RESOLVE_MESSAGES_PER_TURN 1024 /* that are passed over before others get their turn */
#define RESOLVE_AGAIN_MS 2000 /* until what could not be done is tried again */

struct resolving {
    struct cursor cursor;
    bool is_walking; /* the cursor is somewhere */
    bool walks_again; /* when it has come to the end */
    uint32_t walk;    /* its number: domains remember in which they were asked for */
    uint64_t tables;  /* what they have, as it was said last (route/table_state.h); 0: never yet */
    bool has_begun;   /* mail that was there at the start is being asked for, or has been */
    bool has_all_tables; /* each change of them is seen in that */
    int64_t settle_ms; /* when mail that receive has routed meanwhile is asked for; 0: is not to be */
    bool is_busy;      /* with a batch */
    struct id_list named;
    struct task_queue changed; /* the task waits here */
    uint64_t ref;              /* of the question that is out; 0: none */
    const struct deliver_link *asked;
    bool is_answered;
    struct buffer answer;
    size_t width;    /* messages of a batch, at most */
    unsigned losses; /* of a batch of one message, one after the other: no answer, or not all of it */
};

/* Starts the task; it has nothing to do yet. TEMP: no memory. */
sluice_status resolve_start(struct queue *queue);
/* All mail that waits now. */
void resolve_all(struct queue *queue);
/* One message, soon. Without memory for that nothing happens, and it is said. */
void resolve_message(struct queue *queue, const struct queue_message *message);
/* A deliver process has answered. PERM: nobody asked it. */
sluice_status resolve_answered(struct deliver_link *link, const struct channel_frame *frame);
/* The state of the tables that the routes of all mail are from; 0: not known, or not so yet. */
uint64_t resolve_known_tables(const struct resolving *resolving);
/* There is a deliver process to ask. */
void resolve_link_started(struct queue *queue);
/* A deliver process has gone. */
void resolve_link_ended(const struct deliver_link *link);
/* After its task has ended. */
void resolve_done(struct queue *queue);

#endif
