/* SPDX-License-Identifier: ISC */
/*
 * suspects: see suspects.h.
 */
#include "queue/suspects.h"

#include "base/hash.h"
#include "base/span.h"

#include <stdlib.h>
#include <utlist.h>

#define TROUBLE_FORGOTTEN_MS ((int64_t)3600 * 1000) /* crashes further apart have nothing in common */

/* A transport that has crashed since its last attempt that ended. */
struct trouble {
    char *transport;
    uint64_t messages[SUSPECTS_TRANSPORT_CRASHES]; /* different ones that it crashed on */
    unsigned count;
    bool is_unavailable;
    int64_t retry_ms; /* when it may be tried again */
    int64_t crashed_ms;
    UT_hash_handle hh;
};

void suspects_init(struct suspects *suspects, struct schedule *schedule, int64_t retry_ms)
{
    *suspects = (struct suspects){.schedule = schedule, .retry_ms = retry_ms, .width = 1};
}

/* ---- transports ------------------------------------------------------------------------------ */

static struct trouble *find_trouble(const struct suspects *suspects, struct sluice_span transport)
{
    struct trouble *trouble;

    HASH_FIND(hh, suspects->troubles, transport.ptr, transport.len, trouble);
    return trouble;
}

static void forget_trouble(struct suspects *suspects, struct trouble *trouble)
{
    HASH_DEL(suspects->troubles, trouble);
    free(trouble->transport);
    free(trouble);
}

void suspects_done(struct suspects *suspects)
{
    while (suspects->troubles != NULL)
        forget_trouble(suspects, suspects->troubles);
}

/* NULL: no memory; the crash is then not held against the transport. */
static struct trouble *get_trouble(struct suspects *suspects, const char *transport)
{
    struct trouble *trouble = find_trouble(suspects, sluice_span_of(transport));

    if (trouble != NULL)
        return trouble;
    trouble = calloc(1, sizeof(*trouble));
    if (trouble == NULL)
        return NULL;
    trouble->transport = span_dup(sluice_span_of(transport));
    if (trouble->transport != NULL) {
        HASH_ADD_KEYPTR(hh, suspects->troubles, trouble->transport, strlen(trouble->transport),
                        trouble);
        if (hash_has(trouble))
            return trouble;
    }
    free(trouble->transport);
    free(trouble);
    return NULL;
}

bool suspects_is_unavailable(const struct suspects *suspects, struct sluice_span transport)
{
    const struct trouble *trouble = find_trouble(suspects, transport);

    return trouble != NULL && trouble->is_unavailable;
}

static void set_sites(const struct suspects *suspects, const struct trouble *trouble,
                      int64_t now_ms)
{
    struct sites *sites = &suspects->schedule->sites;

    for (struct site *site = sites->table; site != NULL; site = site->hh.next) {
        if (strcmp(site->transport, trouble->transport) == 0)
            site_set_unavailable(sites, site, trouble->is_unavailable, trouble->retry_ms,
                                 SPAN_LITERAL("mail transport unavailable"), now_ms);
    }
}

static void count_message(struct trouble *trouble, uint64_t id)
{
    for (unsigned i = 0; i < trouble->count; i++) {
        if (trouble->messages[i] == id)
            return;
    }
    if (trouble->count < SUSPECTS_TRANSPORT_CRASHES)
        trouble->messages[trouble->count++] = id;
}

bool suspects_blame(struct suspects *suspects, const struct suspects_job *job, int64_t now_ms)
{
    struct trouble *trouble = get_trouble(suspects, job->site->transport);

    if (trouble == NULL)
        return false;
    if (!trouble->is_unavailable && now_ms - trouble->crashed_ms > TROUBLE_FORGOTTEN_MS)
        trouble->count = 0;
    trouble->crashed_ms = now_ms;
    count_message(trouble, job->message->id);
    if (trouble->count < SUSPECTS_TRANSPORT_CRASHES)
        return false;
    bool is_new = !trouble->is_unavailable;
    trouble->is_unavailable = true;
    trouble->retry_ms = now_ms + suspects->retry_ms;
    set_sites(suspects, trouble, now_ms);
    return is_new;
}

