/* SPDX-License-Identifier: ISC */
/*
 * What an operator does to messages and sites, in the queue role as a process.
 */
#include "fixture.h"

static const sluice_status all_good[16] = {SLUICE_OK};
static const sluice_status all_later[16] = {SLUICE_TEMP, SLUICE_TEMP};

/* One command on one message; its status. */
static void operate(const struct fixture *f, const char *verb, uint64_t id, const char *status)
{
    char request[128];

    (void)snprintf(request, sizeof(request), "{\"command\": \"queue %s\", \"id\": \"%016llX\"}",
                   verb, (unsigned long long)id);
    json_t *lines = ask(f, request);
    print_message("%s: %s\n", verb,
                  member(json_array_get(lines, json_array_size(lines) - 1), "text"));
    assert_string_equal(member(json_array_get(lines, json_array_size(lines) - 1), "status"),
                        status);
    json_decref(lines);
}

/* The number of messages that a command on all of them says it did. */
static long long operate_all(const struct fixture *f, const char *command)
{
    json_t *lines = ask(f, command);
    long long count =
        (long long)json_integer_value(json_object_get(json_array_get(lines, 0), "count"));

    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(member(json_array_get(lines, 1), "status"), "OK");
    json_decref(lines);
    return count;
}

static void expect_queue(const struct fixture *f, const char *name)
{
    json_t *lines = ask(f, "{\"command\": \"queue list\"}");

    assert_string_equal(member(json_array_get(lines, 0), "queue_name"), name);
    json_decref(lines);
}

static size_t count_listed(const struct fixture *f)
{
    json_t *lines = ask(f, "{\"command\": \"queue list\"}");
    size_t count = json_array_size(lines) - 1;

    json_decref(lines);
    return count;
}

static void test_a_message_on_hold_stays(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 1;\netrn_minimum_interval = 0;\n");
    uint64_t id = commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    operate(&f, "hold", id, "OK"); /* what is in flight comes to its end */
    operate(&f, "hold", id, "NOT_FOUND");
    answer_job(&f, &seen, SITE_REACHED, all_later);
    expect_queue(&f, "hold");
    assert_int_equal(release(&f, "x.test", &is_postponed), 0);
    assert_int_equal(release(&f, "", &is_postponed), 0);
    for (int i = 0; i < 5; i++) /* longer than minimal_backoff_time */
        peer_expect_none(&f.deliver, MESSAGE_JOB);

    operate(&f, "unhold", id, "OK");
    operate(&f, "unhold", id, "NOT_FOUND");
    expect_job(&f, &seen);
    assert_int_equal(seen.envelope.recipients[0].attempts, 1);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_a_release_after_a_hold_finds_it(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "etrn_minimum_interval = 0;\n");
    uint64_t id = commit(&f, "a@customer.test", "etrn-only");
    operate(&f, "hold", id, "OK");
    assert_int_equal(release(&f, "customer.test", &is_postponed), 0);
    operate(&f, "unhold", id, "OK");
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* it waits for a release, as before */
    assert_int_equal(release(&f, "customer.test", &is_postponed), 1);
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_what_is_removed_is_gone(void **state)
{
    struct fixture f;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    uint64_t id = commit(&f, "a@customer.test", "etrn-only");
    operate(&f, "remove", id, "OK");
    operate(&f, "remove", id, "NOT_FOUND");
    assert_int_equal(count_messages(&f), 0);
    assert_int_equal(release(&f, "", &is_postponed), 0);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    fixture_stop(&f);
}

/* Whatever its job comes to: nothing of it is attempted again, and nobody sees it. */
static void test_removed_while_it_is_attempted(void **state)
{
    static const char *const ends[] = {"delivered", "later", "failed", "deliver dies"};
    static const sluice_status failed[16] = {SLUICE_PERM};

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct fixture f;
        struct seen_job seen;

        print_message("%s\n", ends[i]);
        fixture_start(&f, "minimal_backoff_time = 1;\n");
        uint64_t id = commit(&f, "a@x.test", "smtp");
        expect_job(&f, &seen);
        operate(&f, "remove", id, "OK");
        operate(&f, "hold", id, "NOT_FOUND");
        assert_int_equal(count_listed(&f), 0);
        if (i < 3) {
            answer_job(&f, &seen, SITE_REACHED, i == 0 ? all_good : i == 1 ? all_later : failed);
        } else {
            job_done(&seen);
            end_deliver(&f, NULL);
            add_deliver(&f);
        }
        wait_until_empty(&f);
        peer_expect_none(&f.deliver, MESSAGE_JOB);
        fixture_stop(&f);
    }
}

