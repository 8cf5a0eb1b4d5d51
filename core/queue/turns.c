/* SPDX-License-Identifier: ISC */
/*
 * turns: what is due gets ready, and sites take turns at sending their next job.
 */
#include "queue/schedule.h"

#include "base/clock.h"
#include "queue/waiting.h"

#include <assert.h>
#include <utlist.h>

static struct site *site_of(struct heap_node *node)
{
    return (struct site *)(void *)((char *)node - offsetof(struct site, node));
}

static void wake_units(struct schedule *schedule, struct site *site, int64_t now_ms)
{
    struct heap_node *first;

    while ((first = heap_first(&site->waiting)) != NULL && first->due_ms <= now_ms)
        waiting_wake(schedule, unit_of_due(first));
}

void schedule_advance(struct schedule *schedule, int64_t now_ms)
{
    struct heap_node *first;

    while ((first = heap_first(&schedule->sites.sleeping)) != NULL && first->due_ms <= now_ms) {
        struct site *site = site_of(first);

        wake_units(schedule, site, now_ms);
        site_place(&schedule->sites, site, now_ms);
    }
}

bool schedule_can_take(const struct schedule *schedule, const struct places *places)
{
    return fair_next(&schedule->sites.runnable[places->crew], places) != NULL;
}

int64_t schedule_next_ms(const struct schedule *schedule)
{
    const struct heap_node *first = heap_first(&schedule->sites.sleeping);

    return first != NULL ? first->due_ms : CLOCK_NEVER;
}

/* Out of the site's lists, into the job's. */
static void take_unit(struct schedule *schedule, struct unit *unit, struct unit **units)
{
    waiting_leave(schedule, unit);
    unit->state = UNIT_IN_FLIGHT;
    DL_APPEND(*units, unit);
    schedule->in_flight++;
}

void schedule_adopt(struct schedule *schedule, struct unit *units, int64_t now_ms)
{
    struct unit *unit;

    DL_FOREACH(units, unit)
    {
        assert(unit->state == UNIT_NEW);
        unit->state = UNIT_IN_FLIGHT;
        schedule->in_flight++;
    }
    fair_begin(site_fair(&schedule->sites, units->site), units->site);
    site_place(&schedule->sites, units->site, now_ms);
}

struct site *schedule_take_unit(struct schedule *schedule, struct unit *unit, int64_t now_ms,
                                struct unit **ret_units)
{
    struct site *site = unit->site;
    uint8_t state = unit->state;
    uint32_t recipients = unit->recipient_count;
    struct unit *units = NULL;

    take_unit(schedule, unit, &units);
    for (struct unit *u = unit->message->units; u != NULL; u = u->next_of_message) {
        if (u->site != site || u->state != state || u->is_released != unit->is_released ||
            u->recipient_count > site->limits.recipients - recipients)
            continue;
        recipients += u->recipient_count;
        take_unit(schedule, u, &units);
    }
    fair_begin(site_fair(&schedule->sites, site), site);
    site_next_turn(&schedule->sites, site, now_ms);
    *ret_units = units;
    return site;
}

struct site *schedule_take(struct schedule *schedule, const struct places *places, int64_t now_ms,
                           struct unit **ret_units)
{
    struct site *site = fair_next(&schedule->sites.runnable[places->crew], places);

    if (site == NULL)
        return NULL;
    return schedule_take_unit(schedule, site->released != NULL ? site->released : site->ready,
                              now_ms, ret_units);
}

void schedule_job_done(struct schedule *schedule, struct site *site, int64_t now_ms)
{
    fair_end(site_fair(&schedule->sites, site), site);
    site_place(&schedule->sites, site, now_ms);
}
