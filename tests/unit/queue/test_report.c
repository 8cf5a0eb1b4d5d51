/* SPDX-License-Identifier: ISC */
/*
 * Reports as the queue has them: when deliver is asked for one, of whom it tells, and that a new
 * message and the record of the old one are stored together or not at all.
 */
#include "report_fixture.h"

#include <sys/mman.h>

static void test_failures_gather_into_one_report(void **state)
{
    struct fixture f;
    struct seen_job first;
    struct seen_job second;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "transports = ( { name = \"smtp\"; plugin = \"smtp\"; "
                      "destination_recipient_limit = 1; } );\n");
    uint64_t id = commit(&f, "a@x.test b@x.test", "smtp");
    expect_job(&f, &first);
    expect_job(&f, &second);
    answer_job(&f, &first, SITE_REACHED, bad);
    peer_expect_none(&f.deliver, MESSAGE_REPORT); /* the other one is under way */
    answer_job(&f, &second, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    assert_true(seen.report.message_id == id);
    assert_true(span_equal(seen.report.content, SPAN_LITERAL("hello\r\n")));
    assert_int_equal(seen.envelope.recipient_count, 2);
    assert_true(span_equal(seen.envelope.sender, SPAN_LITERAL("sender@isp.test")));
    assert_int_equal(count_messages(&f), 1);
    answer_report(&f, &seen);
    wait_until_empty(&f);
    peer_expect_none(&f.deliver, MESSAGE_REPORT);
    fixture_stop(&f);
}

