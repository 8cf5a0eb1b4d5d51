/* SPDX-License-Identifier: ISC */
/*
 * Suspects with virtual time: a small world of one ordinary deliver process and the isolated one, in
 * which some messages, or some transports, crash what attempts them.
 */
#include "base/clock.h"
#include "base/span.h"
#include "queue/release.h"
#include "queue/suspects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <utlist.h>

#define RETRY_MS 60000
#define MESSAGES_MAX 1000
#define JOBS_MAX 200

struct job {
    struct site *site;
    struct unit *units;
};

struct process {
    struct job jobs[JOBS_MAX];
    size_t count;
    size_t credit;
};

struct world {
    struct schedule schedule;
    struct suspects suspects;
    struct process ordinary;
    struct process isolated;
    bool has_last_words;
    int64_t now_ms;
    bool is_poison[MESSAGES_MAX];
    const char *bad_transport; /* crashes on each message; NULL: none */
    unsigned crashes;
    unsigned crashes_of[MESSAGES_MAX]; /* while it was the one that crashed */
    unsigned delivered;
    size_t widest; /* company of an attempt that ended, in the isolated process */
};

#define OTHER_CREWS "pipe" /* the transport that another crew does */

static struct site_limits limits_of(void *user, struct sluice_span transport)
{
    const struct world *world = user;

    return (struct site_limits){
        .crew = span_equal(transport, SPAN_LITERAL(OTHER_CREWS)) ? 1 : CREW_COMMON,
        .jobs = {.initial = 100, .most = 100, .failed_cohorts = 1},
        .recipients = 50,
        .is_unavailable = suspects_is_unavailable(&world->suspects, transport),
    };
}

static void start(struct world *world, bool has_last_words)
{
    *world = (struct world){.has_last_words = has_last_words, .now_ms = 1};
    world->ordinary.credit = 100;
    world->isolated.credit = JOBS_MAX;
    schedule_init(&world->schedule, limits_of, world);
    suspects_init(&world->suspects, &world->schedule, RETRY_MS);
}

/* Messages from..from + count - 1, ready now. */
static void add(struct world *world, uint64_t from, size_t count, const char *transport)
{
    for (uint64_t id = from; id < from + count; id++) {
        struct envelope envelope = ENVELOPE_INIT;
        struct envelope_recipient *recipient = envelope_add(&envelope);
        struct queue_message *message;

        assert_non_null(recipient);
        recipient->address = SPAN_LITERAL("user@customer.test");
        recipient->transport = sluice_span_of(transport);
        recipient->nexthop = SPAN_LITERAL("[hub.test]");
        assert_int_equal(schedule_add(&world->schedule, id, &envelope, &message), SLUICE_OK);
        envelope_done(&envelope);
        message->is_durable = true;
        schedule_defer(&world->schedule, message->units, world->now_ms, world->now_ms);
    }
}

static bool does_crash(const struct world *world, const struct job *job)
{
    return world->is_poison[job->units->message->id] ||
           (world->bad_transport != NULL && strcmp(job->site->transport, world->bad_transport) == 0);
}

static void fill(struct world *world, struct process *process)
{
    static const struct places places = {.total = 1000, .free = 1000};

    schedule_advance(&world->schedule, world->now_ms);
    while (process->count < process->credit) {
        struct job *job = &process->jobs[process->count];

        job->site = process == &world->isolated
                        ? suspects_take(&world->suspects, world->now_ms, &job->units)
                        : schedule_take(&world->schedule, &places, world->now_ms, &job->units);
        if (job->site == NULL)
            return;
        process->count++;
    }
}

static void leave(struct world *world, struct process *process, const struct job *job)
{
    schedule_job_done(&world->schedule, job->site, world->now_ms);
    if (process == &world->isolated)
        suspects_left(&world->suspects);
}

