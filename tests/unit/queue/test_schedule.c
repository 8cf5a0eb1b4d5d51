/* SPDX-License-Identifier: ISC */
/*
 * The scheduler with virtual time: what goes when, one site beside another, and that no unit is ever
 * lost or in two places.
 */
#include "base/clock.h"
#include "base/span.h"
#include "queue/release.h"
#include "queue/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#define RECIPIENTS_MAX 200

static const struct places many_places = {.total = 10000, .free = 10000};
static struct site_limits limits;

static struct site_limits limits_of(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return limits;
}

static void start(struct schedule *schedule, unsigned jobs, unsigned recipients)
{
    limits = (struct site_limits){
        .jobs = {.initial = jobs, .most = jobs, .failed_cohorts = 1}, .recipients = recipients};
    schedule_init(schedule, limits_of, NULL);
}

/* A message for addresses ("a@x.tld b@y.tld"), all by transport to nexthop. */
static struct queue_message *add(struct schedule *schedule, uint64_t id, const char *addresses,
                                 const char *transport, const char *nexthop)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct queue_message *message;
    struct sluice_span rest = sluice_span_of(addresses);

    while (rest.len > 0) {
        struct envelope_recipient *recipient = envelope_add(&envelope);
        size_t len = span_find(rest, ' ');

        assert_non_null(recipient);
        recipient->address = span_first(rest, len);
        recipient->transport = sluice_span_of(transport);
        recipient->nexthop = sluice_span_of(nexthop);
        rest = span_skip(rest, len + 1);
    }
    assert_int_equal(schedule_add(schedule, id, &envelope, &message), SLUICE_OK);
    message->is_durable = true;
    envelope_done(&envelope);
    return message;
}

static void defer_all(struct schedule *schedule, struct queue_message *message, int64_t due_ms,
                      int64_t now_ms)
{
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
        schedule_defer(schedule, u, due_ms, now_ms);
}

static struct queue_message *add_ready(struct schedule *schedule, uint64_t id,
                                       const char *addresses, const char *nexthop, int64_t now_ms)
{
    struct queue_message *message = add(schedule, id, addresses, "smtp", nexthop);

    defer_all(schedule, message, now_ms, now_ms);
    return message;
}

static struct queue_message *add_held(struct schedule *schedule, uint64_t id, const char *addresses,
                                      int64_t now_ms)
{
    struct queue_message *message = add(schedule, id, addresses, "etrn-only", "[host]");

    defer_all(schedule, message, CLOCK_NEVER, now_ms);
    return message;
}

static uint64_t take(struct schedule *schedule, int64_t now_ms, struct unit **ret_units)
{
    struct unit *units = NULL;

    schedule_advance(schedule, now_ms);
    if (schedule_take(schedule, &many_places, now_ms, &units) == NULL)
        return 0;
    if (ret_units != NULL)
        *ret_units = units;
    return units->message->id;
}

static unsigned take_all(struct schedule *schedule, int64_t now_ms)
{
    unsigned count = 0;

    while (take(schedule, now_ms, NULL) != 0)
        count++;
    return count;
}

/* Ends a job: its units wait until due_ms, or are settled (due_ms -1). */
static void end(struct schedule *schedule, struct unit *units, int64_t due_ms, int64_t now_ms)
{
    struct site *site = units->site;
    struct unit *unit;
    struct unit *next;

    DL_FOREACH_SAFE(units, unit, next)
    {
        if (due_ms == -1)
            schedule_settle(schedule, unit);
        else
            schedule_defer(schedule, unit, due_ms, now_ms);
    }
    schedule_job_done(schedule, site, now_ms);
}

/* In flight units go back first: a schedule is freed with everything at rest. */
static void finish(struct schedule *schedule)
{
    for (struct queue_message *m = schedule->messages.first; m != NULL; m = m->next) {
        for (struct unit *u = m->units; u != NULL; u = u->next_of_message) {
            if (u->state == UNIT_IN_FLIGHT)
                schedule_defer(schedule, u, 0, 0);
        }
    }
    schedule_done(schedule);
}

/* ---- what goes when -------------------------------------------------------------------------- */

static void test_waits_until_due(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    defer_all(&s, add(&s, 1, "a@x.tld", "smtp", "x.tld"), 500, 100);
    defer_all(&s, add(&s, 2, "a@y.tld", "smtp", "y.tld"), 300, 100);
    assert_int_equal(schedule_next_ms(&s), 300);
    assert_int_equal(take(&s, 299, NULL), 0);
    assert_int_equal(take(&s, 300, NULL), 2);
    assert_int_equal(schedule_next_ms(&s), 500);
    assert_int_equal(take(&s, 10000, NULL), 1);
    assert_true(schedule_next_ms(&s) == CLOCK_NEVER);
    finish(&s);
}