/* What was under way before says nothing about a transport that is unavailable since. */
static void clear_transport(struct suspects *suspects, const struct site *site, bool was_isolated,
                            int64_t now_ms)
{
    struct trouble *trouble = find_trouble(suspects, sluice_span_of(site->transport));

    if (trouble == NULL || (trouble->is_unavailable && !was_isolated))
        return;
    if (trouble->is_unavailable) {
        trouble->is_unavailable = false;
        set_sites(suspects, trouble, now_ms);
    }
    forget_trouble(suspects, trouble);
}

/* ---- what may go ----------------------------------------------------------------------------- */

static bool wants_to_be_alone(const struct queue_message *message)
{
    return message->crashes >= SUSPECTS_CRASHES_MAX - 1 || message->is_named;
}

static bool is_open(const struct suspects *suspects, const struct site *site)
{
    return !site->is_unavailable && site->suspension == NULL &&
           site->limits.crew == suspects->crew;
}

/* The first of those apart that may, or may not, have company. */
static struct unit *find_apart(const struct suspects *suspects, bool is_alone)
{
    struct unit *unit;

    DL_FOREACH(suspects->schedule->apart, unit)
    {
        if (is_open(suspects, unit->site) && wants_to_be_alone(unit->message) == is_alone)
            return unit;
    }
    return NULL;
}

static bool is_of(const struct unit *unit, const struct trouble *trouble)
{
    return unit->site->suspension == NULL &&
           strcmp(unit->site->transport, trouble->transport) == 0;
}

/* A message that was in no crash and is ready, to see whether the transport works. */
static struct unit *find_fresh(const struct suspects *suspects, const struct trouble *trouble)
{
    struct site *site;

    for (site = suspects->schedule->sites.table; site != NULL; site = site->hh.next) {
        struct unit *unit = site->released != NULL ? site->released : site->ready;

        if (unit != NULL && is_of(unit, trouble))
            return unit;
    }
    return NULL;
}

/* A message to try the transport with: a fresh one, else the one that has crashed least. */
static struct unit *find_trial(const struct suspects *suspects, const struct trouble *trouble)
{
    struct unit *best = find_fresh(suspects, trouble);
    struct unit *unit;

    if (best != NULL)
        return best;
    DL_FOREACH(suspects->schedule->apart, unit)
    {
        if (is_of(unit, trouble) &&
            (best == NULL || unit->message->crashes < best->message->crashes))
            best = unit;
    }
    return best;
}

/* One that is to be alone. While its transport is in doubt, and there is other mail to try that with, it
 * has to wait: it is not to be held for what its transport does to all. */
static struct unit *find_alone(const struct suspects *suspects)
{
    struct unit *unit = find_apart(suspects, true);
    const struct trouble *trouble;
    struct unit *fresh = NULL;

    if (unit == NULL)
        return NULL;
    trouble = find_trouble(suspects, sluice_span_of(unit->site->transport));
    if (trouble != NULL)
        fresh = find_fresh(suspects, trouble);
    return fresh != NULL ? fresh : unit;
}

static struct unit *find_any_trial(const struct suspects *suspects, int64_t now_ms)
{
    for (const struct trouble *t = suspects->troubles; t != NULL; t = t->hh.next) {
        struct unit *unit = t->is_unavailable && t->retry_ms <= now_ms ? find_trial(suspects, t)
                                                                       : NULL;
        if (unit != NULL && unit->site->limits.crew == suspects->crew)
            return unit;
    }
    return NULL;
}

/* The next one, however much is in flight. Those that may have company come first: they are most likely
 * innocent. */
