/* SPDX-License-Identifier: ISC */
/*
 * waiting: units move among the lists of their sites.
 */
#include "queue/waiting.h"

#include "base/clock.h"

#include <assert.h>
#include <utlist.h>

static void site_list_add(struct schedule *schedule, struct unit *unit)
{
    struct site *site = unit->site;

    if (unit->state == UNIT_HELD) {
        DL_APPEND(site->held, unit);
        site->held_count++;
    } else if (unit->state == UNIT_WAITING) {
        /* Room was reserved when the unit was made. */
        bool is_in = heap_put(&site->waiting, &unit->due, unit->due.due_ms);
        assert(is_in);
        (void)is_in;
    } else if (unit->message->crashes > 0) {
        unit->state = UNIT_APART;
        DL_APPEND(schedule->apart, unit);
    } else {
        site->ready_count++;
        if (unit->is_released)
            DL_APPEND(site->released, unit);
        else
            DL_APPEND(site->ready, unit);
    }
}

static void site_list_remove(struct schedule *schedule, struct unit *unit)
{
    struct site *site = unit->site;

    if (unit->state == UNIT_HELD) {
        DL_DELETE(site->held, unit);
        site->held_count--;
    } else if (unit->state == UNIT_WAITING) {
        heap_remove(&site->waiting, &unit->due);
    } else if (unit->state == UNIT_APART) {
        DL_DELETE(schedule->apart, unit);
    } else if (unit->state == UNIT_READY) {
        site->ready_count--;
        if (unit->is_released)
            DL_DELETE(site->released, unit);
        else
            DL_DELETE(site->ready, unit);
    }
}

static enum unit_state state_for(int64_t due_ms, int64_t now_ms)
{
    if (due_ms == CLOCK_NEVER)
        return UNIT_HELD;
    return due_ms > now_ms ? UNIT_WAITING : UNIT_READY;
}

/* Into its lists, which it is in none of. */
static void enter(struct schedule *schedule, struct unit *unit, int64_t now_ms)
{
    unit->state = (uint8_t)state_for(unit->due.due_ms, now_ms);
    domain_wait(unit);
    site_list_add(schedule, unit);
    site_place(&schedule->sites, unit->site, now_ms);
}

void waiting_leave(struct schedule *schedule, struct unit *unit)
{
    if (!unit_is_waiting(unit))
        return;
    site_list_remove(schedule, unit);
    domain_unwait(unit);
}

void waiting_wake(struct schedule *schedule, struct unit *unit)
{
    site_list_remove(schedule, unit);
    unit->state = UNIT_READY;
    site_list_add(schedule, unit);
}

void schedule_return(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms)
{
    assert(unit->state == UNIT_NEW || unit->state == UNIT_IN_FLIGHT);
    if (unit->state == UNIT_IN_FLIGHT)
        schedule->in_flight--;
    unit->due.due_ms = due_ms;
    if (unit->message->is_held)
        unit->state = UNIT_ON_HOLD;
    else
        enter(schedule, unit, now_ms);
}

void schedule_defer(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms)
{
    unit->is_released = false;
    schedule_return(schedule, unit, due_ms, now_ms);
}

void schedule_move(struct schedule *schedule, struct unit *unit, int64_t due_ms, int64_t now_ms)
{
    if (unit->state == UNIT_ON_HOLD)
        unit->due.due_ms = due_ms;
    if (!unit_is_waiting(unit))
        return;
    waiting_leave(schedule, unit);
    unit->is_released = false;
    unit->due.due_ms = due_ms;
    enter(schedule, unit, now_ms);
}

void schedule_hold(struct schedule *schedule, struct queue_message *message, int64_t now_ms)
{
    message->is_held = true;
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (!unit_is_waiting(u))
            continue;
        waiting_leave(schedule, u);
        u->is_released = false;
        u->state = UNIT_ON_HOLD;
        site_place(&schedule->sites, u->site, now_ms);
    }
}

void schedule_unhold(struct schedule *schedule, struct queue_message *message, int64_t now_ms)
{
    message->is_held = false;
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->state == UNIT_ON_HOLD)
            enter(schedule, u, now_ms);
    }
}

bool schedule_release(struct schedule *schedule, struct unit *unit, int64_t now_ms)
{
    bool goes_already = unit->is_released && unit->state == UNIT_READY;

    if (!unit_is_waiting(unit) || goes_already)
        return false;
    site_list_remove(schedule, unit); /* one that was given back waits for a moment, released as it is */
    unit->is_released = true;
    unit->state = UNIT_READY; /* due stays: schedule_recall needs it */
    site_list_add(schedule, unit);
    site_place(&schedule->sites, unit->site, now_ms);
    return true;
}

void schedule_set_crashes(struct schedule *schedule, struct queue_message *message, uint8_t crashes,
                          int64_t now_ms)
{
    message->crashes = crashes;
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->state != UNIT_READY && u->state != UNIT_APART)
            continue;
        waiting_wake(schedule, u);
        site_place(&schedule->sites, u->site, now_ms);
    }
}

void schedule_recall(struct schedule *schedule, struct site *site, int64_t now_ms)
{
    while (site->released != NULL) {
        struct unit *unit = site->released;

        site_list_remove(schedule, unit);
        unit->is_released = false;
        unit->state = (uint8_t)state_for(unit->due.due_ms, now_ms);
        site_list_add(schedule, unit);
    }
    site_place(&schedule->sites, site, now_ms);
}
