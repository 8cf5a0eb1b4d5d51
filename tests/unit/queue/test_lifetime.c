/* SPDX-License-Identifier: ISC */
/* The hands of lifetime over messages of a schedule, with times of the test's own. */
#include "queue/lifetime.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)

static struct site_limits limits(void *user, struct sluice_span transport)
{
    (void)user;
    (void)transport;
    return (struct site_limits){.jobs = {.initial = 1, .most = 1}, .recipients = 10};
}

static struct queue_message *add(struct schedule *schedule, uint64_t id, int64_t arrival_ms)
{
    struct envelope_recipient recipient = {
        .address = SPAN_LITERAL("a@x.tld"),
        .transport = SPAN_LITERAL("smtp"),
        .nexthop = SPAN_LITERAL("x.tld"),
    };
    const struct envelope envelope = {
        .arrival_ms = arrival_ms, .recipients = &recipient, .recipient_count = 1};
    struct queue_message *message;

    assert_int_equal(schedule_add(schedule, id, &envelope, &message), SLUICE_OK);
    message->is_durable = true;
    return message;
}

static void expect_pass(struct lifetime_hand *hand, int64_t wall_ms, uint64_t id)
{
    const struct queue_message *message = lifetime_pass(hand, wall_ms);

    if (id == 0)
        assert_null(message);
    else
        assert_true(message != NULL && message->id == id);
}

static void test_a_hand_follows(void **state)
{
    struct lifetime_hand hand = {.limit_ms = 5 * DAY_MS};
    struct schedule schedule;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    (void)add(&schedule, 2, 2000); /* as a store may give them: in any order */
    (void)add(&schedule, 3, 3000);
    (void)add(&schedule, 1, 1000);
    assert_int_equal(roster_sort(&schedule.messages), SLUICE_OK);
    cursor_follow(&hand.cursor, &schedule);
    assert_true(lifetime_next_ms(&hand) == 5 * DAY_MS + 1000);
    expect_pass(&hand, 5 * DAY_MS + 999, 0);
    expect_pass(&hand, 5 * DAY_MS + 1000, 1);
    expect_pass(&hand, 5 * DAY_MS + 1000, 0);
    schedule_remove(&schedule, schedule_find(&schedule, 2), 0); /* delivered */
    assert_true(lifetime_next_ms(&hand) == 5 * DAY_MS + 3000);
    expect_pass(&hand, 6 * DAY_MS, 3);
    expect_pass(&hand, 6 * DAY_MS, 0);
    assert_true(lifetime_next_ms(&hand) == CLOCK_NEVER);
    (void)add(&schedule, 4, 6 * DAY_MS); /* behind the end: it goes on */
    (void)add(&schedule, 5, 6 * DAY_MS + 1);
    assert_true(lifetime_next_ms(&hand) == 11 * DAY_MS);
    expect_pass(&hand, 20 * DAY_MS, 4);
    expect_pass(&hand, 20 * DAY_MS, 5);
    cursor_stop(&hand.cursor, &schedule);
    schedule_done(&schedule);
}

/* The list and the table agree afterwards: messages come, go and are found. */
static void test_sorting(void **state)
{
    struct schedule schedule;
    struct cursor cursor;
    int64_t last_ms = -1;
    size_t count = 0;
    const struct queue_message *message;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    for (uint64_t id = 1; id <= 1000; id++)
        (void)add(&schedule, id, (int64_t)(id * 7919 % 1000));
    assert_int_equal(roster_sort(&schedule.messages), SLUICE_OK);
    schedule_remove(&schedule, schedule_find(&schedule, 1000), 0); /* the first, and the last */
    schedule_remove(&schedule, schedule_find(&schedule, 321), 0);
    (void)add(&schedule, 1001, 1000);
    cursor_start(&cursor, &schedule);
    while ((message = cursor_next(&cursor)) != NULL) {
        assert_true(message->arrival_ms >= last_ms);
        assert_ptr_equal(schedule_find(&schedule, message->id), message);
        last_ms = message->arrival_ms;
        count++;
    }
    assert_int_equal(count, 999);
    cursor_stop(&cursor, &schedule);
    schedule_done(&schedule);
}

static void test_what_was_there_before_gets_an_attempt(void **state)
{
    struct lifetime_hand hand = {.limit_ms = DAY_MS, .start_ms = 10 * DAY_MS, .grace_ms = 300000};
    struct schedule schedule;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    (void)add(&schedule, 1, 0);
    (void)add(&schedule, 2, 10 * DAY_MS);
    cursor_follow(&hand.cursor, &schedule);
    expect_pass(&hand, 10 * DAY_MS + 299999, 0);
    expect_pass(&hand, 10 * DAY_MS + 300000, 1);
    assert_true(lifetime_next_ms(&hand) == 11 * DAY_MS);
    cursor_stop(&hand.cursor, &schedule);
    schedule_done(&schedule);
}

static void test_hands_wait(void **state)
{
    struct lifetime_hand idle = {.limit_ms = 0};
    struct lifetime_hand hand = {.limit_ms = 1000};
    struct schedule schedule;

    (void)state;
    schedule_init(&schedule, limits, NULL);
    struct queue_message *message = add(&schedule, 1, 0);
    cursor_follow(&idle.cursor, &schedule);
    cursor_follow(&hand.cursor, &schedule);
    expect_pass(&idle, DAY_MS, 0); /* no limit, no time */
    message->is_durable = false;
    expect_pass(&hand, DAY_MS, 0); /* its client has no answer yet */
    message->is_durable = true;
    expect_pass(&hand, DAY_MS, 1);
    cursor_stop(&idle.cursor, &schedule);
    cursor_stop(&hand.cursor, &schedule);
    schedule_done(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hand_follows),
        cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_what_was_there_before_gets_an_attempt),
        cmocka_unit_test(test_hands_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
