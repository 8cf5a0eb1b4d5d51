/* SPDX-License-Identifier: ISC */
/*
 * site: the table of sites, and which of them can start a job, sleeps, or is idle.
 */
#include "queue/site.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#define SITE_KEY_MAX 1024 /* longer routes share a site; none of ours comes near */

/* Domains are alike in both cases (RFC 1035 2.3.3), file names are not. */
static size_t make_key(char key[SITE_KEY_MAX], struct sluice_span transport,
                       struct sluice_span nexthop)
{
    transport = span_first(transport, SITE_KEY_MAX / 4);
    nexthop = span_first(nexthop, SITE_KEY_MAX - transport.len - 1);
    if (transport.len > 0)
        memcpy(key, transport.ptr, transport.len);
    key[transport.len] = '\0';
    if (nexthop.len > 0)
        memcpy(key + transport.len + 1, nexthop.ptr, nexthop.len);
    if (span_find(nexthop, '/') == nexthop.len)
        span_fold(key + transport.len + 1, nexthop.len);
    return transport.len + 1 + nexthop.len;
}

static struct site *find_key(const struct sites *sites, const char *key, size_t len)
{
    struct site *site;

    HASH_FIND(hh, sites->table, key, len, site);
    return site;
}

struct site *site_find(const struct sites *sites, struct sluice_span transport,
                       struct sluice_span nexthop)
{
    char key[SITE_KEY_MAX];

    return find_key(sites, key, make_key(key, transport, nexthop));
}

bool site_is_route(const struct site *site, struct sluice_span transport,
                   struct sluice_span nexthop)
{
    char key[SITE_KEY_MAX];
    size_t len = make_key(key, transport, nexthop);

    return len == site->key_len && memcmp(key, site->key, len) == 0;
}

static void site_free(struct site *site)
{
    heap_done(&site->waiting);
    free(site->transport);
    free(site->nexthop);
    free(site->last_text);
    free(site->suspension);
    free(site);
}

struct fair *site_fair(struct sites *sites, const struct site *site)
{
    return &sites->runnable[site->limits.crew];
}

static struct site *site_new(struct sites *sites, const char *key, size_t len,
                             struct sluice_span transport, struct sluice_span nexthop,
                             const struct site_limits *limits)
{
    struct site *site = calloc(1, sizeof(*site) + len);

    if (site == NULL)
        return NULL;
    memcpy(site->key, key, len);
    site->key_len = len;
    site->history.struct_size = sizeof(site->history);
    site->pace = PACE_UNKNOWN;
    site->limits = *limits;
    site->is_unavailable = limits->is_unavailable;
    site->transport = span_dup(transport);
    site->nexthop = span_dup(nexthop);
    if (site->transport != NULL && site->nexthop != NULL &&
        heap_reserve(&sites->sleeping, HASH_COUNT(sites->table) + 1) &&
        fair_reserve(site_fair(sites, site), HASH_COUNT(sites->table) + 1)) {
        HASH_ADD_KEYPTR(hh, sites->table, site->key, len, site);
        if (hash_has(site))
            return site;
    }
    site_free(site);
    return NULL;
}

static void unlink_site(struct sites *sites, struct site *site)
{
    if (site->place == SITE_IDLE) {
        DL_DELETE(sites->idle, site);
        sites->idle_count--;
    } else if (site->place == SITE_RUNNABLE) {
        fair_remove(site_fair(sites, site), site);
    } else if (site->place == SITE_SLEEPING) {
        heap_remove(&sites->sleeping, &site->node);
    }
}

static void drop_idle(struct sites *sites)
{
    while (sites->idle_count > SITES_IDLE_MAX) {
        struct site *oldest = sites->idle;
        unlink_site(sites, oldest);
        HASH_DEL(sites->table, oldest);
        site_free(oldest);
    }
}

static void become_idle(struct sites *sites, struct site *site)
{
    site->place = SITE_IDLE;
    DL_APPEND(sites->idle, site);
    sites->idle_count++;
}

struct site *site_get(struct sites *sites, struct sluice_span transport, struct sluice_span nexthop,
                      const struct site_limits *limits)
{
    char key[SITE_KEY_MAX];
    size_t len = make_key(key, transport, nexthop);
    struct site *site = find_key(sites, key, len);

    if (site == NULL) {
        site = site_new(sites, key, len, transport, nexthop, limits);
        if (site == NULL)
            return NULL;
        become_idle(sites, site);
        drop_idle(sites);
    }
    return site;
}

static bool is_unused(const struct site *site)
{
    return site->unit_count == 0 && site->suspension == NULL;
}

/* The site may be gone afterwards. */
static void idle_if_unused(struct sites *sites, struct site *site)
{
    if (!is_unused(site))
        return;
    unlink_site(sites, site);
    become_idle(sites, site);
    drop_idle(sites);
}

bool site_add_unit(struct sites *sites, struct site *site)
{
    if (!heap_reserve(&site->waiting, site->unit_count + 1))
        return false;
    if (site->place == SITE_IDLE) {
        unlink_site(sites, site);
        site->place = SITE_BLOCKED;
    }
    site->unit_count++;
    return true;
}