static void crash(struct world *world, struct process *process, struct job *culprit)
{
    bool is_known = world->has_last_words || process->count == 1;

    world->crashes++;
    world->crashes_of[culprit->units->message->id]++;
    if (is_known) {
        struct suspects_job blamed = {.message = culprit->units->message,
                                      .site = culprit->site,
                                      .is_blamed = true,
                                      .is_alone = process->count == 1};
        (void)suspects_blame(&world->suspects, &blamed, world->now_ms);
    }
    for (size_t i = 0; i < process->count; i++) {
        struct job *job = &process->jobs[i];
        struct suspects_job suspect = {.message = job->units->message,
                                       .site = job->site,
                                       .is_blamed = is_known && job == culprit,
                                       .is_alone = process->count == 1};

        (void)suspects_judge(&world->suspects, &suspect, world->has_last_words, world->now_ms);
        schedule_return(&world->schedule, job->units, world->now_ms, world->now_ms);
        leave(world, process, job);
    }
    process->count = 0;
}

static void deliver(struct world *world, struct process *process)
{
    for (size_t i = 0; i < process->count; i++) {
        struct job *job = &process->jobs[i];
        struct queue_message *message = job->units->message;

        suspects_completed(&world->suspects, message, job->site, process == &world->isolated,
                           world->now_ms);
        schedule_settle(&world->schedule, job->units);
        leave(world, process, job);
        schedule_remove(&world->schedule, message, world->now_ms);
        world->delivered++;
    }
    if (process == &world->isolated && process->count > world->widest)
        world->widest = process->count;
    process->count = 0;
}

/* All that a process has is attempted at the same time. */
static void run(struct world *world, struct process *process)
{
    fill(world, process);
    for (size_t i = 0; i < process->count; i++) {
        if (does_crash(world, &process->jobs[i])) {
            crash(world, process, &process->jobs[i]);
            return;
        }
    }
    deliver(world, process);
}

static void pass_time(struct world *world, int64_t seconds)
{
    for (int64_t end_ms = world->now_ms + seconds * 1000; world->now_ms < end_ms;
         world->now_ms += 1000) {
        run(world, &world->ordinary);
        run(world, &world->isolated);
    }
}

static bool is_held(const struct world *world, uint64_t id)
{
    const struct queue_message *message = schedule_find(&world->schedule, id);

    return message != NULL && message->is_held;
}

static size_t count_left(const struct world *world)
{
    return world->schedule.messages.count;
}

static void finish(struct world *world)
{
    assert_int_equal(world->suspects.in_flight, 0);
    schedule_done(&world->schedule);
    suspects_done(&world->suspects);
}

static void test_a_poison_is_held_at_its_third_crash(void **state)
{
    (void)state;
    for (int has_last_words = 0; has_last_words < 2; has_last_words++) {
        struct world w;

        start(&w, has_last_words == 1);
        add(&w, 1, 500, "smtp");
        w.is_poison[70] = true;
        pass_time(&w, 150);
        assert_int_equal(w.delivered, 499);
        assert_true(is_held(&w, 70));
        assert_int_equal(count_left(&w), 1);
        assert_int_equal(w.crashes, 3);
        assert_true(w.widest > 1); /* the others did not go one at a time to the end */
        assert_false(suspects_are_waiting(&w.suspects, 1, w.now_ms));
        finish(&w);
    }
}

/* Takes a suspect, whose attempt comes to its end. Its id; 0: there is none for that process. */
static uint64_t attempt_isolated(struct world *world)
{
    struct unit *units;
    struct site *site = suspects_take(&world->suspects, world->now_ms, &units);

    if (site == NULL)
        return 0;
    uint64_t id = units->message->id;
    suspects_completed(&world->suspects, units->message, site, true, world->now_ms);
    schedule_settle(&world->schedule, units);
    schedule_job_done(&world->schedule, site, world->now_ms);
    suspects_left(&world->suspects);
    schedule_remove(&world->schedule, schedule_find(&world->schedule, id), world->now_ms);
    return id;
}