/* The store cannot take the removal yet, or only after a crash would it be true: all the same. */
static void test_a_removal_that_is_not_durable_yet(void **state)
{
    struct fixture f;
    struct seen_job seen;
    char request[128];

    (void)state;
    fixture_start_on(&f, "plain", "minimal_backoff_time = 1;\n");
    uint64_t id = commit(&f, "a@x.test", "smtp");
    uint64_t second = commit(&f, "a@customer.test", "etrn-only");
    expect_job(&f, &seen);
    fixture_set_file(&f, "fail", true);
    (void)snprintf(request, sizeof(request),
                   "{\"command\": \"queue remove\", \"ids\": [\"%016llX\", \"%016llX\"]}",
                   (unsigned long long)id, (unsigned long long)second);
    FILE *asker = ask_without_waiting(&f, request);
    while (count_listed(&f) > 0)
        pump();
    answer_job(&f, &seen, SITE_REACHED, all_later);
    for (int i = 0; i < 5; i++) /* longer than minimal_backoff_time */
        peer_expect_none(&f.deliver, MESSAGE_JOB);
    operate(&f, "unhold", id, "NOT_FOUND");
    operate(&f, "requeue", second, "NOT_FOUND");

    fixture_set_file(&f, "fail", false);
    json_t *lines = read_answer(asker);
    assert_int_equal(json_array_size(lines), 4);
    assert_string_equal(member(json_array_get(lines, 3), "status"), "OK");
    json_decref(lines);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_requeued_begins_anew(void **state)
{
    struct fixture f;
    struct seen_job seen;
    char text[128];

    (void)state;
    fixture_start(&f, "");
    uint64_t id = commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_later);
    do { /* the result is on its way */
        pump();
        show_recipient(&f, 0, text, sizeof(text));
    } while (strcmp(text, "waiting 0 ") == 0);
    assert_string_equal(text, "waiting 1 not now");
    operate(&f, "hold", id, "OK");
    operate(&f, "requeue", id, "OK");
    expect_job(&f, &seen);
    assert_int_equal(seen.envelope.recipients[0].attempts, 0);
    assert_int_equal(seen.envelope.recipients[0].text.len, 0);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);

    id = commit(&f, "a@customer.test", "etrn-only");
    operate(&f, "requeue", id, "OK");
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* new mail waits for a release, too */
    fixture_stop(&f);
}

#define MANY 1000 /* several batches */

static void test_all_of_them(void **state)
{
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    for (int i = 1; i < MANY; i++)
        (void)commit(&f, "a@customer.test", "etrn-only");
    assert_int_equal(operate_all(&f, "{\"command\": \"queue hold\", \"id\": \"ALL\", "
                                     "\"queues\": [\"active\", \"incoming\"]}"),
                     1);
    assert_int_equal(operate_all(&f, "{\"command\": \"queue hold\", \"id\": \"ALL\"}"), MANY - 1);
    assert_int_equal(operate_all(&f, "{\"command\": \"queue hold\", \"id\": \"ALL\"}"), 0);
    assert_int_equal(operate_all(&f, "{\"command\": \"queue unhold\", \"id\": \"ALL\"}"), MANY);
    assert_int_equal(operate_all(&f, "{\"command\": \"queue remove\", \"id\": \"ALL\", "
                                     "\"queues\": [\"deferred\"]}"),
                     MANY - 1);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    assert_int_equal(operate_all(&f, "{\"command\": \"queue remove\", \"id\": \"ALL\"}"), 0);
    fixture_stop(&f);
}

/* Each that is named is answered; what is none has no answer. */
static void test_a_list_of_them(void **state)
{
    struct fixture f;
    char request[256];

    (void)state;
    fixture_start(&f, "");
    unsigned long long first = commit(&f, "a@customer.test", "etrn-only");
    unsigned long long second = commit(&f, "a@customer.test", "etrn-only");
    (void)snprintf(request, sizeof(request),
                   "{\"command\": \"queue remove\", \"ids\": "
                   "[\"%016llX\", \"0000000000000000\", 7, \"%016llX\", \"%016llX\"]}",
                   second, first, second);
    json_t *lines = ask(&f, request);
    assert_int_equal(json_array_size(lines), 4);
    assert_string_equal(member(json_array_get(lines, 0), "text"), "removed");
    (void)snprintf(request, sizeof(request), "%016llX", second);
    assert_string_equal(member(json_array_get(lines, 0), "id"), request);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 2), "count")), 2);
    json_decref(lines);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void site_command(const struct fixture *f, const char *members, const char *status)
{
    char request[256];

    (void)snprintf(request, sizeof(request), "{\"command\": \"site %s}", members);
    json_t *lines = ask(f, request);
    print_message("%s\n", request);
    assert_string_equal(member(json_array_get(lines, json_array_size(lines) - 1), "status"),
                        status);
    json_decref(lines);
}

static void test_a_suspended_site_waits(void **state)
{
    struct fixture f;
    struct seen_job seen;
    char text[128];
    bool is_postponed;

    (void)state;
    fixture_start(&f, "etrn_minimum_interval = 0;\n");
    site_command(&f, "suspend\", \"name\": \"smtp:[hub.test]\", \"reason\": \"disk change\"", "OK");
    site_command(&f, "suspend\", \"name\": \"nosuch:[hub.test]\"", "NOT_FOUND");
    site_command(&f, "suspend\", \"name\": \"hub.test\"", "NOT_FOUND");
    site_command(&f, "show\", \"name\": \"smtp:[hub.test]\"", "OK");
    (void)commit(&f, "a@x.test", "smtp");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    show_recipient(&f, 0, text, sizeof(text));
    assert_string_equal(text, "waiting 0 site suspended by the operator: disk change");
    expect_queue(&f, "deferred");

    site_command(&f, "resume\", \"name\": \"smtp:[hub.test]\"", "OK");
    site_command(&f, "resume\", \"name\": \"smtp:[hub.test]\"", "NOT_FOUND");
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_on_hold_stays),
        cmocka_unit_test(test_a_release_after_a_hold_finds_it),
        cmocka_unit_test(test_what_is_removed_is_gone),
        cmocka_unit_test(test_removed_while_it_is_attempted),
        cmocka_unit_test(test_a_removal_that_is_not_durable_yet),
        cmocka_unit_test(test_requeued_begins_anew),
        cmocka_unit_test(test_all_of_them),
        cmocka_unit_test(test_a_list_of_them),
        cmocka_unit_test(test_a_suspended_site_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
