/* SPDX-License-Identifier: ISC */
/*
 * Mail whose time is over, in the queue role as a process: it is given up, once, and its sender is told.
 */
#include "report_fixture.h"

static void test_expiry_and_warning(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 600;\nmaximal_backoff_time = 600;\n"
                      "delay_warning_time = \"1s\";\nmaximal_queue_lifetime = \"3s\";\n");
    (void)commit(&f, "a@x.test", "smtp");
    (void)commit(&f, "b@x.test", "etrn-only");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, later);
    for (int i = 0; i < 2; i++) {
        expect_report(&f, REPORT_DELAY, &seen);
        assert_true(seen.report.expires_ms > clock_wall_ms());
        send_end(&f, &seen, SLUICE_OK);
        seen_report_done(&seen);
    }
    for (int i = 0; i < 2; i++) {
        const struct envelope_recipient *recipient;

        expect_report(&f, REPORT_FAILURE, &seen);
        recipient = &seen.envelope.recipients[0];
        bool is_held = recipient->address.ptr[0] == 'b';
        assert_true(
            span_equal(recipient->dsn, is_held ? SPAN_LITERAL("4.3.2") : SPAN_LITERAL("4.2.0")));
        assert_true(span_equal(recipient->text, is_held ? SPAN_LITERAL("deferred transport")
                                                        : SPAN_LITERAL("not now")));
        send_end(&f, &seen, SLUICE_OK);
        seen_report_done(&seen);
    }
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* A message in flight when its time is over is given up when it comes back. */
static void test_what_is_in_flight_expires_later(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "maximal_queue_lifetime = \"1s\";\n");
    (void)commit(&f, "a@x.test b@x.test", "smtp");
    expect_job(&f, &job);
    int64_t until_ms = clock_monotonic_ms() + 1500;
    while (clock_monotonic_ms() < until_ms)
        pump();
    assert_null(peer_find(&f.deliver, MESSAGE_REPORT));
    answer_job(&f, &job, SITE_REACHED, (const sluice_status[16]){SLUICE_OK, SLUICE_TEMP});
    expect_report(&f, REPORT_FAILURE, &seen);
    assert_int_equal(seen.envelope.recipient_count, 1);
    send_end(&f, &seen, SLUICE_OK);
    seen_report_done(&seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_a_lifetime_of_nothing_is_one_attempt(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "maximal_queue_lifetime = 0;\n");
    (void)commit(&f, "a@x.test", "smtp");
    (void)commit(&f, "b@x.test", "etrn-only");
    expect_job(&f, &job);
    peer_expect_none(&f.deliver, MESSAGE_REPORT);
    answer_job(&f, &job, SITE_REACHED, later);
    expect_report(&f, REPORT_FAILURE, &seen);
    assert_true(span_equal(seen.envelope.recipients[0].address, SPAN_LITERAL("a@x.test")));
    send_end(&f, &seen, SLUICE_OK);
    seen_report_done(&seen);
    wait_for_messages(&f, 1); /* what has not been attempted waits for that */
    fixture_stop(&f);
}

/* One command on one message, which must be done. */
static void operate(const struct fixture *f, const char *verb, uint64_t id)
{
    char request[128];

    (void)snprintf(request, sizeof(request), "{\"command\": \"queue %s\", \"id\": \"%016llX\"}",
                   verb, (unsigned long long)id);
    json_t *lines = ask(f, request);
    assert_string_equal(member(json_array_get(lines, json_array_size(lines) - 1), "status"), "OK");
    json_decref(lines);
}

/* The report that comes next is about that address, and comes to nothing. */
static void expect_return(struct fixture *f, const char *address)
{
    struct seen_report seen;

    expect_report(f, REPORT_FAILURE, &seen);
    assert_int_equal(seen.envelope.recipient_count, 1);
    assert_true(span_equal(seen.envelope.recipients[0].address, sluice_span_of(address)));
    send_end(f, &seen, SLUICE_OK);
    seen_report_done(&seen);
}

/* An operator's order for a young message, or one that comes off hold, lets no older one live on. */
static void test_nobody_is_forgotten(void **state)
{
    struct fixture f;

    (void)state;
    fixture_start(&f, "maximal_queue_lifetime = \"3s\";\n");
    uint64_t held = commit(&f, "a@x.test", "etrn-only");
    operate(&f, "hold", held);
    (void)commit(&f, "b@x.test", "etrn-only");
    uint64_t young = commit(&f, "c@x.test", "etrn-only");
    operate(&f, "expire", young);
    expect_return(&f, "c@x.test");
    expect_return(&f, "b@x.test");
    peer_expect_none(&f.deliver, MESSAGE_REPORT);
    operate(&f, "unhold", held);
    expect_return(&f, "a@x.test");
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Hold is hold: also for what comes back from an attempt. */
static void test_what_is_on_hold_is_not_given_up(void **state)
{
    struct fixture f;
    struct seen_job job;

    (void)state;
    fixture_start(&f, "");
    uint64_t id = commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    operate(&f, "hold", id);
    operate(&f, "expire", id);
    answer_job(&f, &job, SITE_REACHED, later);
    peer_expect_none(&f.deliver, MESSAGE_REPORT);
    operate(&f, "unhold", id);
    expect_return(&f, "a@x.test");
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* More recipients than one report has: as many warnings as they need, and no more. */
static void test_a_warning_for_many(void **state)
{
    const size_t wanted[] = {REPORT_RECIPIENTS_MAX, 100};
    struct buffer addresses = BUFFER_INIT;
    struct seen_report seen;
    struct fixture f;

    (void)state;
    for (int i = 0; i < REPORT_RECIPIENTS_MAX + 100; i++)
        buffer_printf(&addresses, i > 0 ? " a%d@x.test" : "a%d@x.test", i);
    fixture_start(&f, "delay_warning_time = \"1s\";\n");
    (void)commit(&f, buffer_text(&addresses), "etrn-only");
    for (size_t i = 0; i < 2; i++) {
        expect_report(&f, REPORT_DELAY, &seen);
        assert_int_equal(seen.envelope.recipient_count, wanted[i]);
        send_end(&f, &seen, SLUICE_OK);
        seen_report_done(&seen);
    }
    peer_expect_none(&f.deliver, MESSAGE_REPORT);
    buffer_done(&addresses);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry_and_warning),
        cmocka_unit_test(test_what_is_in_flight_expires_later),
        cmocka_unit_test(test_a_lifetime_of_nothing_is_one_attempt),
        cmocka_unit_test(test_nobody_is_forgotten),
        cmocka_unit_test(test_what_is_on_hold_is_not_given_up),
        cmocka_unit_test(test_a_warning_for_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
