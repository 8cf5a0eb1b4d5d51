/* SPDX-License-Identifier: ISC */
/*
 * death: what follows from the end of a deliver process for the mail that was under way in it.
 *
 * Its link closes, and the master says how it ended; whichever comes first waits for the other. Asked to
 * leave, or killed by the master: its jobs are tried again, and nothing is counted. Else it has
 * crashed: all that it had is suspect (suspects.h), and goes by way of an isolated process, which
 * the master is asked for and told when it is not needed any more.
 */
#ifndef QUEUE_DEATH_H
#define QUEUE_DEATH_H

#include <stdbool.h>

#define DEATH_WAIT_MS 10000     /* for the master's word; then nothing is counted */
#define DEATH_ISOLATION_MS 3000 /* an isolated process without work is kept so long */
#define DEATH_TASK_SIZE 48
#define DEATH_ACTIVITY_SIZE 128
#define DEATH_TEXT_SIZE 96

struct deliver_link;
struct message_died;
struct queue;

/* The master's word. */
struct death {
    bool is_known;
    bool is_crash;
    char task[DEATH_TASK_SIZE];
    char activity[DEATH_ACTIVITY_SIZE]; /* the plugin */
    char text[DEATH_TEXT_SIZE];
};

/* From the master. */
void death_take(struct queue *queue, const struct message_died *died);
/* The link has closed: its channel is gone. The link may be gone afterwards. */
void death_link_closed(struct deliver_link *link);
/* The same where we closed it, because the process sends what makes no sense. */
void death_link_broken(struct deliver_link *link);
/* To be called now and then. */
void death_look(struct queue *queue);

#endif
