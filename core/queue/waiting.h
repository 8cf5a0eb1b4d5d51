/* SPDX-License-Identifier: ISC */
/*
 * waiting: where a unit waits for its time, a release or its turn: in the list of its site that goes with
 * its state, or in that of what is apart, and among what waits for its domain. For schedule.c and turns.c;
 * all others use schedule.h.
 */
#ifndef QUEUE_WAITING_H
#define QUEUE_WAITING_H

#include "queue/schedule.h"

/* Out of all lists but its message's, if it waits. */
void waiting_leave(struct schedule *schedule, struct unit *unit);
/* The unit, which waits, is ready. Then its site has to be placed. */
void waiting_wake(struct schedule *schedule, struct unit *unit);

#endif