static void test_sites_take_turns(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    for (uint64_t id = 1; id <= 4; id++)
        add_ready(&s, id, "a@x.tld", "x.tld", 0);
    add_ready(&s, 11, "a@y.tld", "y.tld", 0);
    add_ready(&s, 12, "a@Y.tld", "Y.TLD", 0); /* the same site and domain */
    uint64_t want[] = {1, 11, 2, 12, 3, 4, 0};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(take(&s, 0, NULL), want[i]);
    finish(&s);
}

static void test_jobs_at_a_time(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 2, 50);
    for (uint64_t id = 1; id <= 3; id++)
        add_ready(&s, id, "a@x.tld", "x.tld", 0);
    assert_int_equal(take(&s, 0, &units), 1);
    assert_int_equal(take(&s, 0, NULL), 2);
    assert_int_equal(take(&s, 0, NULL), 0);
    end(&s, units, -1, 5);
    assert_int_equal(take(&s, 5, NULL), 3);
    finish(&s);
}

static unsigned count_recipients(const struct unit *units)
{
    unsigned count = 0;

    for (const struct unit *u = units; u != NULL; u = u->next)
        count += u->recipient_count;
    return count;
}

static void test_units_become_jobs(void **state)
{
    static const struct {
        const char *name;
        unsigned limit;
        const char *addresses;
        unsigned jobs[4];
    } cases[] = {
        {"one domain", 50, "a@x.tld b@x.tld c@x.tld", {3}},
        {"domains of one site go together", 50, "a@x.tld b@y.tld c@x.tld d@z.tld", {4}},
        {"more than the limit", 2, "a@x.tld b@x.tld c@x.tld d@x.tld e@x.tld", {2, 2, 1}},
        {"one at a time", 1, "a@x.tld b@y.tld c@x.tld", {1, 1, 1}},
        {"no domain at all", 50, "postmaster root", {2}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct schedule s;
        struct unit *units = NULL;
        unsigned total = 0;
        unsigned want = 0;

        print_message("%s\n", cases[i].name);
        start(&s, 20, cases[i].limit);
        add_ready(&s, 1, cases[i].addresses, "hub", 0);
        for (size_t j = 0; cases[i].jobs[j] != 0; j++) {
            assert_int_equal(take(&s, 0, &units), 1);
            assert_true(count_recipients(units) <= cases[i].limit);
            total += count_recipients(units);
            want += cases[i].jobs[j];
        }
        assert_int_equal(total, want);
        assert_int_equal(take(&s, 0, NULL), 0);
        finish(&s);
    }
}

/* Every recipient belongs to exactly one unit, in whatever order sites and domains are mixed. */
static void test_each_recipient_has_one_unit(void **state)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct queue_message *message;
    struct schedule s;
    char addresses[RECIPIENTS_MAX][24];

    (void)state;
    start(&s, 20, 7);
    for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
        struct envelope_recipient *recipient = envelope_add(&envelope);

        assert_non_null(recipient);
        snprintf(addresses[i], sizeof(addresses[i]), "u%u@D%u.tld", i, i * i % 5);
        recipient->address = sluice_span_of(addresses[i]);
        recipient->transport = sluice_span_of(i % 3 == 0 ? "relay" : "smtp");
        recipient->nexthop = sluice_span_of(i % 2 == 0 ? "A.hub" : "b.hub");
        recipient->state = i % 11 == 0 ? RECIPIENT_DELIVERED : RECIPIENT_WAITING;
    }
    assert_int_equal(schedule_add(&s, 9, &envelope, &message), SLUICE_OK);
    for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
        unsigned owners = 0;

        for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
            owners += schedule_unit_has(u, &envelope.recipients[i], i);
        assert_int_equal(owners, i % 11 == 0 ? 0 : 1);
    }
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
        assert_in_range(u->recipient_count, 1, 7);
    envelope_done(&envelope);
    finish(&s);
}

static void test_an_id_is_added_once(void **state)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct queue_message *message;
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    add_ready(&s, 1, "a@x.tld", "x.tld", 0);
    assert_int_equal(schedule_add(&s, 1, &envelope, &message), SLUICE_PERM);
    finish(&s);
}

/* ---- a site that cannot be reached ----------------------------------------------------------- */

