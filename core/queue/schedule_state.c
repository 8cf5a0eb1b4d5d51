/* SPDX-License-Identifier: ISC */
/*
 * schedule_state: a field for each site, domain or unit; tables say what is in them.
 */
#include "queue/schedule_state.h"

#include "base/span.h"
#include "ipc/record.h"

#include <utlist.h>

#define TAG_ITEM 1

/* Puts the item and empties it. */
static void put_item(struct buffer *buffer, uint64_t tag, struct buffer *item)
{
    codec_put_field(buffer, tag, buffer_span(item));
    buffer->failed = buffer->failed || item->failed;
    buffer_clear(item);
}

/* ---- sites ----------------------------------------------------------------------------------- */

struct site_state {
    struct sluice_span transport;
    struct sluice_span nexthop;
    uint32_t failures;
    int64_t last_failure_ms;
    int64_t last_success_ms;
    int64_t failed_ms;
    int64_t not_before_ms;
    struct sluice_span last_text;
    uint32_t jobs;
    int64_t attempt_ms;
    int32_t deliver_pid;
    int64_t connected_until_ms;
};

static const struct record_member site_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct site_state, transport),
    RECORD_MEMBER(2, RECORD_SPAN, struct site_state, nexthop),
    RECORD_MEMBER(3, RECORD_U32, struct site_state, failures),
    RECORD_MEMBER(4, RECORD_I64, struct site_state, last_failure_ms),
    RECORD_MEMBER(5, RECORD_I64, struct site_state, last_success_ms),
    RECORD_MEMBER(6, RECORD_I64, struct site_state, failed_ms),
    RECORD_MEMBER(7, RECORD_I64, struct site_state, not_before_ms),
    RECORD_MEMBER(9, RECORD_SPAN, struct site_state, last_text),
    RECORD_MEMBER(10, RECORD_U32, struct site_state, jobs),
    RECORD_MEMBER(11, RECORD_I64, struct site_state, attempt_ms),
    RECORD_MEMBER(12, RECORD_I32, struct site_state, deliver_pid),
    RECORD_MEMBER(13, RECORD_I64, struct site_state, connected_until_ms),
};

static void save_site(const struct site *site, struct buffer *item)
{
    struct site_state state = {
        .transport = sluice_span_of(site->transport),
        .nexthop = sluice_span_of(site->nexthop),
        .failures = site->history.failures,
        .last_failure_ms = site->history.last_failure_ms,
        .last_success_ms = site->history.last_success_ms,
        .failed_ms = site->failed_ms,
        .not_before_ms = site->not_before_ms,
        .last_text = sluice_span_of(site->last_text != NULL ? site->last_text : ""),
        .jobs = site->jobs.jobs,
        .attempt_ms = site->attempt_ms,
        .deliver_pid = site->deliver_pid,
        .connected_until_ms = site->connected_until_ms,
    };

    record_encode(site_members, RECORD_COUNT(site_members), &state, false, item);
}

void schedule_save_sites(const struct schedule *schedule, struct buffer *buffer)
{
    struct buffer item = BUFFER_INIT;

    for (const struct site *site = schedule->sites.table; site != NULL; site = site->hh.next) {
        if (site->history.last_failure_ms == 0 && site->history.last_success_ms == 0)
            continue; /* never attempted */
        save_site(site, &item);
        put_item(buffer, TAG_ITEM, &item);
    }
    buffer_done(&item);
}

static sluice_status load_site(struct schedule *schedule, struct sluice_span bytes, int64_t now_ms)
{
    struct site_state state;

    if (record_decode(site_members, RECORD_COUNT(site_members), bytes, &state, sizeof(state)) !=
        SLUICE_OK)
        return SLUICE_PERM;
    struct site *site = schedule_site(schedule, state.transport, state.nexthop);
    if (site == NULL)
        return SLUICE_TEMP;
    site->history.failures = state.failures;
    site->history.last_failure_ms = state.last_failure_ms;
    site->history.last_success_ms = state.last_success_ms;
    site->failed_ms = state.failed_ms;
    site->not_before_ms = state.not_before_ms;
    site->deliver_pid = state.deliver_pid;
    site->connected_until_ms = state.connected_until_ms;
    site->jobs.jobs = state.jobs;
    fair_restore(site_fair(&schedule->sites, site), site, state.attempt_ms);
    if (state.last_text.len > 0 && site->last_text == NULL)
        site->last_text = span_dup(state.last_text); /* NULL: a listing says less */
    site_place(&schedule->sites, site, now_ms);
    return SLUICE_OK;
}

sluice_status schedule_load_sites(struct schedule *schedule, struct sluice_span bytes,
                                  int64_t now_ms)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == TAG_ITEM)
            st = load_site(schedule, field.bytes, now_ms);
        if (st != SLUICE_OK)
            return st;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* ---- passes over domains --------------------------------------------------------------------- */

struct pass_state {
    struct sluice_span domain;
    int64_t last_pass_ms;
    uint32_t postponed; /* enum domain_pass */
};

static const struct record_member pass_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct pass_state, domain),
    RECORD_MEMBER(2, RECORD_I64, struct pass_state, last_pass_ms),
    RECORD_MEMBER(3, RECORD_U32, struct pass_state, postponed),
};

