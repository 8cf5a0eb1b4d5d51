/* SPDX-License-Identifier: ISC */
/*
 * children: the role processes of all generations: started, linked with each other, started again
 * when they die, handed over, drained.
 *
 * Queue is linked with every receive and deliver process, whatever their generations, and each of these with
 * the lookup processes of its own, as soon as both ends are ready, and again when one of them was
 * restarted.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include "base/error.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "master/generation.h"
#include "master/privileges.h"
#include "master/shared.h"

struct children;

/* What no reload changes. */
struct children_setup {
    enum log_target log_target;
    int log_fd; /* LOG_TO_FILE; else -1 */
    bool is_output_logged; /* standard output and error of roles: lines of the log */
    int lock_fd;
    struct privileges queue_owner;
    struct privileges network_owner;
    const struct shared *shared;
    int control_fd; /* listens for the control commands; for queue */
    /* Somebody asks for a reload; takes over the connection that wants the answer. */
    void (*reload)(void *user, int asker_fd);
    void *user;
};

/* setup and what it points to stay the caller's, and stay. [loop] */
sluice_status children_new(const struct children_setup *setup, struct children **ret_children);

/* Starts count processes of a role and waits until they are ready. One that cannot start is not
 * tried again: CONFIG where it says so (EX_CONFIG), else TEMP, also after deadline_ms. [task: waits] */
sluice_status children_start(struct children *children, struct generation *generation,
                             const char *role, unsigned count, int64_t deadline_ms,
                             struct error *err);
/* The same for deliver's crews but the common one (config/crews.h), one process each. [task: waits] */
sluice_status children_start_crews(struct children *children, struct generation *generation,
                                   int64_t deadline_ms, struct error *err);
/*
 * From the queue process that runs to one of the generation to: it begins when the former has closed
 * the store, with what that had under way. Where it does not begin, one of the generation from does, and
 * is tried for ever. OK: a queue of the generation to runs. TEMP or CONFIG: why not. To be cancelled
 * only when everything is to end. [task: waits]
 */
sluice_status children_hand_over(struct children *children, struct generation *from,
                                 struct generation *to, struct error *err);
/* Asks all processes of other generations to finish at their own pace, for grace_ms at most, and leave;
 * nobody waits for them. Those of long ago have no time. None is started again. */
void children_retire(struct children *children, const struct generation *present,
                     int64_t grace_ms);
/* The answer to an asker; without a queue that is ready nobody gets it. */
void children_answer(const struct children *children, const struct message_reloaded *answer,
                     int asker_fd);
/* Asks the processes of a role to finish, and waits until they have left. None is started again.
 * TEMP: deadline or cancelled. [task: waits] */
sluice_status children_drain(struct children *children, const char *role, int64_t deadline_ms);
/* All of them go on logging into the setup's log_fd, which is another one now. */
void children_renew_log(struct children *children);
/* Kills what still runs of a role; NULL: of all. None is started again. */
void children_kill(struct children *children, const char *role);
/* Kills what still runs, and frees all. Accepts NULL. [task: waits] */
void children_free(struct children *children);

#endif
