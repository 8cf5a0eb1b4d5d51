/* SPDX-License-Identifier: ISC */
/*
 * schedule: messages come with their units, and go. Where units wait is waiting.c's, when they go
 * turns.c's.
 */
#include "queue/schedule.h"

#include "base/clock.h"
#include "base/span.h"
#include "queue/waiting.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

void schedule_init(struct schedule *schedule, schedule_limits *limits, void *user)
{
    *schedule = (struct schedule){.limits = limits, .user = user};
    roster_init(&schedule->messages);
    slab_init(&schedule->units, sizeof(struct unit));
}

void schedule_done(struct schedule *schedule)
{
    while (schedule->messages.first != NULL)
        schedule_remove(schedule, schedule->messages.first, 0);
    roster_done(&schedule->messages);
    slab_done(&schedule->units);
    while (schedule->domains.passed != NULL)
        domain_forget_pass(&schedule->domains, schedule->domains.passed);
    sites_done(&schedule->sites);
    assert(schedule->domains.table == NULL);
}

struct queue_message *schedule_find(const struct schedule *schedule, uint64_t id)
{
    return roster_find(&schedule->messages, id);
}

/* Limits are asked for where a site is new: most mail is for one that is known. */
struct site *schedule_site(struct schedule *schedule, struct sluice_span transport,
                           struct sluice_span nexthop)
{
    struct site *site = site_find(&schedule->sites, transport, nexthop);

    if (site != NULL)
        return site;
    struct site_limits limits = schedule->limits(schedule->user, transport);
    return site_get(&schedule->sites, transport, nexthop, &limits);
}

/* ---- messages and their units ---------------------------------------------------------------- */

static struct unit *unit_new(struct schedule *schedule, struct queue_message *message,
                             struct site *site, struct sluice_span domain)
{
    struct unit *unit = slab_take(&schedule->units);

    if (unit == NULL)
        return NULL;
    unit->domain = domain_add_unit(&schedule->domains, domain);
    if (unit->domain == NULL || !site_add_unit(&schedule->sites, site)) {
        if (unit->domain != NULL)
            domain_remove_unit(&schedule->domains, unit->domain);
        slab_give(&schedule->units, unit);
        return NULL;
    }
    unit->message = message;
    unit->site = site;
    unit->due.due_ms = CLOCK_NEVER;
    unit->next_of_message = message->units;
    message->units = unit;
    schedule->unit_count++;
    return unit;
}

/* The unit of that site and domain that was made last: it has the latest recipients. */
static struct unit *find_unit(const struct queue_message *message, const struct site *site,
                              struct sluice_span domain)
{
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->site == site &&
            span_equal((struct sluice_span){u->domain->name, u->domain->name_len}, domain))
            return u;
    }
    return NULL;
}

static uint32_t group_of(const uint32_t *groups, uint32_t index)
{
    return groups != NULL ? groups[index] : 0;
}

static sluice_status add_recipient(struct schedule *schedule, struct queue_message *message,
                                   const struct envelope_recipient *recipient, uint32_t index,
                                   const uint32_t *groups)
{
    char name[DOMAIN_NAME_SIZE];
    struct sluice_span domain = domain_of(recipient->address, name);
    struct site *site = schedule_site(schedule, recipient->transport, recipient->nexthop);
    if (site == NULL)
        return SLUICE_TEMP;

    struct unit *unit = find_unit(message, site, domain);
    if (unit == NULL || unit->recipient_count >= site->limits.recipients ||
        group_of(groups, unit->last) != group_of(groups, index)) {
        unit = unit_new(schedule, message, site, domain);
        if (unit == NULL)
            return SLUICE_TEMP;
        unit->first = index;
    }
    unit->last = index;
    unit->recipient_count++;
    if (recipient->next_due_ms < unit->due.due_ms)
        unit->due.due_ms = recipient->next_due_ms;
    return SLUICE_OK;
}

static sluice_status add_recipients(struct schedule *schedule, struct queue_message *message,
                                    const struct envelope *envelope, const uint32_t *groups)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < envelope->recipient_count; i++) {
        if (envelope->recipients[i].state == RECIPIENT_WAITING)
            st = add_recipient(schedule, message, &envelope->recipients[i], (uint32_t)i, groups);
    }
    return st;
}

static sluice_status message_new(struct schedule *schedule, uint64_t id,
                                 const struct envelope *envelope,
                                 struct queue_message **ret_message)
{
    struct queue_message *message = roster_add(&schedule->messages, id);

    if (message == NULL)
        return SLUICE_TEMP;
    message->arrival_ms = envelope->arrival_ms;
    message->content_size = envelope->content_size;
    message->is_held = envelope->is_held;
    message->crashes = envelope->crashes < UINT8_MAX ? (uint8_t)envelope->crashes : UINT8_MAX;
    message->is_expired = envelope->expired_ms > 0;
    message->has_null_sender = envelope->sender.len == 0;
    message->is_verify = envelope->is_verify;
    message->is_warned = envelope->warned_ms != 0 || envelope->is_verify;
    struct cursor *cursor;
    DL_FOREACH(schedule->cursors, cursor)
    {
        if (cursor->message == NULL) /* it has come to the end, which is not the end any more */
            cursor->message = message;
    }
    *ret_message = message;
    return SLUICE_OK;
}

