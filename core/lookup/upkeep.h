/* SPDX-License-Identifier: ISC */
/*
 * upkeep: what the tables of a home do beside their look-ups (maintain of sluice_lookup_ops), each on a
 * task of its own.
 *
 * Order: upkeep_new -> upkeep_start* -> upkeep_stop -> (ended) -> upkeep_free.
 */
#ifndef LOOKUP_UPKEEP_H
#define LOOKUP_UPKEEP_H

#include "lookup/front.h"

struct upkeep;

/* What a table has said of its content last. */
struct upkeep_news {
    struct front *front;
    uint64_t generation;
    bool has_generation; /* else it cannot tell, or not now */
};

typedef void upkeep_changed(const struct upkeep_news *news, void *user);

/* changed: the table behind that front may answer otherwise from now on [task]. ended: the last task has
 * ended. NULL: no memory. */
struct upkeep *upkeep_new(upkeep_changed *changed, void (*ended)(void *user), void *user);
void upkeep_free(struct upkeep *upkeep); /* accepts NULL; no task may be left */
/* Nothing if its table has nothing of the kind. TEMP: no memory. */
sluice_status upkeep_start(struct upkeep *upkeep, struct front *front);
/* The last news of each table that had some. */
void upkeep_repeat(const struct upkeep *upkeep, upkeep_changed *tell, void *user);
/* Cancels all of it. */
void upkeep_stop(struct upkeep *upkeep);
bool upkeep_is_idle(const struct upkeep *upkeep);

#endif
