/* SPDX-License-Identifier: ISC */
/* Jobs, deliveries and outcomes: who may overwrite whom, and what the queue is told in the end. */
#include "deliver/delivery.h"
#include "deliver/job.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *name;
    sluice_status first, second;
    sluice_status want;
    const char *want_text;
} overwrites[] = {
    {"TEMP gives way to OK", SLUICE_TEMP, SLUICE_OK, SLUICE_OK, "second"},
    {"TEMP gives way to PERM", SLUICE_TEMP, SLUICE_PERM, SLUICE_PERM, "second"},
    {"the last TEMP counts", SLUICE_TEMP, SLUICE_TEMP, SLUICE_TEMP, "second"},
    {"OK stays", SLUICE_OK, SLUICE_PERM, SLUICE_OK, "first"},
    {"PERM stays", SLUICE_PERM, SLUICE_OK, SLUICE_PERM, "first"},
    {"CONFIG is TEMP", SLUICE_CONFIG, SLUICE_CONFIG, SLUICE_TEMP, "second"},
    {"an unknown status is TEMP", 99, 99, SLUICE_TEMP, "second"},
};

static void test_overwriting(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(overwrites) / sizeof(overwrites[0]); i++) {
        struct outcome outcome = {0};

        outcome_set(&outcome, overwrites[i].first, NULL, "first", "a");
        outcome_set(&outcome, overwrites[i].second, NULL, "second", "b");
        if (outcome.result.status != overwrites[i].want)
            fail_msg("%s: %s", overwrites[i].name, status_name(outcome.result.status));
        assert_string_equal(outcome.result.text, overwrites[i].want_text);
    }
}

static void test_enhanced_status_is_of_the_results_class(void **state)
{
    static const struct {
        sluice_status status;
        const char *given, *want;
    } cases[] = {
        {SLUICE_OK, "2.1.5", "2.1.5"},   {SLUICE_OK, "5.1.1", "2.0.0"},
        {SLUICE_TEMP, "5.7.1", "4.0.0"}, {SLUICE_TEMP, NULL, "4.0.0"},
        {SLUICE_PERM, "4.2.0", "5.0.0"}, {SLUICE_PERM, "5.1.1", "5.1.1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = {0};

        outcome_set(&outcome, cases[i].status, cases[i].given, "text", "none");
        assert_string_equal(outcome.result.dsn, cases[i].want);
    }
}

/* A job of three recipients; its content is text, or in a file when with_file. */
static struct job *make_job(const char *text, bool with_file)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct buffer record = BUFFER_INIT;
    struct buffer body = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct channel_frame frame = {.type = MESSAGE_JOB, .ref = 7, .fd = -1};
    struct message_job header = {.message_id = 0x1234};
    struct job *job;

    envelope.sender = SPAN_LITERAL("s@isp.example");
    envelope.content_size = strlen(text);
    envelope.client_address = SPAN_LITERAL("192.0.2.1");
    envelope.login = SPAN_LITERAL("alice");
    for (int i = 0; i < 3; i++)
        envelope_add(&envelope)->address = sluice_span_of(&"a@x\0b@x\0c@x"[(size_t)i * 4]);
    envelope.recipients[2].original = SPAN_LITERAL("alias@x");
    envelope_encode(&envelope, &record);
    header.transport = SPAN_LITERAL("relay");
    header.nexthop = SPAN_LITERAL("[host]");
    header.envelope = buffer_span(&record);
    if (with_file) {
        frame.fd = memfd_create("content", MFD_CLOEXEC);
        assert_int_equal(write(frame.fd, text, strlen(text)), strlen(text));
    } else {
        header.content = sluice_span_of(text);
    }
    message_job_encode_head(&header, &body);
    buffer_add_span(&body, header.content);
    frame.body = buffer_span(&body);
    assert_int_equal(job_new(&frame, &job, &err), SLUICE_OK);
    assert_int_equal(frame.fd, -1);
    buffer_done(&record);
    buffer_done(&body);
    envelope_done(&envelope);
    return job;
}

static void test_content_is_read_at_any_offset(void **state)
{
    (void)state;
    for (int with_file = 0; with_file <= 1; with_file++) {
        struct job *job = make_job("0123456789", with_file);
        char bytes[16];
        size_t len;

        assert_int_equal(job_content_size(job), 10);
        assert_int_equal(job_read(job, 0, bytes, sizeof(bytes), &len), SLUICE_OK);
        assert_int_equal(len, 10);
        assert_int_equal(job_read(job, 7, bytes, 2, &len), SLUICE_OK);
        assert_int_equal(len, 2);
        assert_memory_equal(bytes, "78", 2);
        assert_int_equal(job_read(job, 10, bytes, 2, &len), SLUICE_OK);
        assert_int_equal(len, 0);
        job_unref(job);
    }
}