/* The isolated process is of one crew: suspects of another one wait until it is that one's turn. */
static void test_suspects_of_two_crews(void **state)
{
    struct world w;

    (void)state;
    start(&w, false);
    add(&w, 1, 1, "smtp");
    add(&w, 2, 1, OTHER_CREWS);
    for (uint64_t id = 1; id <= 2; id++)
        schedule_set_crashes(&w.schedule, schedule_find(&w.schedule, id), 1, w.now_ms);
    assert_true(suspects_are_waiting(&w.suspects, 2, w.now_ms));
    assert_int_equal(w.suspects.crew, 0);
    assert_int_equal(attempt_isolated(&w), 1);
    assert_int_equal(attempt_isolated(&w), 0);
    assert_true(suspects_are_waiting(&w.suspects, 2, w.now_ms));
    assert_int_equal(w.suspects.crew, 1);
    assert_int_equal(attempt_isolated(&w), 2);
    assert_false(suspects_are_waiting(&w.suspects, 2, w.now_ms));
    finish(&w);
}

static void test_who_is_taken_off_hold_has_one_crash(void **state)
{
    struct world w;

    (void)state;
    start(&w, true);
    add(&w, 1, 1, "smtp");
    w.is_poison[1] = true;
    pass_time(&w, 60);
    assert_true(is_held(&w, 1));
    schedule_unhold(&w.schedule, schedule_find(&w.schedule, 1), w.now_ms);
    pass_time(&w, 10);
    assert_true(is_held(&w, 1));
    assert_int_equal(w.crashes, 4);
    w.is_poison[1] = false; /* somebody has mended the plugin */
    schedule_unhold(&w.schedule, schedule_find(&w.schedule, 1), w.now_ms);
    pass_time(&w, 10);
    assert_int_equal(w.delivered, 1);
    finish(&w);
}

static void test_a_crash_near_others_is_never_the_last(void **state)
{
    struct world w;
    struct queue_message *message;

    (void)state;
    start(&w, false);
    add(&w, 1, 1, "smtp");
    message = schedule_find(&w.schedule, 1);
    struct suspects_job near = {.message = message, .site = message->units->site};
    for (int i = 0; i < 10; i++)
        assert_int_equal(suspects_judge(&w.suspects, &near, false, w.now_ms), SUSPECTS_COUNTED);
    assert_int_equal(message->crashes, SUSPECTS_CRASHES_MAX - 1);
    near.is_alone = true;
    assert_int_equal(suspects_judge(&w.suspects, &near, false, w.now_ms), SUSPECTS_HELD);
    finish(&w);
}

static void test_a_transport_that_crashes_stops_alone(void **state)
{
    (void)state;
    for (int has_last_words = 0; has_last_words < 2; has_last_words++) {
        struct world w;

        start(&w, has_last_words == 1);
        w.bad_transport = "bad";
        add(&w, 1, 300, "bad");
        add(&w, 301, 300, "smtp");
        pass_time(&w, 30);
        assert_int_equal(w.delivered, 300);
        assert_true(w.crashes <= (has_last_words == 1 ? 3 : 10));
        pass_time(&w, 600);
        assert_true(w.crashes <= 20); /* one trial a minute */
        for (uint64_t id = 1; id <= 300; id++)
            assert_false(is_held(&w, id));
        (void)release_all(&w.schedule, w.now_ms); /* releases change nothing about it */
        unsigned before = w.crashes;
        pass_time(&w, 30);
        assert_true(w.crashes <= before + 1);
        w.bad_transport = NULL;
        pass_time(&w, RETRY_MS / 1000 + 60);
        assert_int_equal(w.delivered, 600);
        finish(&w);
    }
}