static struct unit *find_next(const struct suspects *suspects, int64_t now_ms, bool *ret_is_alone)
{
    struct unit *unit = find_apart(suspects, false);

    *ret_is_alone = unit == NULL;
    if (unit == NULL)
        unit = find_alone(suspects);
    if (unit == NULL)
        unit = find_any_trial(suspects, now_ms);
    return unit;
}

bool suspects_are_waiting(struct suspects *suspects, unsigned crews, int64_t now_ms)
{
    unsigned present = suspects->crew;
    bool is_alone;

    if (suspects->in_flight > 0)
        return true;
    for (unsigned i = 0; i < crews; i++) {
        suspects->crew = (present + i) % crews;
        if (find_next(suspects, now_ms, &is_alone) != NULL)
            return true;
    }
    suspects->crew = present;
    return false;
}

static struct unit *find_for_now(const struct suspects *suspects, int64_t now_ms,
                                 bool *ret_is_alone)
{
    if (suspects->is_full || suspects->in_flight >= suspects->width)
        return NULL;
    struct unit *unit = find_next(suspects, now_ms, ret_is_alone);

    return *ret_is_alone && suspects->in_flight > 0 ? NULL : unit;
}

bool suspects_can_take(const struct suspects *suspects, int64_t now_ms)
{
    bool is_alone;

    return find_for_now(suspects, now_ms, &is_alone) != NULL;
}

struct site *suspects_take(struct suspects *suspects, int64_t now_ms, struct unit **ret_units)
{
    bool is_alone;
    struct unit *unit = find_for_now(suspects, now_ms, &is_alone);

    if (unit == NULL)
        return NULL;
    suspects->in_flight++;
    suspects->is_full = is_alone;
    return schedule_take_unit(suspects->schedule, unit, now_ms, ret_units);
}

void suspects_entered(struct suspects *suspects)
{
    suspects->in_flight++;
}

void suspects_left(struct suspects *suspects)
{
    suspects->in_flight--;
    suspects->is_full = false;
    if (suspects->in_flight == 0 && suspects->schedule->apart == NULL)
        suspects->width = 1;
}

/* ---- how it ended ---------------------------------------------------------------------------- */

/* Other parts of a suspect that wait for their turn in isolation: only the last one clears it. */
static bool has_more_apart(const struct queue_message *message)
{
    for (const struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->state == UNIT_APART)
            return true;
    }
    return false;
}

void suspects_completed(struct suspects *suspects, struct queue_message *message,
                        const struct site *site, bool was_isolated, int64_t now_ms)
{
    clear_transport(suspects, site, was_isolated, now_ms);
    if (!was_isolated)
        return;
    if (suspects->width < SUSPECTS_WIDTH_MAX)
        suspects->width *= 2;
    if (message->crashes == 0 || has_more_apart(message))
        return;
    message->is_named = false;
    schedule_set_crashes(suspects->schedule, message, 0, now_ms);
}

enum suspects_verdict suspects_judge(struct suspects *suspects, const struct suspects_job *job,
                                     bool is_named, int64_t now_ms)
{
    struct queue_message *message = job->message;
    unsigned crashes = message->crashes + 1U;

    suspects->width = 1;
    if (suspects_is_unavailable(suspects, sluice_span_of(job->site->transport)))
        return SUSPECTS_SPARED;
    if (is_named && job->is_blamed)
        message->is_named = true;
    /* Whatever happened near others, the last crash is one's own. */
    if (crashes >= SUSPECTS_CRASHES_MAX)
        crashes = job->is_alone ? SUSPECTS_CRASHES_MAX : SUSPECTS_CRASHES_MAX - 1;
    schedule_set_crashes(suspects->schedule, message, (uint8_t)crashes, now_ms);
    if (crashes < SUSPECTS_CRASHES_MAX)
        return SUSPECTS_COUNTED;
    schedule_hold(suspects->schedule, message, now_ms);
    return SUSPECTS_HELD;
}