static void test_failures_count_once_for_each_down_time(void **state)
{
    struct schedule s;
    struct unit *units[4];

    (void)state;
    start(&s, 20, 50);
    for (uint64_t id = 1; id <= 6; id++)
        add_ready(&s, id, "a@x.tld", "x.tld", 0);
    for (int i = 0; i < 4; i++)
        assert_true(take(&s, 100, &units[i]) != 0);
    struct site *site = units[0]->site;

    for (int i = 0; i < 2; i++) { /* a quarter, and a third */
        assert_false(site_failed(site, 100, 150, 150, SPAN_LITERAL("refused")));
        end(&s, units[i], 150, 150);
        assert_false(site_is_suspended(site, 150));
    }
    assert_true(site_failed(site, 100, 200, 200, SPAN_LITERAL("refused")));
    site->not_before_ms = 1200;
    end(&s, units[2], 200, 200);
    assert_false(site_failed(site, 100, 300, 300, SPAN_LITERAL("refused")));
    end(&s, units[3], 200, 300);
    assert_int_equal(site->history.failures, 1);
    assert_int_equal(schedule_next_ms(&s), 1200);
    assert_int_equal(take(&s, 1199, NULL), 0);

    assert_true(take(&s, 1200, &units[0]) != 0);
    assert_int_equal(take(&s, 1200, NULL), 0); /* one job finds out */
    assert_true(site_failed(site, 1200, 1300, 1300, SPAN_LITERAL("refused")));
    assert_int_equal(site->history.failures, 2);
    site->not_before_ms = 5000;
    end(&s, units[0], 1300, 1300);

    assert_true(take(&s, 5000, &units[0]) != 0);
    site_reached(site, 5100);
    end(&s, units[0], -1, 5100);
    assert_int_equal(take_all(&s, 5100), 5); /* and then all of them go */
    finish(&s);
}

static void test_one_site_down_stops_no_other(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 1, 50);
    add_ready(&s, 1, "a@x.tld b@x.tld", "x.tld", 0);
    assert_int_equal(take(&s, 0, &units), 1);
    (void)site_failed(units->site, 0, 10, 10, SPAN_EMPTY);
    units->site->not_before_ms = 100000;
    end(&s, units, 10, 10);
    add_ready(&s, 2, "a@y.tld", "y.tld", 20);
    assert_int_equal(take(&s, 20, NULL), 2);
    finish(&s);
}

/* ---- releases -------------------------------------------------------------------------------- */