/* The isolated process is quicker than the others, which have to wait before they start again. */
static void test_nothing_is_held_while_its_transport_is_in_doubt(void **state)
{
    struct world w;

    (void)state;
    start(&w, true);
    w.bad_transport = "bad";
    add(&w, 1, 20, "bad");
    w.ordinary.credit = 1;
    run(&w, &w.ordinary);
    w.ordinary.credit = 0;
    pass_time(&w, 30);
    assert_int_equal(w.crashes, 3);
    assert_true(suspects_is_unavailable(&w.suspects, SPAN_LITERAL("bad")));
    assert_false(is_held(&w, 1));
    finish(&w);
}

/* New mail for a site that nobody knew before does not slip through. */
static void test_a_new_site_of_a_bad_transport(void **state)
{
    struct world w;

    (void)state;
    start(&w, true);
    w.bad_transport = "bad";
    add(&w, 1, 10, "bad");
    pass_time(&w, 10);
    assert_true(suspects_is_unavailable(&w.suspects, SPAN_LITERAL("bad")));
    struct site_limits limits = limits_of(&w, SPAN_LITERAL("bad"));
    struct site *site = site_get(&w.schedule.sites, SPAN_LITERAL("bad"), SPAN_LITERAL("new"), &limits);
    assert_true(site_is_suspended(site, w.now_ms));
    finish(&w);
}

/* Three poisons make their transport look bad; a good message shows that it is not. */
static void test_poisons_are_told_from_a_bad_transport(void **state)
{
    struct world w;

    (void)state;
    start(&w, true);
    w.is_poison[1] = w.is_poison[2] = w.is_poison[3] = true;
    add(&w, 1, 3, "smtp");
    pass_time(&w, 10);
    assert_true(suspects_is_unavailable(&w.suspects, SPAN_LITERAL("smtp")));
    add(&w, 4, 20, "smtp");
    pass_time(&w, 300);
    assert_int_equal(w.delivered, 20);
    for (uint64_t id = 30; id < 40; id++) { /* mail goes on, and all of them come to their end */
        add(&w, id, 1, "smtp");
        pass_time(&w, 120);
    }
    assert_int_equal(w.delivered, 30);
    assert_true(is_held(&w, 1) && is_held(&w, 2) && is_held(&w, 3));
    finish(&w);
}

static void test_an_attempt_that_ends_clears(void **state)
{
    struct world w;

    (void)state;
    start(&w, false);
    add(&w, 1, 10, "smtp");
    w.is_poison[5] = true;
    run(&w, &w.ordinary);
    assert_int_equal(w.crashes, 1);
    for (uint64_t id = 1; id <= 10; id++)
        assert_int_equal(schedule_find(&w.schedule, id)->crashes, 1);
    w.is_poison[5] = false;
    fill(&w, &w.isolated);
    assert_int_equal(w.isolated.count, 1);
    struct queue_message *message = w.isolated.jobs[0].units->message;
    suspects_completed(&w.suspects, message, w.isolated.jobs[0].site, true, w.now_ms);
    assert_int_equal(message->crashes, 0);
    schedule_defer(&w.schedule, w.isolated.jobs[0].units, w.now_ms, w.now_ms);
    leave(&w, &w.isolated, &w.isolated.jobs[0]);
    w.isolated.count = 0;
    run(&w, &w.ordinary); /* that one is with the others again */
    assert_int_equal(w.delivered, 1);
    pass_time(&w, 10);
    assert_int_equal(w.delivered, 10);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_poison_is_held_at_its_third_crash),
        cmocka_unit_test(test_suspects_of_two_crews),
        cmocka_unit_test(test_who_is_taken_off_hold_has_one_crash),
        cmocka_unit_test(test_a_crash_near_others_is_never_the_last),
        cmocka_unit_test(test_a_transport_that_crashes_stops_alone),
        cmocka_unit_test(test_nothing_is_held_while_its_transport_is_in_doubt),
        cmocka_unit_test(test_a_new_site_of_a_bad_transport),
        cmocka_unit_test(test_poisons_are_told_from_a_bad_transport),
        cmocka_unit_test(test_an_attempt_that_ends_clears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
