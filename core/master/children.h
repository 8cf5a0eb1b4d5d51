/* SPDX-License-Identifier: ISC */
/*
 * children: the role processes of one generation: started, linked with each other, started again
 * when they die, drained.
 *
 * Each has a task that sees it through its lives. Queue is linked with every receive and deliver
 * process, as soon as both ends are ready, and again when one of them was restarted.
 */
#ifndef MASTER_CHILDREN_H
#define MASTER_CHILDREN_H

#include "base/error.h"
#include "base/log.h"
#include "config/role.h"
#include "master/generation.h"
#include "master/privileges.h"
#include "master/shared.h"

struct children;

struct children_setup {
    const struct generation *generation;
    enum log_target log_target;
    int log_fd; /* LOG_TO_FILE; else -1 */
    bool is_output_logged; /* standard output and error of roles: lines of the log */
    int lock_fd;
    struct privileges queue_owner;
    struct privileges network_owner;
    int ruleset;                           /* for all but queue; -1: none */
    const struct role_listener *listeners; /* for receive */
    size_t listener_count;
    const struct shared *shared;
};

/* setup and what it points to stay the caller's, and stay. [loop] */
sluice_status children_new(const struct children_setup *setup, struct children **ret_children);

/* Starts count processes of a role and waits until they are ready. One that cannot start is not
 * tried again: CONFIG where it says so (EX_CONFIG), else TEMP. [task: waits] */
sluice_status children_start(struct children *children, const char *role, unsigned count,
                             struct error *err);
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