static void test_a_release_takes_its_domain_alone(void **state)
{
    static const struct {
        const char *name;
        const char *domain;
        bool with_subdomains;
        uint64_t count;
    } cases[] = {
        {"the domain", "customer.tld", false, 2},
        {"in any case", "Customer.TLD", false, 2},
        {"a sub-domain", "sub.customer.tld", false, 1},
        {"with sub-domains: each message once", "customer.tld", true, 4},
        {"sub-domains of one without mail", "tld", true, 5},
        {"one without mail", "tld", false, 0},
        {"another's end", "tomer.tld", true, 0},
        {"nobody's", "elsewhere.tld", false, 0},
        {"more labels than hang below each other", "b.a.9.8.7.6.5.4.3.customer.tld", false, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct schedule s;

        print_message("%s\n", cases[i].name);
        start(&s, 100, 50);
        add_held(&s, 1, "a@customer.tld b@other.tld", 0);
        add_held(&s, 2, "a@CUSTOMER.tld b@customer.tld c@sub.customer.tld", 0);
        add_held(&s, 3, "a@other.tld", 0);
        add_held(&s, 4, "a@x.y.customer.tld", 0);
        add_held(&s, 5, "a@b.a.9.8.7.6.5.4.3.customer.tld", 0);
        assert_int_equal(take(&s, 1, NULL), 0);
        uint64_t count =
            release_domain(&s, sluice_span_of(cases[i].domain), cases[i].with_subdomains, 2);
        assert_int_equal(count, cases[i].count);
        for (uint64_t j = 0; j < count; j++) {
            struct unit *units = NULL;

            assert_true(take(&s, 2, &units) != 0);
            for (struct unit *u = units; u != NULL; u = u->next)
                assert_true(u->is_released &&
                            (!cases[i].with_subdomains || strcmp(u->domain->name, "x") != 0));
        }
        assert_int_equal(take(&s, 2, NULL), 0);
        finish(&s);
    }
}

static void test_a_release_is_one_pass(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    add_held(&s, 1, "a@customer.tld", 0);
    assert_int_equal(release_domain(&s, SPAN_LITERAL("customer.tld"), false, 10), 1);
    add_held(&s, 2, "a@customer.tld", 11);
    assert_int_equal(take(&s, 12, &units), 1);
    assert_int_equal(take(&s, 12, NULL), 0);  /* what came later waits */
    assert_int_equal(release_all(&s, 13), 1); /* what is in flight is not touched */
    end(&s, units, CLOCK_NEVER, 20);
    assert_int_equal(take(&s, 20, NULL), 2);
    assert_int_equal(take(&s, 20, NULL), 0); /* what failed waits for the next one */
    assert_int_equal(release_all(&s, 30), 1);
    assert_int_equal(take(&s, 30, NULL), 1);
    finish(&s);
}

static void test_a_release_ignores_suspension(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    add_ready(&s, 1, "a@x.tld", "hub", 0);
    add_ready(&s, 2, "a@y.tld", "hub", 0);
    add_ready(&s, 3, "a@x.tld", "hub", 0);
    assert_int_equal(take(&s, 0, &units), 1);
    (void)site_failed(units->site, 0, 1, 1, SPAN_EMPTY);
    units->site->not_before_ms = 100000;
    end(&s, units, 90000, 1);
    assert_int_equal(take(&s, 2, NULL), 0);

    assert_int_equal(release_domain(&s, SPAN_LITERAL("x.tld"), false, 3), 2);
    assert_int_equal(take(&s, 3, &units), 3);
    assert_int_equal(take(&s, 3, NULL), 0); /* a site that failed is tried with one job */
    (void)site_failed(units->site, 3, 5, 5, SPAN_EMPTY);
    end(&s, units, 95000, 5);
    schedule_recall(&s, s.sites.table, 5); /* down still: the other one waits as before */
    assert_int_equal(take(&s, 5, NULL), 0);
    assert_int_equal(schedule_next_ms(&s), 90000);
    finish(&s);
}

static void test_recalled_mail_is_held_again(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    add_held(&s, 1, "a@customer.tld", 0);
    add_held(&s, 2, "a@customer.tld", 0);
    (void)release_all(&s, 1);
    schedule_recall(&s, s.sites.table, 2);
    assert_int_equal(take(&s, 1000000, NULL), 0);
    assert_int_equal(s.sites.table->held_count, 2);
    assert_int_equal(release_all(&s, 3), 2);
    assert_int_equal(take_all(&s, 3), 2);
    finish(&s);
}

static void test_what_did_not_take_place_stays_released(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    add_held(&s, 1, "a@customer.tld", 0);
    (void)release_all(&s, 1);
    assert_int_equal(take(&s, 1, &units), 1);
    schedule_return(&s, units, 1001, 1);
    schedule_job_done(&s, units->site, 1);
    assert_int_equal(take(&s, 1000, NULL), 0);
    assert_int_equal(take(&s, 1001, NULL), 1);
    finish(&s);
}

/* A pass empties its site's list of what waits, also of what waits although it was released. */
static void test_what_was_given_back_goes_with_the_next_release(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    add_held(&s, 1, "a@customer.tld", 0);
    (void)release_all(&s, 1);
    assert_int_equal(take(&s, 1, &units), 1);
    schedule_return(&s, units, 1001, 1);
    schedule_job_done(&s, units->site, 1);
    assert_int_equal(release_all(&s, 2), 1);
    assert_int_equal(take(&s, 2, NULL), 1);
    finish(&s);
}

static void test_strangers_are_paced(void **state)
{
    struct schedule s;
    struct unit *units = NULL;
    bool is_postponed;
    struct sluice_span domain = SPAN_LITERAL("customer.tld");

    (void)state;
    start(&s, 20, 50);
    assert_int_equal(release_domain_paced(&s, domain, false, 10000, 1000, &is_postponed), 0);
    assert_false(is_postponed); /* nothing waits, nothing is remembered */
    add_held(&s, 1, "a@customer.tld", 1000);
    assert_int_equal(release_domain_paced(&s, domain, false, 10000, 1000, &is_postponed), 1);
    assert_false(is_postponed);
    assert_int_equal(take(&s, 1000, &units), 1);
    end(&s, units, CLOCK_NEVER, 1001);
    add_held(&s, 2, "a@customer.tld b@customer.tld", 1002);
    add_held(&s, 3, "a@sub.customer.tld", 1002);

    assert_int_equal(release_domain_paced(&s, domain, false, 10000, 2000, &is_postponed), 2);
    assert_true(is_postponed);
    assert_int_equal(release_domain_paced(&s, domain, true, 10000, 3000, &is_postponed), 3);
    assert_true(is_postponed); /* merged: the wider one counts */
    release_postponed(&s, 10000, 10999);
    assert_int_equal(take(&s, 10999, NULL), 0);
    release_postponed(&s, 10000, 11000);
    assert_int_equal(take_all(&s, 11000), 3);
    release_postponed(&s, 10000, 20999);
    assert_int_equal(take_all(&s, 20999), 0); /* once */

    /* Somebody who is not paced does it for them, too. */
    add_held(&s, 4, "a@customer.tld", 20999);
    (void)release_domain_paced(&s, domain, false, 10000, 20999, &is_postponed);
    assert_true(is_postponed);
    assert_int_equal(release_domain_paced(&s, domain, false, 0, 20999, &is_postponed), 1);
    assert_false(is_postponed);
    assert_int_equal(take_all(&s, 20999), 1);
    add_held(&s, 5, "a@customer.tld", 21000);
    release_postponed(&s, 10000, 31000);
    assert_int_equal(take_all(&s, 31000), 0);
    finish(&s);
}

/* All mail that was released has gone: the next release has to wait all the same. */
static void test_a_release_is_remembered(void **state)
{
    struct schedule s;
    struct unit *units = NULL;
    bool is_postponed;
    struct sluice_span domain = SPAN_LITERAL("customer.tld");

    (void)state;
    start(&s, 20, 50);
    struct queue_message *message = add_held(&s, 1, "a@customer.tld", 1000);
    (void)release_domain_paced(&s, domain, false, 10000, 1000, &is_postponed);
    assert_int_equal(take(&s, 1000, &units), 1);
    end(&s, units, -1, 1001);
    schedule_remove(&s, message, 1001);
    add_held(&s, 2, "a@customer.tld", 2000);
    (void)release_domain_paced(&s, domain, false, 10000, 2000, &is_postponed);
    assert_true(is_postponed);
    release_postponed(&s, 10000, 11000);
    assert_int_equal(take(&s, 11000, &units), 2);
    end(&s, units, -1, 11001);
    schedule_remove(&s, schedule_find(&s, 2), 11001);
    release_postponed(&s, 10000, 21000);
    assert_null(s.domains.table); /* but not for ever */
    finish(&s);
}

static void test_release_of_a_message_and_a_site(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    struct queue_message *first = add_held(&s, 1, "a@x.tld b@y.tld", 0);
    add_held(&s, 2, "a@x.tld", 0);
    assert_int_equal(release_message(&s, first, 1), 1);
    assert_int_equal(take(&s, 1, NULL), 1);
    assert_int_equal(take(&s, 1, NULL), 0);
    assert_int_equal(
        release_site(&s, site_find(&s.sites, SPAN_LITERAL("etrn-only"), SPAN_LITERAL("[HOST]")), 2),
        1);
    assert_int_equal(take(&s, 2, NULL), 2);
    finish(&s);
}

/* ---- walks ----------------------------------------------------------------------------------- */

/* ---- what operators do ----------------------------------------------------------------------- */

/* In each state that a unit can be in: neither time nor a release lets it go. */
static void test_a_message_on_hold_stays(void **state)
{
    static const struct {
        const char *name;
        int64_t due_ms;
        bool is_released;
        bool is_taken;
    } cases[] = {
        {"on release", CLOCK_NEVER, false, false},
        {"waiting", 500, false, false},
        {"ready", 0, false, false},
        {"released", CLOCK_NEVER, true, false},
        {"in flight", 0, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct schedule s;
        struct unit *units = NULL;

        print_message("%s\n", cases[i].name);
        start(&s, 20, 50);
        struct queue_message *message = add(&s, 1, "a@x.tld b@y.tld", "smtp", "[host]");
        defer_all(&s, message, cases[i].due_ms, 0);
        if (cases[i].is_released)
            assert_int_equal(release_message(&s, message, 0), 1);
        if (cases[i].is_taken)
            assert_int_equal(take(&s, 0, &units), 1);
        schedule_hold(&s, message, 0);
        if (cases[i].is_taken)
            end(&s, units, 10, 0);
        assert_true(message->is_held);
        assert_int_equal(schedule_next_ms(&s), CLOCK_NEVER);
        assert_int_equal(release_all(&s, 1), 0);
        assert_int_equal(release_domain(&s, SPAN_LITERAL("x.tld"), false, 1), 0);
        assert_int_equal(release_message(&s, message, 1), 0);
        assert_int_equal(take(&s, 1000000, NULL), 0);
        finish(&s);
    }
}

static void test_a_message_comes_off_hold_as_it_was(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    struct queue_message *due = add(&s, 1, "a@x.tld", "smtp", "[host]");
    struct queue_message *held = add_held(&s, 2, "a@x.tld", 0);
    defer_all(&s, due, 500, 0);
    schedule_hold(&s, due, 0);
    schedule_hold(&s, held, 0);
    assert_int_equal(release_domain(&s, SPAN_LITERAL("x.tld"), false, 1), 0);
    schedule_unhold(&s, due, 100);
    schedule_unhold(&s, held, 100);
    assert_int_equal(take(&s, 499, NULL), 0);
    assert_int_equal(take(&s, 500, NULL), 1);
    assert_int_equal(take(&s, 500, NULL), 0);
    assert_int_equal(release_domain(&s, SPAN_LITERAL("x.tld"), false, 500), 1); /* */
    assert_int_equal(take(&s, 500, NULL), 2);
    finish(&s);
}

static void test_a_message_moves_to_another_time(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    struct queue_message *message = add_held(&s, 1, "a@x.tld", 0);
    schedule_move(&s, message->units, 100, 0);
    assert_int_equal(take(&s, 99, NULL), 0);
    schedule_hold(&s, message, 99);
    schedule_move(&s, message->units, 50, 99);
    assert_int_equal(take(&s, 1000, NULL), 0);
    schedule_unhold(&s, message, 1000);
    assert_int_equal(take(&s, 1000, NULL), 1);
    schedule_move(&s, message->units, 5000, 1000); /* in flight: its attempt says what follows */
    assert_int_equal(message->units->state, UNIT_IN_FLIGHT);
    finish(&s);
}

static void test_a_suspended_site_takes_nothing(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    add_ready(&s, 1, "a@x.tld", "[away]", 0);
    add_ready(&s, 2, "a@y.tld", "[other]", 0);
    struct site *site = site_find(&s.sites, SPAN_LITERAL("smtp"), SPAN_LITERAL("[away]"));
    assert_true(site_suspend(&s.sites, site, SPAN_LITERAL("disk change"), 7, 0));
    assert_string_equal(site->suspension, "disk change");
    assert_int_equal(take(&s, 0, &units), 2);
    assert_int_equal(release_domain(&s, SPAN_LITERAL("x.tld"), false, 1), 1);
    assert_int_equal(take(&s, 1000, NULL), 0);
    assert_int_equal(schedule_next_ms(&s), CLOCK_NEVER);
    site_resume(&s.sites, site, 1000);
    assert_int_equal(take(&s, 1000, NULL), 1);
    finish(&s);
}

static void test_a_suspended_site_is_not_forgotten(void **state)
{
    struct schedule s;
    struct unit *units = NULL;

    (void)state;
    start(&s, 20, 50);
    struct queue_message *message = add_ready(&s, 1, "a@x.tld", "[away]", 0);
    struct site *site = message->units->site;
    assert_int_equal(take(&s, 0, &units), 1);
    assert_true(site_suspend(&s.sites, site, SPAN_EMPTY, 7, 0));
    end(&s, units, -1, 0); /* what was in flight comes to its end */
    schedule_remove(&s, message, 0);
    for (uint64_t i = 0; i < 2 * SITES_IDLE_MAX; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "[host%d]", (int)i);
        schedule_remove(&s, add_ready(&s, 10 + i, "a@x.tld", name, 0), 0);
    }
    assert_ptr_equal(site_find(&s.sites, SPAN_LITERAL("smtp"), SPAN_LITERAL("[away]")), site);
    add_ready(&s, 2, "a@x.tld", "[away]", 0);
    assert_int_equal(take(&s, 0, NULL), 0);
    site_resume(&s.sites, site, 0);
    assert_int_equal(take(&s, 0, NULL), 2);
    finish(&s);
}

/* One message comes for each that is passed over. */
static void test_a_walk_ends(void **state)
{
    struct schedule s;
    struct cursor cursor;
    uint64_t count = 0;

    (void)state;
    start(&s, 20, 50);
    add_ready(&s, 1, "a@x.tld", "[host]", 0);
    add_ready(&s, 2, "a@x.tld", "[host]", 0);
    cursor_start(&cursor, &s);
    while (cursor_next(&cursor) != NULL)
        add_ready(&s, 10 + count++, "a@x.tld", "[host]", 0);
    cursor_stop(&cursor, &s);
    assert_int_equal(count, 2);
    finish(&s);
}

static void test_a_walk_survives_removals(void **state)
{
    struct schedule s;
    struct cursor cursor;
    uint64_t want[] = {1, 4, 5, 6};

    (void)state;
    start(&s, 20, 50);
    for (uint64_t id = 1; id <= 5; id++)
        add_held(&s, id, "a@x.tld", 0);
    cursor_start(&cursor, &s);
    for (size_t i = 0; i < 4; i++) {
        struct queue_message *message = cursor_next(&cursor);

        assert_int_equal(message->id, want[i]);
        if (i == 0) {
            schedule_remove(&s, schedule_find(&s, 2), 0);
            schedule_remove(&s, schedule_find(&s, 3), 0);
            schedule_remove(&s, message, 0);
            add_held(&s, 6, "a@x.tld", 0);
        }
    }
    assert_null(cursor_next(&cursor));
    cursor_stop(&cursor, &s);
    finish(&s);
}

static void test_idle_sites_are_few(void **state)
{
    struct schedule s;

    (void)state;
    start(&s, 20, 50);
    for (uint64_t id = 1; id <= SITES_IDLE_MAX + 500; id++) {
        char nexthop[32];
        struct unit *units = NULL;

        snprintf(nexthop, sizeof(nexthop), "h%u.tld", (unsigned)id);
        struct queue_message *message = add_ready(&s, id, "a@x.tld", nexthop, 0);
        assert_int_equal(take(&s, 0, &units), id);
        end(&s, units, -1, 0);
        schedule_remove(&s, message, 0);
    }
    assert_int_equal(HASH_COUNT(s.sites.table), SITES_IDLE_MAX);
    assert_int_equal(s.unit_count, 0);
    assert_null(s.domains.table);
    finish(&s);
}

/* ---- the model: random operations ------------------------------------------------------------ */

#define MODEL_STEPS 30000
#define MODEL_MESSAGES 300

struct model {
    struct schedule s;
    struct unit *jobs[64];
    size_t job_count;
    int64_t now_ms;
    uint64_t next_id;
    unsigned seed;
};

static unsigned pick(struct model *model, unsigned below)
{
    model->seed = model->seed * 1103515245u + 12345u;
    return model->seed / 65536u % below;
}

static size_t list_length(const struct unit *list)
{
    const struct unit *unit;
    size_t count = 0;

    DL_COUNT(list, unit, count);
    return count;
}

/* Each unit is in the one list of its state, and in its domain's list if it waits. */
static void check(struct model *model)
{
    struct schedule *s = &model->s;
    size_t units = 0;
    size_t in_flight = 0;
    size_t listed = 0;
    size_t waiting = 0;
    size_t by_domain = 0;

    for (struct queue_message *m = s->messages.first; m != NULL; m = m->next) {
        for (struct unit *u = m->units; u != NULL; u = u->next_of_message) {
            units++;
            in_flight += u->state == UNIT_IN_FLIGHT;
            waiting += unit_is_waiting(u);
            assert_true(!m->is_held || !unit_is_waiting(u));
            assert_true(m->is_held || u->state != UNIT_ON_HOLD);
        }
    }
    for (struct site *site = s->sites.table; site != NULL; site = site->hh.next) {
        size_t ready = list_length(site->ready) + list_length(site->released);

        assert_int_equal(ready, site->ready_count);
        assert_int_equal(list_length(site->held), site->held_count);
        listed += ready + site->held_count + site->waiting.count;
        assert_true(site->in_flight <= site->limits.jobs.most);
        assert_int_equal(site->unit_count == 0 && site->suspension == NULL,
                         site->place == SITE_IDLE);
        assert_true(site->suspension == NULL || site->place == SITE_BLOCKED ||
                    site->place == SITE_SLEEPING);
    }
    for (struct domain *d = s->domains.table; d != NULL; d = d->hh.next) {
        const struct unit *unit;

        DL_FOREACH2(d->units, unit, domain_next)
        by_domain++;
        assert_true(d->unit_count > 0 || d->children != NULL || d->last_pass_ms > 0);
        assert_true((d->message_count == 0) == (d->units == NULL));
    }
    assert_int_equal(units, s->unit_count);
    assert_int_equal(in_flight, s->in_flight);
    assert_int_equal(listed, waiting);
    assert_int_equal(by_domain, waiting);
}

static void model_add(struct model *model)
{
    static const char *const addresses[] = {
        "a@x.tld",
        "a@x.tld b@y.tld",
        "a@s.x.tld b@x.tld c@x.tld",
        "a@z.tld b@z.tld c@z.tld d@z.tld",
    };
    static const char *const nexthops[] = {"h1", "h2", "h3"};

    if (model->s.messages.count >= MODEL_MESSAGES)
        return;
    struct queue_message *message =
        add(&model->s, ++model->next_id, addresses[pick(model, 4)],
            pick(model, 2) == 0 ? "smtp" : "etrn-only", nexthops[pick(model, 3)]);
    defer_all(&model->s, message,
              pick(model, 3) == 0 ? CLOCK_NEVER : model->now_ms + (int64_t)pick(model, 50),
              model->now_ms);
}

static void model_take(struct model *model)
{
    struct unit *units = NULL;

    if (model->job_count < 64 && take(&model->s, model->now_ms, &units) != 0)
        model->jobs[model->job_count++] = units;
}

static void model_end(struct model *model)
{
    if (model->job_count == 0)
        return;
    size_t i = pick(model, (unsigned)model->job_count);
    struct unit *units = model->jobs[i];
    struct queue_message *message = units->message;
    struct site *site = units->site;

    model->jobs[i] = model->jobs[--model->job_count];
    if (pick(model, 4) == 0) {
        if (site_failed(site, model->now_ms - 5, model->now_ms, model->now_ms, SPAN_EMPTY))
            site->not_before_ms = model->now_ms + 30;
        end(&model->s, units, pick(model, 2) == 0 ? CLOCK_NEVER : model->now_ms + 10,
            model->now_ms);
        if (site->in_flight == 0)
            schedule_recall(&model->s, site, model->now_ms);
        return;
    }
    site_reached(site, model->now_ms);
    end(&model->s, units, -1, model->now_ms);
    if (message->units == NULL)
        schedule_remove(&model->s, message, model->now_ms);
}

/* A deliver process has died. */
static void model_return(struct model *model)
{
    if (model->job_count == 0)
        return;
    struct unit *units = model->jobs[--model->job_count];
    struct site *site = units->site;
    struct unit *unit;
    struct unit *next;

    DL_FOREACH_SAFE(units, unit, next)
    schedule_return(&model->s, unit, model->now_ms + 10, model->now_ms);
    schedule_job_done(&model->s, site, model->now_ms);
}

static void model_release(struct model *model)
{
    static const char *const names[] = {"x.tld", "tld", "s.x.tld", "none.tld"};
    bool is_postponed;

    if (pick(model, 10) == 0)
        (void)release_all(&model->s, model->now_ms);
    else
        (void)release_domain_paced(&model->s, sluice_span_of(names[pick(model, 4)]),
                                   pick(model, 2) == 0, 20, model->now_ms, &is_postponed);
    release_postponed(&model->s, 20, model->now_ms);
}

/* What operators do to a message: those that have been ordered to go go with their last job. */
static void model_operate(struct model *model)
{
    struct schedule *s = &model->s;
    struct queue_message *message = s->messages.first;
    struct unit *unit;

    for (unsigned skip = pick(model, MODEL_MESSAGES); message != NULL && skip > 0; skip--)
        message = message->next;
    if (message == NULL)
        return;
    switch (pick(model, 4)) {
    case 0:
        schedule_hold(s, message, model->now_ms);
        break;
    case 1:
        schedule_unhold(s, message, model->now_ms);
        break;
    case 2:
        for (unit = message->units; unit != NULL; unit = unit->next_of_message)
            schedule_move(s, unit, model->now_ms + (int64_t)pick(model, 20), model->now_ms);
        break;
    default:
        for (unit = message->units; unit != NULL; unit = unit->next_of_message) {
            if (unit->state == UNIT_IN_FLIGHT)
                return;
        }
        schedule_remove(s, message, model->now_ms);
    }
}

static void model_suspend(struct model *model)
{
    struct site *site = model->s.sites.table;

    for (unsigned skip = pick(model, 6); site != NULL && skip > 0; skip--)
        site = site->hh.next;
    if (site == NULL)
        return;
    if (pick(model, 2) == 0)
        assert_true(site_suspend(&model->s.sites, site, SPAN_EMPTY, 1, model->now_ms));
    else
        site_resume(&model->s.sites, site, model->now_ms);
}

static void model_lift(struct model *model)
{
    for (struct queue_message *m = model->s.messages.first; m != NULL; m = m->next)
        schedule_unhold(&model->s, m, model->now_ms);
    for (struct site *site = model->s.sites.table; site != NULL; site = site->hh.next)
        site_resume(&model->s.sites, site, model->now_ms);
}

/* In the end, when everything is released and succeeds, everything goes. */
static void model_empty(struct model *model)
{
    for (int i = 0; i < 100000 && model->s.messages.first != NULL; i++) {
        struct unit *units = NULL;

        while (model->job_count > 0 || take(&model->s, model->now_ms, &units) != 0) {
            if (model->job_count > 0)
                units = model->jobs[--model->job_count];
            struct queue_message *message = units->message;
            site_reached(units->site, model->now_ms);
            end(&model->s, units, -1, model->now_ms);
            if (message->units == NULL)
                schedule_remove(&model->s, message, model->now_ms);
        }
        model->now_ms += 100;
        (void)release_all(&model->s, model->now_ms);
    }
    assert_null(model->s.messages.first);
    assert_int_equal(model->s.unit_count, 0);
}

static void test_random_operations(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct model model = {.now_ms = 1000, .seed = seed};

        start(&model.s, 3, 2);
        for (int step = 0; step < MODEL_STEPS; step++) {
            switch (pick(&model, 9)) {
            case 0:
                model_add(&model);
                break;
            case 1:
            case 2:
                model_take(&model);
                break;
            case 3:
            case 4:
                model_end(&model);
                break;
            case 5:
                model_return(&model);
                break;
            case 6:
                model_operate(&model);
                break;
            case 7:
                if (step % 16 == 0)
                    model_suspend(&model);
                break;
            default:
                model_release(&model);
                model.now_ms += pick(&model, 5);
            }
            if (step % 50 == 0)
                check(&model);
        }
        model_lift(&model);
        model_empty(&model);
        check(&model);
        finish(&model.s);
    }
}

