/* SPDX-License-Identifier: ISC */
/*
 * Reports as the queue has them: when deliver is asked for one, of whom it tells, and that a new
 * message and the record of the old one are stored together or not at all.
 */
#include "fixture.h"

#include <sys/mman.h>

static const sluice_status bad[16] = {SLUICE_PERM, SLUICE_PERM, SLUICE_PERM};
static const sluice_status good[16] = {SLUICE_OK};
static const sluice_status later[16] = {SLUICE_TEMP, SLUICE_TEMP};

struct seen_report {
    struct frame *frame;
    struct message_report report;
    struct envelope envelope;
};

static void expect_report(struct fixture *f, enum report_kind kind, struct seen_report *seen)
{
    *seen = (struct seen_report){.frame = peer_expect(&f->deliver, MESSAGE_REPORT)};
    assert_int_equal(message_report_decode(frame_body(seen->frame), &seen->report), SLUICE_OK);
    assert_int_equal(envelope_decode(seen->report.envelope, &seen->envelope, NULL), SLUICE_OK);
    assert_int_equal(seen->report.kind, kind);
}

static void seen_report_done(struct seen_report *seen)
{
    envelope_done(&seen->envelope);
    frame_free(seen->frame);
}

static void send_reported(struct fixture *f, uint64_t ref, const struct message_reported *reported,
                          int fd)
{
    struct buffer head = BUFFER_INIT;

    message_reported_encode_head(reported, &head);
    struct sluice_span parts[] = {buffer_span(&head), reported->content};
    assert_int_equal(channel_send(f->deliver.channel, MESSAGE_REPORTED, ref, parts, 2, fd),
                     SLUICE_OK);
    buffer_done(&head);
}

/* A new message for the sender; fd: its content, of that size, or -1. */
static void send_letter(struct fixture *f, const struct seen_report *seen, const char *content,
                        int fd, size_t size)
{
    struct envelope_recipient recipient = {
        .address = SPAN_LITERAL("sender@isp.test"),
        .transport = SPAN_LITERAL("smtp"),
        .nexthop = SPAN_LITERAL("[back.test]"),
    };
    struct envelope envelope = {.arrival_ms = clock_wall_ms(),
                                .content_size = size,
                                .recipients = &recipient,
                                .recipient_count = 1};
    struct buffer bytes = BUFFER_INIT;

    envelope_encode(&envelope, &bytes);
    const struct message_reported reported = {.envelope = buffer_span(&bytes),
                                              .content = sluice_span_of(content)};
    send_reported(f, seen->frame->ref, &reported, fd);
    buffer_done(&bytes);
}

static void send_end(struct fixture *f, const struct seen_report *seen, sluice_status status)
{
    const struct message_reported end = {.status = status, .text = SPAN_LITERAL("because")};

    send_reported(f, seen->frame->ref, &end, -1);
}

/* Answers with one small message, whose job must come then: the id and content are right. */
static void answer_report(struct fixture *f, struct seen_report *seen)
{
    struct seen_job job;

    send_letter(f, seen, "report\r\n", -1, 8);
    send_end(f, seen, SLUICE_OK);
    expect_job(f, &job);
    assert_true(job.job.message_id == seen->report.first_id);
    assert_true(span_equal(job.job.content, SPAN_LITERAL("report\r\n")));
    assert_int_equal(job.envelope.sender.len, 0);
    answer_job(f, &job, SITE_REACHED, good);
    seen_report_done(seen);
}

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
        assert_true(span_equal(recipient->dsn,
                               is_held ? SPAN_LITERAL("4.3.2") : SPAN_LITERAL("4.2.0")));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_gather_into_one_report),
        cmocka_unit_test(test_a_report_may_come_to_nothing),
        cmocka_unit_test(test_what_cannot_be_told_now_is_told_later),
        cmocka_unit_test(test_the_others_go_on),
        cmocka_unit_test(test_a_large_report_is_a_file),
        cmocka_unit_test(test_report_and_record_are_stored_together),
        cmocka_unit_test(test_expiry_and_warning),
        cmocka_unit_test(test_what_is_in_flight_expires_later),
        cmocka_unit_test(test_a_lifetime_of_nothing_is_one_attempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
