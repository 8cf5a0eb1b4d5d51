/* SPDX-License-Identifier: ISC */
/*
 * state: what the parts of the queue role share. One struct queue in the process, handed to every
 * part; all on the loop's thread.
 */
#ifndef QUEUE_STATE_H
#define QUEUE_STATE_H

#include "config/crews.h"
#include "config/role.h"
#include "queue/deferral.h"
#include "queue/fresh.h"
#include "queue/lease.h"
#include "queue/lifetime.h"
#include "queue/release.h"
#include "queue/report.h"
#include "queue/resolve.h"
#include "queue/schedule.h"
#include "queue/store.h"
#include "queue/suspects.h"
#include "queue/suspension.h"
#include "queue/users.h"
#include "task/task.h"

struct control;
struct deliver_link;
struct question;
struct former_lease;
struct helper;
struct intake_link;
struct job;

struct queue_settings {
    int64_t minimal_backoff_ms;
    int64_t maximal_backoff_ms;
    int64_t etrn_interval_ms;
    int64_t drain_ms;
    int64_t transport_retry_ms;
    int64_t connection_cache_ms;
    struct concurrency_limits concurrency; /* of transports that are not there any more */
    unsigned destination_recipients; /* default_destination_recipient_limit */
    bool is_routed_by_sender; /* sender_dependent_..._maps */
    const char *best_mx_transport;
};

struct queue {
    struct role *role;
    struct queue_settings settings;
    struct deferrals deferrals;
    struct crews crews;
    unsigned last_crew; /* that a job was taken for */
    struct store *store;
    struct sluice_queue_space space; /* of a moment ago */
    bool is_accepting;               /* there is space for new mail */
    struct schedule schedule;
    struct lifetime lifetime;
    struct reports reports;
    struct fresh fresh;
    struct lease lease;
    struct suspensions suspensions;
    struct users viewers;   /* authorized_mailq_users */
    struct users releasers; /* authorized_flush_users */
    struct resolving resolving;
    struct intake_link *intakes;
    struct former_lease *former_leases;
    struct lookup_link *lookups;
    struct deliver_link *delivers;
    struct job *jobs; /* by ref */
    uint64_t next_ref;
    uint64_t inherited;         /* the handover with which this process took over; 0: none */
    uint64_t inherited_ref;     /* next_ref at that time */
    int64_t inherited_until_ms; /* for deliver to claim its jobs; 0: that is over */
    uint64_t handover;          /* the one with which it will leave; 0: none yet */
    int64_t paused_ms;          /* monotonic: when the latest of the two began */
    int64_t started_wall_ms;    /* the first of those that handed over to each other */
    struct task_queue work;     /* dispatchers wait here */
    struct task_queue recorded; /* woken when the store has taken a change of a message */
    struct task_queue ended;    /* woken when a job, a link or a task has gone */
    struct suspects suspects;
    bool is_isolation_asked;   /* the master knows that suspects wait */
    unsigned isolated_crew;    /* that it was asked for */
    int64_t isolation_used_ms; /* when they did last */
    struct control *control;
    struct question *questions;
    struct helper *helpers;
    size_t most_messages; /* since memory was given back */
    bool is_draining;
};

/* Starts a task that ends before the queue does: fn must return soon after it is cancelled. TEMP:
 * no memory. */
sluice_status queue_start_task(struct queue *queue, const char *name, task_fn *fn, void *arg);
/* Waits until is_so, which ended is woken for, or for time_ms; true if it is so. [task: waits] */
bool queue_wait_until(struct queue *queue, bool (*is_so)(const struct queue *queue),
                      int64_t time_ms);
/* Cancels all of them and waits until they have ended. [task: waits; not one of them] */
void queue_end_tasks(struct queue *queue);
/* Lets go of the links and the store, after the tasks have ended. */
void queue_close(struct queue *queue);

#endif
