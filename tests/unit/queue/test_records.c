/* SPDX-License-Identifier: ISC */
/*
 * Records that grow: what a store does not take is no reason to give it nothing else.
 */
#include "fixture.h"

#define TEXT_SIZE 2000

/* Each recipient is refused for now, with many words. */
static void answer_at_length(struct fixture *f, struct seen_job *seen)
{
    static char text[TEXT_SIZE];
    size_t count = seen->envelope.recipient_count;
    struct message_outcome *outcomes = calloc(count, sizeof(*outcomes));
    struct message_result result = {
        .site = SITE_REACHED, .outcomes = outcomes, .outcome_count = count};
    struct buffer body = BUFFER_INIT;

    memset(text, 'x', sizeof(text));
    assert_non_null(outcomes);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (struct message_outcome){
            .status = SLUICE_TEMP,
            .dsn = SPAN_LITERAL("4.2.0"),
            .text = {.ptr = text, .len = sizeof(text)},
            .reply = {.ptr = text, .len = sizeof(text)},
        };
    message_result_encode(&result, &body);
    peer_send(&f->deliver, MESSAGE_RESULT, seen->frame->ref, &body);
    free(outcomes);
    job_done(seen);
}

static void add_addresses(struct buffer *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(addresses, i > 0 ? " a%zu@x.test" : "a%zu@x.test", i);
}

/* Puts the message on hold, which waits until the store has all that is known of it. */
static void expect_recorded(const struct fixture *f, uint64_t id)
{
    char request[128];

    (void)snprintf(request, sizeof(request), "{\"command\": \"queue hold\", \"id\": \"%016llX\"}",
                   (unsigned long long)id);
    json_t *lines = ask(f, request);
    assert_string_equal(member(json_array_get(lines, json_array_size(lines) - 1), "status"), "OK");
    json_decref(lines);
}

static size_t count_attempted(const struct fixture *f)
{
    json_t *lines = ask(f, "{\"command\": \"queue list\"}");
    const json_t *recipient;
    size_t count = 0;
    size_t index;

    json_array_foreach(json_object_get(json_array_get(lines, 0), "recipients"), index, recipient)
        count += json_integer_value(json_object_get(recipient, "attempts")) == 1;
    json_decref(lines);
    return count;
}

static void wait_for_attempts(const struct fixture *f, size_t count)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (count_attempted(f) < count && clock_monotonic_ms() < deadline_ms) {
        for (int i = 0; i < 100; i++) /* each question costs the queue megabytes of text */
            pump();
    }
    assert_int_equal(count_attempted(f), count);
}

/* The store takes 48 KiB, and the record has 60 KiB of reasons. */
static void test_one_record_that_is_too_long(void **state)
{
    static const sluice_status later[16] = {SLUICE_TEMP};
    struct buffer addresses = BUFFER_INIT;
    struct seen_job job;
    struct fixture f;

    (void)state;
    add_addresses(&addresses, 15);
    fixture_start_on(&f, "plain", "");
    (void)commit(&f, buffer_text(&addresses), "smtp");
    expect_job(&f, &job);
    answer_at_length(&f, &job);
    uint64_t id = commit(&f, "b@y.test", "smtp");
    expect_job(&f, &job);
    answer_job(&f, &job, SITE_REACHED, later);
    expect_recorded(&f, id);
    assert_int_equal(count_messages(&f), 2);
    buffer_done(&addresses);
    fixture_stop(&f);
}

/* As many recipients as a user of the machine may name, and a site that has much to say. */
static void test_many_reasons(void **state)
{
    struct buffer addresses = BUFFER_INIT;
    struct seen_job job;
    struct fixture f;

    (void)state;
    add_addresses(&addresses, 5000);
    fixture_start_on(&f, "log", "default_destination_recipient_limit = 500;\n");
    uint64_t id = commit(&f, buffer_text(&addresses), "smtp");
    for (int i = 0; i < 10; i++) {
        expect_job(&f, &job);
        answer_at_length(&f, &job);
    }
    wait_for_attempts(&f, 5000);
    expect_recorded(&f, id);
    buffer_done(&addresses);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_record_that_is_too_long),
        cmocka_unit_test(test_many_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
