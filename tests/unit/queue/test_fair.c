/* SPDX-License-Identifier: ISC */
/*
 * Sites beside each other, with virtual time and counts: deliver processes with so many places, hosts that
 * take so long for a message, and how long each message has to wait for its turn.
 */
#include "base/clock.h"
#include "base/span.h"
#include "queue/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#define PLACES 1000
#define SLOW_MS 10000
#define BRISK_MS 200
#define SITE_JOBS 20
#define HUNDRED 100

struct attempt {
    struct heap_node end;
    struct site *site;
    struct unit *units;
};

struct world {
    struct schedule schedule;
    struct places places;
    struct heap ends;
    int64_t now_ms;
    uint64_t next_id;
    int64_t worst_wait_ms; /* of the hundred */
    int64_t worst_slow_wait_ms;
    unsigned hundred_begun;
    unsigned slow_begun;
};

static struct site_limits limits_of(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return (struct site_limits){
        .jobs = {.initial = SITE_JOBS, .most = SITE_JOBS, .failed_cohorts = 1}, .recipients = 50};
}

static void start(struct world *w, size_t places)
{
    *w = (struct world){.places = {.total = places, .free = places}, .next_id = 1};
    schedule_init(&w->schedule, limits_of, NULL);
}

/* Messages for "KIND NUMBER", ready now. */
static void add(struct world *w, const char *kind, unsigned number, unsigned count)
{
    char nexthop[32];

    (void)snprintf(nexthop, sizeof(nexthop), "%s%u", kind, number);
    for (unsigned i = 0; i < count; i++) {
        struct envelope envelope = {.arrival_ms = w->now_ms};
        struct envelope_recipient *recipient = envelope_add(&envelope);
        struct queue_message *message;

        assert_non_null(recipient);
        recipient->address = SPAN_LITERAL("a@b.example");
        recipient->transport = SPAN_LITERAL("smtp");
        recipient->nexthop = sluice_span_of(nexthop);
        assert_int_equal(schedule_add(&w->schedule, w->next_id++, &envelope, &message), SLUICE_OK);
        schedule_defer(&w->schedule, message->units, w->now_ms, w->now_ms);
        envelope_done(&envelope);
    }
}

static bool is_slow(const struct site *site)
{
    return site->nexthop[0] == 's';
}

static void note_begin(struct world *w, const struct attempt *attempt)
{
    int64_t wait_ms = w->now_ms - attempt->units->message->arrival_ms;

    int64_t *worst_ms = is_slow(attempt->site) ? &w->worst_slow_wait_ms : &w->worst_wait_ms;

    if (is_slow(attempt->site))
        w->slow_begun++;
    else
        w->hundred_begun++;
    if (wait_ms > *worst_ms)
        *worst_ms = wait_ms;
}

static void begin_all(struct world *w)
{
    struct unit *units;
    struct site *site;

    while ((site = schedule_take(&w->schedule, &w->places, w->now_ms, &units)) != NULL) {
        struct attempt *attempt = calloc(1, sizeof(*attempt));

        assert_non_null(attempt);
        attempt->site = site;
        attempt->units = units;
        note_begin(w, attempt);
        assert_true(w->places.free > 0);
        w->places.free--;
        assert_true(heap_reserve(&w->ends, w->ends.count + 1));
        (void)heap_put(&w->ends, &attempt->end, w->now_ms + (is_slow(site) ? SLOW_MS : BRISK_MS));
    }
}

static void end_one(struct world *w, struct attempt *attempt)
{
    struct queue_message *message = attempt->units->message;

    heap_remove(&w->ends, &attempt->end);
    fair_learn(site_fair(&w->schedule.sites, attempt->site), attempt->site,
               is_slow(attempt->site) ? SLOW_MS : BRISK_MS);
    site_reached(attempt->site, w->now_ms);
    schedule_settle(&w->schedule, attempt->units);
    schedule_job_done(&w->schedule, attempt->site, w->now_ms);
    schedule_remove(&w->schedule, message, w->now_ms);
    w->places.free++;
    free(attempt);
}

static void run_until(struct world *w, int64_t until_ms)
{
    struct heap_node *first;

    begin_all(w);
    while ((first = heap_first(&w->ends)) != NULL && first->due_ms <= until_ms) {
        w->now_ms = first->due_ms;
        end_one(w, (struct attempt *)(void *)first);
        begin_all(w);
    }
    w->now_ms = until_ms;
}

static void finish(struct world *w)
{
    struct heap_node *first;

    while ((first = heap_first(&w->ends)) != NULL)
        end_one(w, (struct attempt *)(void *)first);
    assert_int_equal(w->schedule.in_flight, 0);
    schedule_done(&w->schedule);
    heap_done(&w->ends);
}

/* The hundred get a message each, every second, for so long. */
static void run_hundred(struct world *w, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        for (unsigned site = 0; site < HUNDRED; site++)
            add(w, "quick", site, 1);
        run_until(w, w->now_ms + 1000);
    }
}

static unsigned jobs_of(struct world *w, const char *nexthop)
{
    const struct site *site =
        site_find(&w->schedule.sites, SPAN_LITERAL("smtp"), sluice_span_of(nexthop));

    assert_non_null(site);
    return site->in_flight;
}