sluice_status schedule_add_grouped(struct schedule *schedule, uint64_t id,
                                   const struct envelope *envelope, const uint32_t *groups,
                                   struct queue_message **ret_message)
{
    struct queue_message *message;
    sluice_status st;

    if (schedule_find(schedule, id) != NULL)
        return SLUICE_PERM;
    st = message_new(schedule, id, envelope, &message);
    if (st != SLUICE_OK)
        return st;
    st = add_recipients(schedule, message, envelope, groups);
    if (st != SLUICE_OK) {
        schedule_remove(schedule, message, 0);
        return st;
    }
    *ret_message = message;
    return SLUICE_OK;
}

sluice_status schedule_add(struct schedule *schedule, uint64_t id, const struct envelope *envelope,
                           struct queue_message **ret_message)
{
    return schedule_add_grouped(schedule, id, envelope, NULL, ret_message);
}

bool schedule_unit_has(const struct unit *unit, const struct envelope_recipient *recipient,
                       size_t index)
{
    char name[DOMAIN_NAME_SIZE];

    if (index < unit->first || index > unit->last || recipient->state != RECIPIENT_WAITING)
        return false;
    if (unit->first == unit->last) /* it has been looked at when the unit was made */
        return true;
    return span_equal(domain_of(recipient->address, name),
                      (struct sluice_span){unit->domain->name, unit->domain->name_len}) &&
           site_is_route(unit->site, recipient->transport, recipient->nexthop);
}

struct unit *schedule_unit_of(const struct queue_message *message,
                              const struct envelope_recipient *recipient, size_t index)
{
    struct unit *unit = message->units;

    while (unit != NULL && !schedule_unit_has(unit, recipient, index))
        unit = unit->next_of_message;
    return unit;
}

static void unit_free(struct schedule *schedule, struct unit *unit)
{
    domain_remove_unit(&schedule->domains, unit->domain);
    site_remove_unit(&schedule->sites, unit->site);
    schedule->unit_count--;
    slab_give(&schedule->units, unit);
}

void schedule_settle(struct schedule *schedule, struct unit *unit)
{
    assert(unit->state == UNIT_IN_FLIGHT);
    schedule->in_flight--;
    LL_DELETE2(unit->message->units, unit, next_of_message);
    unit_free(schedule, unit);
}

/* Out of a list by message, which begins at units, and of all others. */
static void remove_unit(struct schedule *schedule, struct unit **units, struct unit *unit,
                        int64_t now_ms)
{
    struct site *site = unit->site;

    waiting_leave(schedule, unit);
    LL_DELETE2(*units, unit, next_of_message);
    unit_free(schedule, unit);
    site_place(&schedule->sites, site, now_ms);
}

static void remove_units(struct schedule *schedule, struct unit **units, int64_t now_ms)
{
    while (*units != NULL)
        remove_unit(schedule, units, *units, now_ms);
}

static void keep_release(const struct unit *former, const struct queue_message *message)
{
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
        u->is_released = u->is_released || (former->is_released && u->domain == former->domain);
}

sluice_status schedule_rebuild(struct schedule *schedule, struct queue_message *message,
                               const struct envelope *envelope, int64_t now_ms)
{
    struct unit *former = message->units;
    struct unit **end = &message->units;

    message->units = NULL;
    sluice_status st = add_recipients(schedule, message, envelope, NULL);
    if (st != SLUICE_OK) {
        remove_units(schedule, &message->units, now_ms);
        message->units = former;
        return st;
    }
    for (const struct unit *u = former; u != NULL; u = u->next_of_message)
        keep_release(u, message);
    while (*end != NULL)
        end = &(*end)->next_of_message;
    *end = former; /* domains look at a unit's siblings when it leaves */
    remove_units(schedule, end, now_ms);
    return SLUICE_OK;
}

void schedule_drop(struct schedule *schedule, struct unit *unit, int64_t now_ms)
{
    assert(unit->state != UNIT_IN_FLIGHT);
    remove_unit(schedule, &unit->message->units, unit, now_ms);
}

bool schedule_unit_has_site(const struct unit *unit, int64_t now_ms)
{
    return unit->site->suspension == NULL &&
           (unit->is_released || !site_is_suspended(unit->site, now_ms));
}

bool schedule_is_in_flight(const struct queue_message *message)
{
    for (const struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->state == UNIT_IN_FLIGHT)
            return true;
    }
    return false;
}

bool schedule_is_under_way(const struct queue_message *message, int64_t now_ms)
{
    for (const struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->state == UNIT_IN_FLIGHT ||
            (u->state == UNIT_READY && schedule_unit_has_site(u, now_ms)))
            return true;
    }
    return false;
}

void schedule_remove(struct schedule *schedule, struct queue_message *message, int64_t now_ms)
{
    struct cursor *cursor;

    DL_FOREACH(schedule->cursors, cursor)
    {
        if (cursor->message == message)
            cursor->message = message->next;
    }
    remove_units(schedule, &message->units, now_ms);
    roster_remove(&schedule->messages, message);
}