void site_remove_unit(struct sites *sites, struct site *site)
{
    assert(site->unit_count > 0);
    site->unit_count--;
    idle_if_unused(sites, site);
}

bool site_is_suspended(const struct site *site, int64_t now_ms)
{
    return site->is_unavailable || site->not_before_ms > now_ms;
}

/* A site that is taken for dead is tried with one job, whatever waits for it. */
static bool has_room(const struct site *site)
{
    return site->in_flight <
           (site->history.failures > 0 ? 1 : concurrency_get(&site->jobs, &site->limits.jobs));
}

static int64_t wake_time(const struct site *site)
{
    const struct heap_node *first = heap_first(&site->waiting);
    int64_t wake_ms = first != NULL ? first->due_ms : CLOCK_NEVER;

    if (site->ready != NULL && has_room(site) && site->suspension == NULL &&
        !site->is_unavailable && site->not_before_ms < wake_ms)
        wake_ms = site->not_before_ms;
    return wake_ms;
}

static bool can_start(const struct site *site, int64_t now_ms)
{
    if (!has_room(site) || site->suspension != NULL || site->is_unavailable)
        return false;
    return site->released != NULL || (site->ready != NULL && !site_is_suspended(site, now_ms));
}

void site_place(struct sites *sites, struct site *site, int64_t now_ms)
{
    if (is_unused(site))
        return; /* idle, and at its place among the idle */
    if (can_start(site, now_ms)) {
        if (site->place != SITE_RUNNABLE)
            unlink_site(sites, site);
        site->place = SITE_RUNNABLE;
        fair_put(site_fair(sites, site), site);
        return;
    }
    int64_t wake_ms = wake_time(site);
    if (site->place == SITE_SLEEPING && wake_ms != CLOCK_NEVER) {
        (void)heap_put(&sites->sleeping, &site->node, wake_ms); /* a move cannot fail */
        return;
    }
    unlink_site(sites, site);
    site->place = SITE_BLOCKED;
    /* Room was reserved when the site was made. */
    if (wake_ms != CLOCK_NEVER && heap_put(&sites->sleeping, &site->node, wake_ms))
        site->place = SITE_SLEEPING;
}

void site_next_turn(struct sites *sites, struct site *site, int64_t now_ms)
{
    if (site->place == SITE_RUNNABLE) {
        unlink_site(sites, site);
        site->place = SITE_BLOCKED;
    }
    site_place(sites, site, now_ms);
}

void site_set_unavailable(struct sites *sites, struct site *site, bool is_unavailable,
                          int64_t until_ms, struct sluice_span text, int64_t now_ms)
{
    site->is_unavailable = is_unavailable;
    site->not_before_ms = is_unavailable ? until_ms : 0;
    free(site->last_text);
    site->last_text = is_unavailable ? span_dup(span_first(text, SITE_TEXT_MAX)) : NULL;
    site_place(sites, site, now_ms);
}

bool site_suspend(struct sites *sites, struct site *site, struct sluice_span reason,
                  int64_t wall_ms, int64_t now_ms)
{
    char *text = span_dup(span_first(reason, SITE_TEXT_MAX));

    if (text == NULL)
        return false;
    if (site->place == SITE_IDLE) {
        unlink_site(sites, site);
        site->place = SITE_BLOCKED;
    }
    free(site->suspension);
    site->suspension = text;
    site->suspension_ms = wall_ms;
    site_place(sites, site, now_ms);
    return true;
}

void site_resume(struct sites *sites, struct site *site, int64_t now_ms)
{
    if (site->suspension == NULL)
        return;
    free(site->suspension);
    site->suspension = NULL;
    if (is_unused(site))
        idle_if_unused(sites, site);
    else
        site_place(sites, site, now_ms);
}

void site_reached(struct site *site, int64_t wall_ms)
{
    concurrency_succeeded(&site->jobs, &site->limits.jobs, site->in_flight);
    site->history.failures = 0;
    site->history.last_success_ms = wall_ms;
    site->not_before_ms = 0;
    free(site->last_text);
    site->last_text = NULL;
}

bool site_failed(struct site *site, int64_t started_ms, int64_t now_ms, int64_t wall_ms,
                 struct sluice_span text)
{
    if (site->history.failures > 0 && started_ms < site->failed_ms)
        return false;
    site->history.last_failure_ms = wall_ms;
    if (site->history.failures == 0 &&
        !concurrency_failed(&site->jobs, &site->limits.jobs, site->in_flight))
        return false;
    site->history.failures++;
    site->failed_ms = now_ms;
    free(site->last_text);
    site->last_text = span_dup(span_first(text, SITE_TEXT_MAX)); /* NULL: a listing says less */
    return true;
}

void sites_done(struct sites *sites)
{
    struct site *site;
    struct site *next;

    HASH_ITER(hh, sites->table, site, next)
    {
        HASH_DEL(sites->table, site);
        site_free(site);
    }
    heap_done(&sites->sleeping);
    for (size_t i = 0; i < CREWS_MAX; i++)
        fair_done(&sites->runnable[i]);
    *sites = (struct sites){0};
}