static void test_one_slow_site(void **state)
{
    struct world w;

    (void)state;
    start(&w, PLACES);
    add(&w, "slow", 0, 20000);
    run_hundred(&w, 60);
    assert_int_equal(w.hundred_begun, 60 * HUNDRED);
    assert_int_equal(w.worst_wait_ms, 0);
    assert_int_equal(jobs_of(&w, "slow0"), SITE_JOBS);
    assert_true(w.slow_begun < 20000);
    finish(&w);
}

/* More slow sites than places: a host that is known to be quick is reached at once. */
static void test_more_slow_sites_than_places(void **state)
{
    struct world w;

    (void)state;
    start(&w, PLACES);
    run_hundred(&w, 1);
    for (unsigned site = 0; site < 2 * PLACES; site++)
        add(&w, "slow", site, 30);
    run_hundred(&w, 60);
    assert_int_equal(w.hundred_begun, 61 * HUNDRED);
    assert_int_equal(w.worst_wait_ms, 0);
    finish(&w);
}

/* Of the slow none has more than its share, and none is forgotten. */
static void test_slow_sites_share(void **state)
{
    struct world w;

    (void)state;
    start(&w, PLACES);
    for (unsigned site = 0; site < PLACES; site++)
        add(&w, "slow", site, 30);
    run_until(&w, 5 * SLOW_MS);
    for (unsigned i = 0; i < PLACES; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "slow%u", i);
        struct site *site =
            site_find(&w.schedule.sites, SPAN_LITERAL("smtp"), sluice_span_of(name));
        assert_true(site->unit_count < 30);
        assert_true(site->in_flight <= 2);
    }
    finish(&w);
}

/* As long as there are fewer slow sites than places, one that nobody knows yet need not wait either. */
static void test_unknown_beside_slow(void **state)
{
    struct world w;

    (void)state;
    start(&w, PLACES);
    for (unsigned site = 0; site < 500; site++)
        add(&w, "slow", site, 100);
    run_until(&w, 3 * SLOW_MS);
    run_hundred(&w, 60);
    assert_int_equal(w.hundred_begun, 60 * HUNDRED);
    assert_int_equal(w.worst_wait_ms, 0);
    finish(&w);
}

/* Quick sites that have all places all the time leave some to who comes now and then, slow or unknown. */
static void test_slow_sites_do_not_starve(void **state)
{
    struct world w;

    (void)state;
    start(&w, PLACES);
    for (unsigned site = 0; site < 2 * HUNDRED; site++)
        add(&w, "quick", site, 1000);
    run_until(&w, 1000);
    assert_true(w.places.free < PLACES / 8);
    for (unsigned round = 0; round < 2; round++) { /* unknown, then slow */
        for (unsigned site = 0; site < 20; site++)
            add(&w, "slow", site, 1);
        run_until(&w, w.now_ms + 2 * SLOW_MS / 10);
        assert_int_equal(w.slow_begun, (round + 1) * 20);
        run_until(&w, w.now_ms + SLOW_MS);
    }
    assert_true(w.hundred_begun < 2 * HUNDRED * 1000); /* they have never stopped */
    assert_true(w.worst_slow_wait_ms <= BRISK_MS);
    finish(&w);
}

/* Few places: a site with many messages, whose host is quick, has them when nobody else wants them. */
static void test_quick_site_uses_what_is_free(void **state)
{
    struct world w;

    (void)state;
    start(&w, 2 * SITE_JOBS);
    add(&w, "quick", 0, 1);
    run_until(&w, BRISK_MS);
    add(&w, "quick", 0, 20000);
    run_until(&w, 2 * BRISK_MS);
    assert_int_equal(jobs_of(&w, "quick0"), SITE_JOBS);
    finish(&w);
}

/* A slow site that gets quick is a quick one again, soon. */
static void test_pace_follows(void **state)
{
    struct site site = {.pace = PACE_UNKNOWN};
    struct fair fair = {0};
    unsigned count = 0;

    (void)state;
    fair_begin(&fair, &site);
    fair_begin(&fair, &site);
    assert_int_equal(fair.under_way[PACE_UNKNOWN], 2);
    fair_learn(&fair, &site, 0);
    assert_int_equal(site.pace, PACE_BRISK);
    for (; site.pace == PACE_BRISK; count++)
        fair_learn(&fair, &site, 60 * SLOW_MS);
    assert_int_equal(count, 1);
    assert_int_equal(fair.under_way[PACE_SLOW], 2);
    for (count = 0; count < 50; count++)
        fair_learn(&fair, &site, 60 * SLOW_MS);
    for (count = 0; site.pace == PACE_SLOW; count++)
        fair_learn(&fair, &site, BRISK_MS);
    assert_true(count <= 10);
    fair_end(&fair, &site);
    assert_int_equal(fair.under_way[PACE_BRISK], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_slow_site),
        cmocka_unit_test(test_more_slow_sites_than_places),
        cmocka_unit_test(test_slow_sites_share),
        cmocka_unit_test(test_unknown_beside_slow),
        cmocka_unit_test(test_slow_sites_do_not_starve),
        cmocka_unit_test(test_quick_site_uses_what_is_free),
        cmocka_unit_test(test_pace_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
