/* SPDX-License-Identifier: ISC */
/*
 * restart: receive and queue hold everybody up while they are away, so they are started at once;
 * deliver talks to strangers' hosts, and what kills it may do so again.
 */
#include "master/restart.h"

static int64_t flood_delay(struct restart *restart, int64_t now_ms)
{
    size_t place = restart->death_count % RESTART_FLOOD_COUNT;
    int64_t oldest_ms = restart->deaths_ms[(place + 1) % RESTART_FLOOD_COUNT];

    restart->deaths_ms[place] = now_ms;
    restart->death_count++;
    if (restart->death_count < RESTART_FLOOD_COUNT)
        return 0;
    return now_ms - oldest_ms < RESTART_FLOOD_MS ? RESTART_FLOOD_DELAY_MS : 0;
}

static int64_t backoff_delay(struct restart *restart, int64_t lived_ms)
{
    int64_t doubled = 2 * restart->backoff_ms;

    if (lived_ms >= RESTART_SETTLED_MS)
        restart->backoff_ms = 0;
    else if (restart->backoff_ms == 0)
        restart->backoff_ms = RESTART_BACKOFF_MIN_MS;
    else
        restart->backoff_ms = doubled < RESTART_BACKOFF_MAX_MS ? doubled : RESTART_BACKOFF_MAX_MS;
    return restart->backoff_ms;
}

int64_t restart_delay(struct restart *restart, bool has_backoff, int64_t started_ms, int64_t now_ms)
{
    return has_backoff ? backoff_delay(restart, now_ms - started_ms) : flood_delay(restart, now_ms);
}