static void test_a_message_is_small(void **state)
{
    (void)state;
    /* One recipient: message, unit, its places in the site's heap, in memory as malloc rounds. */
    assert_in_range(sizeof(struct queue_message) + sizeof(struct unit) + 2 * sizeof(void *), 1,
                    232);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_until_due),
        cmocka_unit_test(test_sites_take_turns),
        cmocka_unit_test(test_jobs_at_a_time),
        cmocka_unit_test(test_units_become_jobs),
        cmocka_unit_test(test_each_recipient_has_one_unit),
        cmocka_unit_test(test_an_id_is_added_once),
        cmocka_unit_test(test_failures_count_once_for_each_down_time),
        cmocka_unit_test(test_one_site_down_stops_no_other),
        cmocka_unit_test(test_a_release_takes_its_domain_alone),
        cmocka_unit_test(test_a_release_is_one_pass),
        cmocka_unit_test(test_a_release_ignores_suspension),
        cmocka_unit_test(test_recalled_mail_is_held_again),
        cmocka_unit_test(test_what_did_not_take_place_stays_released),
        cmocka_unit_test(test_what_was_given_back_goes_with_the_next_release),
        cmocka_unit_test(test_strangers_are_paced),
        cmocka_unit_test(test_a_release_is_remembered),
        cmocka_unit_test(test_release_of_a_message_and_a_site),
        cmocka_unit_test(test_a_message_on_hold_stays),
        cmocka_unit_test(test_a_message_comes_off_hold_as_it_was),
        cmocka_unit_test(test_a_message_moves_to_another_time),
        cmocka_unit_test(test_a_suspended_site_takes_nothing),
        cmocka_unit_test(test_a_suspended_site_is_not_forgotten),
        cmocka_unit_test(test_a_walk_survives_removals),
        cmocka_unit_test(test_a_walk_ends),
        cmocka_unit_test(test_idle_sites_are_few),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_a_message_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
