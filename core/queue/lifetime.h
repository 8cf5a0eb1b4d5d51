/* SPDX-License-Identifier: ISC */
/*
 * lifetime: mail that has waited too long is given up, and its sender is warned before that.
 *
 * Timers of their own, not by-products of attempts, and without a byte for each message: messages
 * are in the order of their arrival, so for each limit a hand moves along behind them. What it
 * passes has reached that age. What is in flight then is given up when it comes back; what is on
 * hold stays until it is taken off hold; what is overdue at a start gets an attempt first.
 *
 * A lifetime of 0 means one attempt: the end of that is where it counts, and no hand moves.
 *
 * lifetime_start when the store has been read; the rest at any time. On the loop's thread.
 */
#ifndef QUEUE_LIFETIME_H
#define QUEUE_LIFETIME_H

#include "base/error.h"
#include "queue/id_list.h"
#include "queue/schedule.h"
#include "task/task.h"

struct active;
struct queue;

/* A place among the messages: those before it have reached the age limit_ms. */
struct lifetime_hand {
    struct cursor cursor;
    int64_t limit_ms; /* 0: it does not move */
    int64_t
        start_ms; /* since 1970 UTC: what came before that is not passed for grace_ms after it */
    int64_t grace_ms;
};

enum lifetime_limit {
    LIFETIME_EXPIRY,        /* maximal_queue_lifetime */
    LIFETIME_BOUNCE_EXPIRY, /* bounce_queue_lifetime, of mail without a sender */
    LIFETIME_WARNING,       /* delay_warning_time */
    LIFETIME_LIMITS,
};

struct lifetime {
    struct lifetime_hand hands[LIFETIME_LIMITS];
    struct id_list named;   /* to be looked at wherever the hands are */
    struct task_queue work; /* the task waits here */
};

/* When the hand passes the next message: since 1970 UTC; CLOCK_NEVER: there is none now. */
int64_t lifetime_next_ms(const struct lifetime_hand *hand);
/* The next message that has reached the hand's age, past which it moves; NULL: none yet. */
struct queue_message *lifetime_pass(struct lifetime_hand *hand, int64_t wall_ms);

sluice_status lifetime_start(struct queue *queue, struct error *err);
/* The message has been taken off hold, where it may have become too old, or an operator wants it given
 * up (is_expired): that follows, as soon as it is neither in flight nor on hold. Without memory for
 * that it follows an attempt, and it is said. */
void lifetime_review(struct queue *queue, struct queue_message *message);
/* A job of the active message has ended. */
void lifetime_job_ended(struct queue *queue, struct active *active);
/* When the message is given up, at the latest: since 1970 UTC; 0: that is not known. */
int64_t lifetime_expires_ms(const struct queue *queue, const struct queue_message *message);
/* After its task has ended. */
void lifetime_done(struct queue *queue);

#endif
