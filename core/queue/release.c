/* SPDX-License-Identifier: ISC */
/*
 * release: passes over what waits.
 */
#include "queue/release.h"

#include "base/span.h"

#include <utlist.h>

/* One pass: counts each message once, however many of its units go. */
struct pass {
    struct schedule *schedule;
    int64_t now_ms;
    uint64_t count;
};

static struct pass pass_start(struct schedule *schedule, int64_t now_ms)
{
    schedule->mark++;
    return (struct pass){.schedule = schedule, .now_ms = now_ms};
}

/* What an earlier pass released and has not been attempted yet counts too: it goes now. */
static void pass_unit(struct pass *pass, struct unit *unit)
{
    if (!unit_is_waiting(unit))
        return;
    (void)schedule_release(pass->schedule, unit, pass->now_ms);
    unit->is_routed = false;
    if (unit->message->mark != pass->schedule->mark) {
        unit->message->mark = pass->schedule->mark;
        pass->count++;
    }
}

static void pass_domain(struct pass *pass, struct domain *domain)
{
    struct unit *unit;

    domain_passed(&pass->schedule->domains, domain, pass->now_ms);
    DL_FOREACH2(domain->units, unit, domain_next)
    pass_unit(pass, unit);
}

static void pass_site(struct pass *pass, struct site *site)
{
    struct unit *unit;

    DL_FOREACH(site->released, unit)
    pass_unit(pass, unit);
    while (site->held != NULL)
        pass_unit(pass, site->held);
    while (site->ready != NULL)
        pass_unit(pass, site->ready);
    while (site->waiting.count > 0) /* from the end: nothing has to move up */
        pass_unit(pass, unit_of_due(site->waiting.nodes[site->waiting.count - 1]));
}

uint64_t release_site(struct schedule *schedule, struct site *site, int64_t now_ms)
{
    struct pass pass = pass_start(schedule, now_ms);

    pass_site(&pass, site);
    return pass.count;
}

uint64_t release_all(struct schedule *schedule, int64_t now_ms)
{
    struct pass pass = pass_start(schedule, now_ms);

    for (struct site *site = schedule->sites.table; site != NULL; site = site->hh.next)
        pass_site(&pass, site);
    return pass.count;
}

uint64_t release_transport(struct schedule *schedule, struct sluice_span transport, int64_t now_ms)
{
    struct pass pass = pass_start(schedule, now_ms);

    for (struct site *site = schedule->sites.table; site != NULL; site = site->hh.next) {
        if (span_equal(sluice_span_of(site->transport), transport))
            pass_site(&pass, site);
    }
    return pass.count;
}

uint64_t release_message(struct schedule *schedule, struct queue_message *message, int64_t now_ms)
{
    struct pass pass = pass_start(schedule, now_ms);

    for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
        pass_unit(&pass, u);
    return pass.count;
}

static struct domain *find(const struct schedule *schedule, struct sluice_span name)
{
    char text[DOMAIN_NAME_SIZE];

    return domain_find(&schedule->domains, domain_fold(name, text));
}

static struct domain *next_in(struct domain *root, struct domain *domain, bool with_subdomains)
{
    return with_subdomains ? domain_next(root, domain) : NULL;
}

/* Nothing in a pass makes a domain go away: units only change their list. */
static uint64_t run(struct schedule *schedule, struct domain *root, bool with_subdomains,
                    int64_t now_ms)
{
    struct pass pass = pass_start(schedule, now_ms);

    if (with_subdomains || root->postponed == PASS_DOMAIN)
        root->postponed = PASS_NONE; /* this pass does it, too */
    for (struct domain *d = root; d != NULL; d = next_in(root, d, with_subdomains))
        pass_domain(&pass, d);
    return pass.count;
}

uint64_t release_domain(struct schedule *schedule, struct sluice_span name, bool with_subdomains,
                        int64_t now_ms)
{
    struct domain *root = find(schedule, name);

    return root != NULL ? run(schedule, root, with_subdomains, now_ms) : 0;
}

static uint64_t count_messages(struct domain *root, bool with_subdomains)
{
    uint64_t count = 0;

    for (struct domain *d = root; d != NULL; d = next_in(root, d, with_subdomains))
        count += d->message_count;
    return count;
}

uint64_t release_domain_paced(struct schedule *schedule, struct sluice_span name,
                              bool with_subdomains, int64_t interval_ms, int64_t now_ms,
                              bool *ret_is_postponed)
{
    struct domain *root = find(schedule, name);

    *ret_is_postponed =
        root != NULL && root->last_pass_ms > 0 && now_ms - root->last_pass_ms < interval_ms;
    if (root == NULL)
        return 0;
    if (!*ret_is_postponed)
        return run(schedule, root, with_subdomains, now_ms);
    enum domain_pass wanted = with_subdomains ? PASS_SUBDOMAINS : PASS_DOMAIN;
    if (root->postponed < wanted)
        root->postponed = wanted;
    return count_messages(root, with_subdomains);
}

void release_postponed(struct schedule *schedule, int64_t interval_ms, int64_t now_ms)
{
    struct domain *domain;

    /* A pass makes its domain the latest one, so this comes to an end. */
    while ((domain = schedule->domains.passed) != NULL && domain->last_pass_ms < now_ms &&
           now_ms - domain->last_pass_ms >= interval_ms) {
        if (domain->postponed == PASS_NONE)
            domain_forget_pass(&schedule->domains, domain);
        else
            (void)run(schedule, domain, domain->postponed == PASS_SUBDOMAINS, now_ms);
    }
}
