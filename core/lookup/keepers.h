/* SPDX-License-Identifier: ISC */
/*
 * keepers: who keeps answers of the tables here for as long as a front does (route/remote.h), and has to forget
 * them when the front does.
 *
 * Order: answers that were sent before keepers_forget() are forgotten with the others, since frames keep
 * their order; those sent later must be of what the table has then. On the loop's thread.
 */
#ifndef LOOKUP_KEEPERS_H
#define LOOKUP_KEEPERS_H

#include "base/error.h"
#include "task/task.h"

struct channel;

/* In the memory of whoever has the link; all but its channel is private. */
struct keeper {
    struct channel *channel;
    uint64_t forgotten; /* the last request that it has carried out */
    struct keeper *prev;
    struct keeper *next;
};

/* Zero it to initialise. */
struct keepers {
    struct keeper *list;
    uint64_t last; /* request */
    struct task_queue waiting;
};

/* From the first frame on its channel until there is none any more. */
void keepers_add(struct keepers *keepers, struct keeper *keeper);
void keepers_remove(struct keepers *keepers, struct keeper *keeper);
/* Asks all to forget that table's answers. */
void keepers_forget(struct keepers *keepers, const char *table);
/* The keeper has sent FORGOTTEN with that ref. */
void keepers_take(struct keepers *keepers, struct keeper *keeper, uint64_t ref);
/* Until those that are there have carried out all requests so far. TEMP with a text: not in time. [task] */
sluice_status keepers_wait(struct keepers *keepers, int64_t deadline_ms, struct error *err);

#endif
