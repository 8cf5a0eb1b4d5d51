/* SPDX-License-Identifier: ISC */
/*
 * census: see census.h. Sites know their units by state; what is in none of those is on hold.
 */
#include "queue/census.h"

#include "base/metrics.h"
#include "queue/state.h"

static void count_units(const struct schedule *schedule)
{
    static const char *const names[] = {"on_release", "waiting", "ready", "in_flight", "on_hold"};
    size_t counts[] = {0, 0, 0, schedule->in_flight, 0};

    for (const struct site *site = schedule->sites.table; site != NULL; site = site->hh.next) {
        counts[0] += site->held_count;
        counts[1] += site->waiting.count;
        counts[2] += site->ready_count;
    }
    size_t counted = counts[0] + counts[1] + counts[2] + counts[3];
    counts[4] = schedule->unit_count > counted ? schedule->unit_count - counted : 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        metric_set(metric_get(METRIC_QUEUE_UNITS, names[i], NULL, NULL), counts[i]);
}

void census_take(const struct queue *queue)
{
    const struct schedule *schedule = &queue->schedule;

    if (config_text(queue->role->config, "metrics_listen")[0] == '\0')
        return;
    count_units(schedule);
    metric_set(metric_get(METRIC_QUEUE_MESSAGES, NULL, NULL, NULL), schedule->messages.count);
    metric_set(metric_get(METRIC_QUEUE_SITES, NULL, NULL, NULL),
               HASH_COUNT(schedule->sites.table) - schedule->sites.idle_count);
    metric_set(metric_get(METRIC_QUEUE_FREE_BYTES, NULL, NULL, NULL), queue->space.free_bytes);
}
