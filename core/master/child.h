/* SPDX-License-Identifier: ISC */
/*
 * child: one role process through all its lives: executed, handed what its role needs, linked with
 * its peers, started again when it dies, until it is asked to leave. Only children.c and handover.c
 * use it.
 *
 * It lives on a task of its own. One that was asked to leave and has left is freed by that task; one
 * that failed before it was ever ready stays, with the reason, until somebody asks it to leave.
 */
#ifndef MASTER_CHILD_H
#define MASTER_CHILD_H

#include "ipc/channel.h"
#include "master/children.h"
#include "master/limits.h"
#include "master/obituary.h"
#include "master/process.h"
#include "master/restart.h"
#include "master/vitals.h"
#include "task/task.h"

#define CHILD_NAME_SIZE 32

/* What a queue process leaves to the next one. */
struct bequest {
    bool is_settled; /* the store is closed, or the process has ended */
    int fd;          /* what was under way; -1: nothing, or it crashed */
};

struct child {
    struct children *children;
    struct generation *generation; /* a reference */
    const struct generation_role *role;
    unsigned index;
    char name[CHILD_NAME_SIZE]; /* "queue 0" */
    struct process *process;    /* NULL between two lives */
    struct channel *channel;    /* NULL: none, or it is broken */
    bool is_ready;              /* in this life */
    uint64_t link_count;        /* that it was sent in this life */
    bool was_ready;             /* in any */
    bool was_killed;            /* its last life was ended by a signal */
    unsigned early_deaths;      /* before it was ever ready */
    bool is_leaving;            /* asked to; the present life is the last */
    bool is_dismissed;          /* killed, because it did not leave in time */
    bool has_left;              /* its task is over */
    bool is_held;               /* START comes with child_release() */
    bool is_vital;              /* tried for ever */
    int inherited_fd;           /* for its first life that becomes ready; -1: nothing */
    struct bequest *bequest;    /* NULL: it hands nothing over */
    struct error fault;         /* why it never became ready */
    struct restart restart;
    bool is_isolated;         /* deliver: for suspects alone */
    const struct generation_crew *crew; /* deliver: NULL: the common one */
    struct limits limits;     /* lookup: of an isolated table */
    struct obituary obituary; /* of the present life */
    struct vitals vitals;     /* of the present life */
    struct child *next;
};

struct children {
    const struct children_setup *setup;
    struct child *list;
    struct task_queue changed; /* one of them became ready, or has left, or is to leave */
};

/* Until all that were started are ready; see children_start. [task: waits] */
sluice_status children_wait_for_ready(struct children *children,
                                      const struct generation *generation, const char *role,
                                      int64_t deadline_ms, struct error *err);
/* NULL: of any generation, of any role. */
bool children_have_left(const struct children *children, const struct generation *generation,
                        const char *role);
/* TEMP: deadline or cancelled. [task: waits] */
sluice_status children_wait_for_end(struct children *children, const struct generation *generation,
                                    const char *role, int64_t deadline_ms);

/* Adds a child and starts its task. is_held: it waits for child_release(). */
sluice_status child_start(struct children *children, struct generation *generation,
                          const char *role, unsigned index, bool is_held, struct child **ret_child,
                          struct error *err);
bool child_is(const struct child *child, const char *role);
/* The name of its crew; empty for the common one, and for other roles than deliver. */
struct sluice_span child_crew(const struct child *child);
/* Lets a held child begin. fd: what it inherits, or -1; is taken over. */
void child_release(struct child *child, int fd);
/* Asks it to finish what is under way and leave; grace_ms: how long what needs not end at once may go
 * on. May be said again, with less. */
void child_drain(struct child *child, int64_t grace_ms);
/* Asks it to hand over and leave; bequest must stay until it is settled. */
void child_hand_over(struct child *child, struct bequest *bequest);
/* It goes on logging into the setup's log_fd. */
void child_renew_log(struct child *child);
/* Kills it for good. */
void child_kill(struct child *child);
/* For one that has left. */
void child_free(struct child *child);

#endif
