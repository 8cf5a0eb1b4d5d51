/* SPDX-License-Identifier: ISC */
/*
 * reload: from one generation to the next, beside the mail that goes on.
 *
 * reload_prepare has the configuration checked, opens new addresses and starts the new generation's
 * receive and deliver processes beside the old ones. reload_hand_over passes the queue on. reload_finish
 * lets those go that are not needed any more: the old generation's, or the new one's where any of the
 * steps before has failed. Until reload_hand_over has come to its end the old generation is complete.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include "master/children.h"
#include "master/outlet.h"

struct reload {
    const char *config_path;
    struct outlet *outlet;
    struct children *children;
    struct generation *old;
    uint64_t number;
    struct generation *new; /* NULL: it could not be made */
    struct buffer said;     /* by check, line by line */
    bool is_log_changed;
    struct error err; /* status: what has come of it so far */
};

/* One that has not begun; old is a reference that is taken over, number the new generation's. */
void reload_init(struct reload *reload, const char *config_path, struct outlet *outlet,
                 struct children *children, struct generation *old, uint64_t number);
/* May be cancelled. [task: waits] */
void reload_prepare(struct reload *reload);
/* To be cancelled only when everything is to end. [task: waits] */
void reload_hand_over(struct reload *reload);
/* Returns the generation that goes on, a reference; says in the log what has happened. err and said
 * stay until reload_done. */
struct generation *reload_finish(struct reload *reload);
void reload_done(struct reload *reload);

/* The deliver and receive processes of a generation, in this order. */
sluice_status reload_start_workers(struct children *children, struct generation *generation,
                                   int64_t deadline_ms, struct error *err);

#endif
