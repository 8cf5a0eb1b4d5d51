/* SPDX-License-Identifier: ISC */
/*
 * restart: how long to wait before a role process that has died is started again.
 */
#ifndef MASTER_RESTART_H
#define MASTER_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESTART_FLOOD_COUNT 5       /* so many deaths */
#define RESTART_FLOOD_MS 10000      /* within that time: */
#define RESTART_FLOOD_DELAY_MS 1000 /* no longer at once */
#define RESTART_BACKOFF_MIN_MS 1000
#define RESTART_BACKOFF_MAX_MS 60000
#define RESTART_SETTLED_MS 60000 /* who has lived that long begins anew */

/* Zero it to initialise. */
struct restart {
    int64_t deaths_ms[RESTART_FLOOD_COUNT]; /* the last ones, in a ring */
    size_t death_count;
    int64_t backoff_ms;
};

/* To be called at each death. has_backoff: waits longer each time, else only in a flood of deaths. */
int64_t restart_delay(struct restart *restart, bool has_backoff, int64_t started_ms,
                      int64_t now_ms);

#endif
