/* SPDX-License-Identifier: ISC */
/*
 * role_private: what a process of a role is, for role.c (what the master says) and role_ask.c (what it is
 * asked for) alone. A process has one role, and role_plugin_fd is asked without one: hence the one struct.
 */
#ifndef CONFIG_ROLE_PRIVATE_H
#define CONFIG_ROLE_PRIVATE_H

#include "config/role.h"

#include "config/handed.h"
#include "ipc/channel.h"

#include <uv.h>

#define ROLE_PEERS 2 /* who the roles have links to: queue, lookup */

enum role_phase {
    PHASE_BORN,     /* takes what is handed down */
    PHASE_STARTING, /* start() has been called */
    PHASE_FAILED,   /* and has returned an error */
    PHASE_RUNNING,  /* or OK */
    PHASE_FINISHED, /* role_finished, role_handed_over */
};

/* How the role is to end: the first wish counts. */
enum role_ending {
    ENDING_NONE,
    ENDING_DRAIN,
    ENDING_HANDOVER,
};

struct role_runtime {
    struct role role;
    const struct role_ops *ops;
    struct channel *master;
    struct config *config;
    char *crew;
    struct handed plugins;
    struct handed addresses;
    struct handed shared;
    struct role_listener *listeners;
    bool is_log_started;
    int log_fd; /* -1: none */
    enum role_phase phase;
    enum role_ending ending;   /* asked for */
    bool is_replaced;          /* asked for by us */
    uint64_t link_count;       /* that have come */
    bool has_lost[ROLE_PEERS]; /* a link to that peer */
    uv_timer_t relink;         /* runs while any is lost */
    int inherited_fd;
    int exit_status;
};

extern struct role_runtime role_runtime;

/* All threads of a plugin of that name hang: the master is asked for a process instead of this one. */
void role_ask_for_another(const char *name);
/* A link to that peer has come, which was asked for again and again until now. */
void role_link_found(struct sluice_span peer);

#endif