void schedule_save_passes(const struct schedule *schedule, struct buffer *buffer)
{
    struct buffer item = BUFFER_INIT;
    const struct domain *domain;

    DL_FOREACH2(schedule->domains.passed, domain, pass_next)
    {
        struct pass_state state = {
            .domain = {.ptr = domain->name, .len = domain->name_len},
            .last_pass_ms = domain->last_pass_ms,
            .postponed = domain->postponed,
        };

        record_encode(pass_members, RECORD_COUNT(pass_members), &state, false, &item);
        put_item(buffer, TAG_ITEM, &item);
    }
    buffer_done(&item);
}

static sluice_status load_pass(struct domains *domains, struct sluice_span bytes)
{
    struct pass_state state;

    if (record_decode(pass_members, RECORD_COUNT(pass_members), bytes, &state, sizeof(state)) !=
            SLUICE_OK ||
        state.postponed > PASS_SUBDOMAINS || state.last_pass_ms <= 0 ||
        state.domain.len >= DOMAIN_NAME_SIZE)
        return SLUICE_PERM;
    return domain_set_pass(domains, state.domain, state.last_pass_ms,
                           (enum domain_pass)state.postponed)
               ? SLUICE_OK
               : SLUICE_TEMP;
}

sluice_status schedule_load_passes(struct schedule *schedule, struct sluice_span bytes)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == TAG_ITEM)
            st = load_pass(&schedule->domains, field.bytes);
        if (st != SLUICE_OK)
            return st;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

/* ---- what was released ----------------------------------------------------------------------- */

/* Of one site: each unit in its turn, after its domain where that is another one. */
enum released_tag {
    RELEASED_TRANSPORT = 1,
    RELEASED_NEXTHOP = 2,
    RELEASED_DOMAIN = 3,
    RELEASED_UNIT = 4, /* id, first and last recipient */
};

static void save_released_unit(const struct unit *unit, const struct domain **domain,
                               struct buffer *item)
{
    struct buffer place = BUFFER_INIT;

    if (unit->domain != *domain) {
        struct sluice_span name = {.ptr = unit->domain->name, .len = unit->domain->name_len};
        codec_put_field(item, RELEASED_DOMAIN, name);
    }
    *domain = unit->domain;
    codec_put_varint(&place, unit->message->id);
    codec_put_varint(&place, unit->first);
    codec_put_varint(&place, unit->last);
    put_item(item, RELEASED_UNIT, &place);
    buffer_done(&place);
}

/* Those that were given back, too: they wait for a moment only. */
static size_t save_released_units(const struct site *site, struct buffer *item)
{
    const struct domain *domain = NULL;
    const struct unit *unit;
    size_t count = 0;

    DL_FOREACH(site->released, unit)
    {
        save_released_unit(unit, &domain, item);
        count++;
    }
    for (size_t i = 0; i < site->waiting.count; i++) {
        unit = unit_of_due(site->waiting.nodes[i]);
        if (!unit->is_released)
            continue;
        save_released_unit(unit, &domain, item);
        count++;
    }
    return count;
}

void schedule_save_released(const struct schedule *schedule, struct buffer *buffer)
{
    struct buffer item = BUFFER_INIT;

    for (const struct site *site = schedule->sites.table; site != NULL; site = site->hh.next) {
        codec_put_field(&item, RELEASED_TRANSPORT, sluice_span_of(site->transport));
        codec_put_field(&item, RELEASED_NEXTHOP, sluice_span_of(site->nexthop));
        if (save_released_units(site, &item) > 0)
            put_item(buffer, TAG_ITEM, &item);
        buffer_clear(&item);
    }
    buffer_done(&item);
}

/* Where the walk through one site's fields stands. */
struct released {
    struct schedule *schedule;
    int64_t now_ms;
    struct sluice_span transport;
    struct sluice_span nexthop;
    struct sluice_span domain;
};

/* The same recipients may be in other units than they were. */
static void release_units(const struct released *released, const struct site *site, uint64_t id,
                          uint64_t first, uint64_t last)
{
    const struct queue_message *message = schedule_find(released->schedule, id);
    const struct domain *domain = domain_find(&released->schedule->domains, released->domain);

    if (message == NULL || site == NULL || domain == NULL)
        return;
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->site == site && u->domain == domain && u->first <= last && u->last >= first)
            (void)schedule_release(released->schedule, u, released->now_ms);
    }
}

static sluice_status load_released_unit(const struct released *released, struct sluice_span bytes)
{
    const struct site *site =
        site_find(&released->schedule->sites, released->transport, released->nexthop);
    uint64_t id;
    uint64_t first;
    uint64_t last;

    if (codec_varint(&bytes, &id) != SLUICE_OK || codec_varint(&bytes, &first) != SLUICE_OK ||
        codec_varint(&bytes, &last) != SLUICE_OK)
        return SLUICE_PERM;
    release_units(released, site, id, first, last);
    return SLUICE_OK;
}

static sluice_status load_released_site(struct released *released, struct sluice_span bytes)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == RELEASED_TRANSPORT)
            released->transport = field.bytes;
        else if (field.tag == RELEASED_NEXTHOP)
            released->nexthop = field.bytes;
        else if (field.tag == RELEASED_DOMAIN)
            released->domain = field.bytes;
        else if (field.tag == RELEASED_UNIT)
            st = load_released_unit(released, field.bytes);
        if (st != SLUICE_OK)
            return st;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

sluice_status schedule_load_released(struct schedule *schedule, struct sluice_span bytes,
                                     int64_t now_ms)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        struct released released = {.schedule = schedule, .now_ms = now_ms};

        if (field.tag == TAG_ITEM)
            st = load_released_site(&released, field.bytes);
        if (st != SLUICE_OK)
            return st;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}
