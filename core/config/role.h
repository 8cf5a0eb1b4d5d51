/* SPDX-License-Identifier: ISC */
/*
 * role: what a role process is born with: its configuration, the plugins' files, listening sockets,
 * and links to other roles, all handed down by the master over descriptor ROLE_MASTER_FD.
 *
 * role_run is the whole life of a role process: log and loop, the master's frames up to START,
 * start(), READY, then links and the loop, until drain() has been asked for and role_finished was
 * called. When the master dies the role drains too, with a short deadline.
 */
#ifndef CONFIG_ROLE_H
#define CONFIG_ROLE_H

#include "base/error.h"
#include "config/config.h"
#include "ipc/messages.h"

/* What a role process is executed with; all other descriptors but the standard ones are closed. */
#define ROLE_MASTER_FD 3 /* a channel to the master */
#define ROLE_LOCK_FD 4   /* the daemon's lock: it is held until the last role has left */
#define ROLE_WORDS_FD 5  /* where the last words of a crash go (master/obituary.h) */

#define ROLE_ORPHAN_MS 10000 /* how long a role may drain when its master has died */

struct role_listener {
    const char *address; /* as configured */
    int fd;              /* stays the role's */
};

struct role {
    const char *name; /* "receive" */
    unsigned index;
    uint64_t generation;
    const char *crew; /* of a deliver process (crews.h); "": the common one */
    const struct config *config;
    const struct role_listener *listeners;
    size_t listener_count;
    int64_t drain_grace_ms; /* how long what needs not end at once may go on; before drain() */
    void *user;             /* the role's own state, set in start() */
};

struct role_ops {
    const char *name;
    bool is_awaited; /* others wait for each of its answers: it is to run soon after it is woken */
    /* Everything that may fail for want of something. On a task. An error ends the process, with
     * EX_CONFIG for CONFIG, else EX_TEMPFAIL. */
    sluice_status (*start)(struct role *role, struct error *err);
    /* A link to another role is there, for the first time or again after that role was restarted;
     * not before start() has returned. Takes fd over. On the loop. */
    void (*link)(struct role *role, const struct message_link *link, int fd);
    /* A deliver process has ended; queue is told. NULL: it does not matter. On the loop. */
    void (*died)(struct role *role, const struct message_died *died);
    /* Take nothing new, finish, then role_finished(). Called again when there is less grace; not before
     * start() has returned. On the loop. */
    void (*drain)(struct role *role);
    /* Another process of this role takes over: finish the batch, let go of what two cannot hold, then
     * role_handed_over(). Called once, instead of drain(), not before start() has returned. NULL: the
     * role is never asked. On the loop. */
    void (*handover)(struct role *role);
    /* The answer to role_ask_for_reload(), perhaps of a process before this one. Takes asker_fd over.
     * NULL: the role never asks. On the loop. */
    void (*reloaded)(struct role *role, const struct message_reloaded *answer, int asker_fd);
    /* Frees everything, also what a start() that failed has left. After the last turn of the loop,
     * which is still there for handles to be closed in; no task of the role is left. */
    void (*stop)(struct role *role);
};

/* Returns the process's exit status. Signals are the master's business: a terminal or a service
 * manager sends them to all processes at once, but roles have to leave in an order. So a role ignores
 * SIGTERM, SIGINT and SIGHUP; it drains when the master says so. */
int role_run(const struct role_ops *ops);
void role_finished(struct role *role);

/* The end of a handover: what is under way, as a sealed memory file that is taken over, goes to the
 * process that comes next. -1: nothing is. */
void role_handed_over(struct role *role, int fd);
/* What the process before has left by role_handed_over, or -1: nothing, or it crashed. It stays the
 * role's; for start(). */
int role_inherited_fd(void);

/* The process at the other end of a link sends nonsense: the master kills it and starts it again, with
 * new links. The master believes queue alone. */
void role_accuse(const struct role *role, const char *peer, unsigned peer_index,
                 int32_t peer_pid);

/* For receive and deliver: a link to that role ("queue", "lookup") has ended. If the other end lives there
 * will be another one. */
void role_link_lost(const char *peer);

/* For queue: somebody who may asks for a reload. asker_fd: the connection that wants the answer, taken
 * over. TEMP: no memory, or no master. */
sluice_status role_ask_for_reload(const struct role *role, int asker_fd);

/* For receive, which drains while others go on: gives the listening sockets up. */
void role_close_listeners(struct role *role);

/* For queue: suspects wait for a deliver process of their own, of that crew; NULL: no more. False: not
 * said, try again. */
bool role_isolate(const struct role *role, const char *crew);

/* The descriptor of a plugin's file ("lookup/hash"), or -1. It stays the role's. */
int role_plugin_fd(const char *plugin);

/* Memory that all processes of some roles share for the daemon's whole life, also across reloads
 * (master/shared.h): its mapping, or NULL: the role has none of that name, or it cannot be mapped.
 * It begins zeroed and stays mapped until the process ends. */
void *role_shared_memory(const char *name, size_t *ret_size);

/* For those roles that count (base/metrics.h): at the beginning of start(). */
void role_start_metrics(void);
/* The same memory for who only looks at it. */
const void *role_shared_view(const char *name, size_t *ret_size);

#endif