/* Nobody is to be told: deliver says so, and the message goes. */
static void test_a_report_may_come_to_nothing(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    send_end(&f, &seen, SLUICE_OK);
    seen_report_done(&seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* what failed stays until its report is stored. */
static void test_what_cannot_be_told_now_is_told_later(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    send_letter(&f, &seen, "void\r\n", -1, 6); /* what came before a TEMP does not count */
    send_end(&f, &seen, SLUICE_TEMP);
    seen_report_done(&seen);
    expect_report(&f, REPORT_FAILURE, &seen); /* and when the deliver process dies over it */
    assert_int_equal(count_messages(&f), 1);
    seen_report_done(&seen);
    peer_close(&f.deliver);
    add_deliver(&f);
    expect_report(&f, REPORT_FAILURE, &seen);
    answer_report(&f, &seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* The rest of the message goes on meanwhile, and what fails then needs a report of its own. */
static void test_the_others_go_on(void **state)
{
    const sluice_status mixed[16] = {SLUICE_PERM, SLUICE_TEMP, SLUICE_TEMP};
    const sluice_status rest[16] = {SLUICE_OK, SLUICE_PERM};
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;
    char text[128];

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 1;\n");
    (void)commit(&f, "a@x.test b@x.test c@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, mixed);
    expect_report(&f, REPORT_FAILURE, &seen);
    assert_int_equal(seen.envelope.recipient_count, 1);
    answer_report(&f, &seen);
    expect_job(&f, &job);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, "returned 1 not now");
    assert_int_equal(job.envelope.recipient_count, 2);
    answer_job(&f, &job, SITE_REACHED, rest);
    expect_report(&f, REPORT_FAILURE, &seen);
    assert_int_equal(seen.envelope.recipient_count, 1);
    assert_true(span_equal(seen.envelope.recipients[0].address, SPAN_LITERAL("c@x.test")));
    answer_report(&f, &seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_a_large_report_is_a_file(void **state)
{
    const size_t size = 100000;
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;
    char byte = 0;
    int fd = memfd_create("report", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(pwrite(fd, "x", 1, (off_t)size - 1), 1);
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    send_letter(&f, &seen, "", fd, size);
    send_end(&f, &seen, SLUICE_OK);
    (void)close(fd);
    seen_report_done(&seen);
    expect_job(&f, &job);
    assert_true(job.envelope.content_size == size);
    assert_int_equal(pread(job.frame->fd, &byte, 1, (off_t)size - 1), 1);
    assert_int_equal(byte, 'x');
    answer_job(&f, &job, SITE_REACHED, good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void operate(const struct fixture *f, const char *verb)
{
    char request[64];

    (void)snprintf(request, sizeof(request), "{\"command\": \"queue %s\", \"id\": \"ALL\"}", verb);
    json_t *lines = ask(f, request);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 0), "count")), 1);
    json_decref(lines);
}

/* While the store refuses, the failed recipient stays, and no report gets about. */
static void test_report_and_record_are_stored_together(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;
    char text[128];

    (void)state;
    fixture_start_on(&f, "plain", "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    operate(&f, "hold"); /* which waits until the store has the result */
    fixture_set_file(&f, "fail", true);
    send_letter(&f, &seen, "report\r\n", -1, 8);
    send_end(&f, &seen, SLUICE_OK);
    seen_report_done(&seen);
    expect_report(&f, REPORT_FAILURE, &seen); /* again */
    assert_null(peer_find(&f.deliver, MESSAGE_JOB));
    assert_int_equal(count_messages(&f), 1);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, "failed 1 not now");
    fixture_set_file(&f, "fail", false);
    answer_report(&f, &seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Deliver crashes over it again and again: the message waits for somebody who looks at it. */
static void test_a_report_that_cannot_be_made(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;
    char task[32];
    json_t *lines;

    (void)state;
    fixture_start(&f, "");
    uint64_t id = commit(&f, "a@x.test", "smtp");
    (void)snprintf(task, sizeof(task), "%016llX", (unsigned long long)id);
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    for (int i = 0; i < 3; i++) {
        expect_report(&f, REPORT_FAILURE, &seen);
        seen_report_done(&seen);
        end_deliver(&f, task);
        f.deliver_pid++;
        add_deliver(&f);
    }
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool is_held = false;
    while (!is_held && clock_monotonic_ms() < deadline_ms) {
        lines = ask(&f, "{\"command\": \"queue list\"}");
        is_held = strcmp(member(json_array_get(lines, 0), "queue_name"), "hold") == 0;
        json_decref(lines);
        pump();
    }
    assert_true(is_held);
    assert_null(peer_find(&f.deliver, MESSAGE_REPORT));
    operate(&f, "unhold");
    expect_report(&f, REPORT_FAILURE, &seen);
    answer_report(&f, &seen);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* A message that goes with its last report: who wants it removed meanwhile has what he wants. */
static void test_a_removal_beside_the_last_report(void **state)
{
    struct fixture f;
    struct seen_job job;
    struct seen_report seen;

    (void)state;
    fixture_start_on(&f, "slow", "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, bad);
    expect_report(&f, REPORT_FAILURE, &seen);
    operate(&f, "hold"); /* which waits until the store has the result */
    fixture_set_file(&f, "hold", true);
    send_letter(&f, &seen, "report\r\n", -1, 8);
    send_end(&f, &seen, SLUICE_OK);
    seen_report_done(&seen);
    fixture_wait_for_file(&f, "held", true);
    FILE *remover = ask_without_waiting(&f, "{\"command\": \"queue remove\", \"id\": \"ALL\"}");
    (void)count_messages(&f); /* one that asks later is answered: so the first has begun */
    fixture_set_file(&f, "hold", false);
    json_t *lines = read_answer(remover);
    assert_string_equal(member(json_array_get(lines, json_array_size(lines) - 1), "status"), "OK");
    json_decref(lines);
    expect_job(&f, &job); /* the report */
    answer_job(&f, &job, SITE_REACHED, good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_gather_into_one_report),
        cmocka_unit_test(test_a_report_may_come_to_nothing),
        cmocka_unit_test(test_what_cannot_be_told_now_is_told_later),
        cmocka_unit_test(test_the_others_go_on),
        cmocka_unit_test(test_a_large_report_is_a_file),
        cmocka_unit_test(test_report_and_record_are_stored_together),
        cmocka_unit_test(test_a_report_that_cannot_be_made),
        cmocka_unit_test(test_a_removal_beside_the_last_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
