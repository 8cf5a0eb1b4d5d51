/* SPDX-License-Identifier: ISC */
/*
 * fair: which of the sites that can start a job is the next, and how many of the deliver processes'
 * places it may have. A place is a job that they take at a time; a slow site keeps one for long.
 *
 * - The site with the fewest jobs under way comes first; among equals they take turns. So a site with
 *   few messages does not wait behind one with many.
 * - A site gets one more place only while it has fewer than are left: so of n sites that want all each gets
 *   an equal share, and one share stays free for who comes next, as long as n is less than the places.
 * - Where there are more of them than places, what they have proved counts: all sites whose attempts take
 *   long have three quarters of the places together, with those that were not attempted yet seven eighths.
 *   So a host that answers at once is reached at once, however many others do not. Quick ones have no limit
 *   together: their places come back soon, and go to who has fewest under way.
 *
 * Each crew has its own places, and so its own struct fair for the sites of its transports.
 */
#ifndef QUEUE_FAIR_H
#define QUEUE_FAIR_H

#include "base/heap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_SLOW_MS 1000 /* attempts that take longer, on the average, are slow */

struct site;

enum pace {
    PACE_BRISK,
    PACE_UNKNOWN,
    PACE_SLOW,
    PACES,
};

/* Of all deliver processes of a crew (config/crews.h) but the isolated. */
struct places {
    unsigned crew;
    size_t total;
    size_t free;
};

/* Zero it to initialise. */
struct fair {
    struct heap sites[PACES];   /* that can start a job; by rank */
    size_t under_way[PACES];    /* jobs */
    int64_t turn;
};

void fair_done(struct fair *fair);
/* Room for count sites, so that fair_put cannot fail. False: no memory. */
bool fair_reserve(struct fair *fair, size_t count);
/* The site can start a job; if it could before it keeps its turn. */
void fair_put(struct fair *fair, struct site *site);
void fair_remove(struct fair *fair, struct site *site);
/* The site that may have the next place; NULL: none. */
struct site *fair_next(const struct fair *fair, const struct places *places);
/* A job of the site begins or ends: counts what it has in flight. Then the site has to be placed. */
void fair_begin(struct fair *fair, struct site *site);
void fair_end(struct fair *fair, struct site *site);
/* An attempt took that long; what is known of it is 0 before the first. */
void fair_learn(struct fair *fair, struct site *site, int64_t attempt_ms);
/* The average is that, as another process has found. */
void fair_restore(struct fair *fair, struct site *site, int64_t attempt_ms);

#endif