static void test_a_file_that_has_shrunk_is_temporary(void **state)
{
    struct job *job = make_job("0123456789", true);
    char bytes[16];
    size_t len;

    (void)state;
    assert_int_equal(ftruncate(job->content_fd, 4), 0);
    assert_int_equal(job_read(job, 5, bytes, sizeof(bytes), &len), SLUICE_TEMP);
    job_unref(job);
}

static void test_a_delivery_has_the_open_recipients_only(void **state)
{
    struct job *job = make_job("x\r\n", false);
    struct delivery *delivery;

    (void)state;
    outcome_set(&job->outcomes[1], SLUICE_OK, "2.0.0", "done", "first");
    delivery = delivery_new(job);
    assert_int_equal(delivery->count, 2);
    assert_true(span_equal(delivery->recipients[1].address, SPAN_LITERAL("c@x")));
    delivery->report.recipient(&delivery->report, 1, SLUICE_PERM, "5.1.1", "no");
    delivery->report.recipient(&delivery->report, 99, SLUICE_OK, "2.0.0", "out of range");
    delivery->report.remaining(&delivery->report, SLUICE_TEMP, "4.4.2", "lost");
    assert_true(delivery_has_settled(delivery));
    assert_false(job_is_settled(job));
    delivery_settle(delivery, "host[1]:25");
    assert_int_equal(job->outcomes[0].result.status, SLUICE_TEMP);
    assert_int_equal(job->outcomes[2].result.status, SLUICE_PERM);
    assert_string_equal(job->outcomes[2].relay, "host[1]:25");
    assert_string_equal(job->outcomes[1].relay, "first");
    delivery_free(delivery);
    job_unref(job);
}

static void test_a_recipient_without_report_is_temporary(void **state)
{
    struct job *job = make_job("x\r\n", false);
    struct message_result result;
    struct buffer body = BUFFER_INIT;

    (void)state;
    outcome_set(&job->outcomes[0], SLUICE_OK, "2.0.0", "250 Ok", "h");
    job->site = SITE_REACHED;
    job_encode_result(job, &body);
    assert_int_equal(message_result_decode(buffer_span(&body), &result), SLUICE_OK);
    assert_int_equal(result.outcome_count, 3);
    assert_int_equal(result.site, SITE_REACHED);
    assert_int_equal(result.outcomes[0].status, SLUICE_OK);
    assert_int_equal(result.outcomes[1].status, SLUICE_TEMP);
    assert_int_equal(result.outcomes[2].status, SLUICE_TEMP);
    message_result_done(&result);
    buffer_done(&body);
    job_unref(job);
}

static void test_frames_that_make_no_sense(void **state)
{
    struct channel_frame frame = {.type = MESSAGE_JOB, .fd = -1, .body = SPAN_LITERAL("\xff\xff\xff")};
    struct error err = ERROR_INIT;
    struct job *job;

    (void)state;
    assert_int_equal(job_new(&frame, &job, &err), SLUICE_PERM);
    assert_true(err.text[0] != '\0');
}

static void test_a_delivery_says_where_the_message_came_from(void **state)
{
    struct job *job = make_job("x\r\n", false);
    struct delivery *delivery = delivery_new(job);

    (void)state;
    assert_non_null(delivery);
    assert_true(sluice_message_has_origin(&delivery->message));
    assert_true(span_equal(delivery->message.nexthop, SPAN_LITERAL("[host]")));
    assert_true(span_equal(delivery->message.client_address, SPAN_LITERAL("192.0.2.1")));
    assert_true(span_equal(delivery->message.login, SPAN_LITERAL("alice")));
    assert_int_equal(delivery->message.client_name.len, 0);
    assert_true(span_equal(sluice_recipient_original(&delivery->recipients[0]), SPAN_LITERAL("a@x")));
    assert_true(
        span_equal(sluice_recipient_original(&delivery->recipients[2]), SPAN_LITERAL("alias@x")));
    delivery->message.struct_size = offsetof(struct sluice_message, login); /* an older host */
    delivery->recipients[2].struct_size = offsetof(struct sluice_recipient, original);
    assert_false(sluice_message_has_origin(&delivery->message));
    assert_true(span_equal(sluice_recipient_original(&delivery->recipients[2]), SPAN_LITERAL("c@x")));
    delivery_free(delivery);
    job_unref(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overwriting),
        cmocka_unit_test(test_enhanced_status_is_of_the_results_class),
        cmocka_unit_test(test_content_is_read_at_any_offset),
        cmocka_unit_test(test_a_file_that_has_shrunk_is_temporary),
        cmocka_unit_test(test_a_delivery_has_the_open_recipients_only),
        cmocka_unit_test(test_a_delivery_says_where_the_message_came_from),
        cmocka_unit_test(test_a_recipient_without_report_is_temporary),
        cmocka_unit_test(test_frames_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
