/* SPDX-License-Identifier: ISC */
/*
 * names: what clients are called: the name of the address in /etc/hosts, else the one in the DNS if
 * it has that address itself.
 *
 * Look-ups run on tasks of their own, a few at a time, so that no client waits for its name; a session
 * that needs it earlier takes "unknown". libunbound remembers what it was told.
 */
#ifndef RECEIVE_NAMES_H
#define RECEIVE_NAMES_H

#include "net/address.h"
#include "net/hosts_file.h"
#include "task/task.h"

#include <stdbool.h>

#define NAMES_UNKNOWN "unknown"

struct name_query;

/* Zero it, set is_enabled and hosts.path. */
struct names {
    bool is_enabled; /* false: nobody has a name */
    struct hosts_file hosts;
    struct name_query *waiting; /* for a task */
    struct name_query *running;
    unsigned running_count;
    struct task_queue ended;
};

struct names_found {
    const char *name;         /* or NAMES_UNKNOWN */
    const char *reverse_name; /* of the address, whether it has that address or not; or NAMES_UNKNOWN */
    bool is_temporary;        /* what is unknown may be known later: a name server did not answer */
};

/* Called once, but not before names_ask has returned. */
typedef void names_fn(void *user, const struct names_found *found);

/* The name where no question is needed; NULL: ask. */
const char *names_find(struct names *names, const struct address *address);
/* NULL: no memory; fn is not called then. */
struct name_query *names_ask(struct names *names, const struct address *address, names_fn *fn,
                             void *user);
/* fn is not to be called any more; accepts NULL. */
void names_forget(struct name_query *query);
/* Gives up what is under way; nothing may be asked any more. [task: waits] */
void names_stop(struct names *names);
/* After names_stop. */
void names_done(struct names *names);

#endif
