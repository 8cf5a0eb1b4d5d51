/* SPDX-License-Identifier: ISC */
/*
 * report: what the senders of messages have yet to be told: failures, delays, successes.
 *
 * Who owes a report is in the message's record; here is when it is made. Failures of one message
 * gather for a moment, or until nothing of it is under way, into one report. Deliver composes it
 * (MESSAGE_REPORT) and says what it comes to: new messages, to the sender or the postmaster. They go
 * into the store in one batch with the record that says so, all or none: a crash repeats a report
 * and loses none. What cannot be made now is tried again.
 *
 * Order: reports_start, then the rest at any time, reports_done. All on the loop's thread.
 */
#ifndef QUEUE_REPORT_H
#define QUEUE_REPORT_H

#include "ipc/messages.h"
#include "queue/message.h"
#include "queue/owed.h"
#include "task/task.h"

#define REPORT_GATHER_MS 3000

struct deliver_link;
struct envelope;
struct queue;
struct report_call;

struct reports {
    struct owed_table owed;
    struct report_call *calls; /* that deliver processes have */
    uint64_t next_id;          /* for new messages, of the range that is left */
    uint64_t ids_left;
    struct task_queue work; /* reporters wait here */
};

sluice_status reports_start(struct queue *queue, struct error *err);
void reports_done(struct queue *queue);
/* How many messages owe reports. */
size_t report_count(const struct queue *queue);
bool report_is_idle(const struct queue *queue); /* none is being made */

/* A report of that kind on the durable message is due: at once, or once others have gathered. */
void report_owe(struct queue *queue, const struct queue_message *message, enum report_kind kind);
/* The same for all that its record has; for who only asks, once nothing of it waits any more. */
void report_owe_all(struct queue *queue, const struct queue_message *message,
                    const struct envelope *envelope);

/* For dispatch: there may be credit again; a REPORTED frame (PERM: it makes no sense); the link is
 * closing. */
void report_wake(struct queue *queue);
sluice_status report_answered(struct deliver_link *link, struct channel_frame *frame);
void report_link_lost(struct deliver_link *link);
/* The deliver process of that pid has crashed. task: what it was at, if that is known: the name of a
 * message; is_alone: it had no attempts under way. A message whose reports it crashes on again and
 * again is put on hold, and its sender not told until it is taken off hold. */
void report_crashed(struct queue *queue, int32_t pid, const char *task, bool is_alone);

#endif
