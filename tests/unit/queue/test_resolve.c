/* SPDX-License-Identifier: ISC */
/*
 * Queued mail follows its routes; the test is deliver, and knows them.
 */
#include "fixture.h"

#include "queue/resolve.h"
#include "queue/store.h"

static const sluice_status all_good[16] = {SLUICE_OK};

/* What the queue asks, as "a@x.test b@y.test". */
static void expect_question(struct fixture *f, struct frame **ret_frame, char *out, size_t size)
{
    struct message_question question;
    size_t len = 0;

    *ret_frame = peer_expect(&f->deliver, MESSAGE_RESOLVE);
    struct sluice_span body = frame_body(*ret_frame);
    out[0] = '\0';
    while (message_question_next(&body, &question) == SLUICE_OK)
        len += (size_t)snprintf(out + len, size - len, "%s%.*s%s%.*s", len > 0 ? " " : "",
                                SPAN_ARGS(question.address), question.sender.len > 0 ? "<" : "",
                                SPAN_ARGS(question.sender));
}

/* The same route for all of them; returns how many there are. */
static size_t answer_with(struct fixture *f, struct frame *frame, const struct message_route *route)
{
    struct sluice_span body = frame_body(frame);
    struct message_question question;
    struct buffer answer = BUFFER_INIT;
    size_t count = 0;

    while (message_question_next(&body, &question) == SLUICE_OK) {
        message_route_add(route, &answer);
        count++;
    }
    peer_send(&f->deliver, MESSAGE_RESOLVED, frame->ref, &answer);
    frame_free(frame);
    return count;
}

static void answer_question(struct fixture *f, struct frame *frame, sluice_status status,
                            const char *transport)
{
    struct message_route route = {
        .status = status,
        .transport = sluice_span_of(transport),
        .nexthop = SPAN_LITERAL("[hub.test]"),
    };

    (void)answer_with(f, frame, &route);
}

static void requeue(struct fixture *f)
{
    json_decref(ask(f, "{\"command\": \"queue requeue\", \"id\": \"ALL\"}"));
}

/* NULL: a job came first. */
static struct frame *wait_for_question_or_job(struct fixture *f)
{
    int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    struct frame *question;

    do
        question = peer_wait(&f->deliver, MESSAGE_RESOLVE, 1);
    while (question == NULL && peer_find(&f->deliver, MESSAGE_JOB) == NULL &&
           clock_monotonic_ms() < deadline_ms);
    return question;
}

static void test_a_message_moves_to_its_new_site(void **state)
{
    struct fixture f;
    struct seen_job seen;
    struct frame *question;
    char text[256];
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test b@y.test a@x.test", "etrn-only");
    (void)commit(&f, "a@x.test", "etrn-only");
    requeue(&f);
    expect_question(&f, &question, text, sizeof(text));
    assert_true(strcmp(text, "a@x.test b@y.test") == 0 || strcmp(text, "a@x.test") == 0);
    answer_question(&f, question, SLUICE_OK, "smtp");
    for (int i = 0; i < 2; i++) {
        struct frame *again = wait_for_question_or_job(&f);

        if (again != NULL)
            answer_question(&f, again, SLUICE_OK, "smtp");
        expect_job(&f, &seen);
        assert_true(span_equal(seen.job.transport, SPAN_LITERAL("smtp")));
        assert_false(seen.job.is_released);
        answer_job(&f, &seen, SITE_REACHED, all_good);
    }
    wait_until_empty(&f);
    assert_int_equal(release(&f, "x.test", &is_postponed), 0);
    fixture_stop(&f);
}

static void test_what_is_not_known_stays(void **state)
{
    struct fixture f;
    struct frame *question;
    struct seen_job seen;
    char text[256];
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    requeue(&f);
    expect_question(&f, &question, text, sizeof(text));
    assert_string_equal(text, "a@x.test");
    answer_question(&f, question, SLUICE_TEMP, "");
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    requeue(&f); /* nor by an answer that is too short */
    question = peer_expect(&f.deliver, MESSAGE_RESOLVE);
    assert_int_equal(
        channel_send_body(f.deliver.channel, MESSAGE_RESOLVED, question->ref, SPAN_EMPTY),
        SLUICE_OK);
    frame_free(question);
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Deliver dies with the question: the next one gets it. */
static void test_a_deliver_that_goes_is_asked_again(void **state)
{
    struct fixture f;
    struct seen_job seen;
    struct frame *question;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    requeue(&f);
    frame_free(peer_expect(&f.deliver, MESSAGE_RESOLVE));
    peer_close(&f.deliver);
    add_deliver(&f);
    question = peer_expect(&f.deliver, MESSAGE_RESOLVE);
    answer_question(&f, question, SLUICE_OK, "smtp");
    expect_job(&f, &seen);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* A job's recipients have the route of the job: they move when it has ended. */
static void test_what_is_in_flight_moves_later(void **state)
{
    static const sluice_status later[] = {SLUICE_TEMP};
    struct fixture f;
    struct seen_job seen;
    struct frame *question;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    requeue(&f);
    question = peer_expect(&f.deliver, MESSAGE_RESOLVE);
    answer_question(&f, question, SLUICE_OK, "relay");
    peer_expect_none(&f.deliver, MESSAGE_JOB);
    answer_job(&f, &seen, SITE_REACHED, later);
    question = peer_expect(&f.deliver, MESSAGE_RESOLVE);
    answer_question(&f, question, SLUICE_OK, "relay");
    expect_job(&f, &seen);
    assert_true(span_equal(seen.job.transport, SPAN_LITERAL("relay")));
    assert_int_equal(seen.envelope.recipients[0].attempts, 1);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Every deliver process that is asked for one message's route goes with the question. The others get
 * their routes all the same. */
static void test_a_question_that_nobody_survives(void **state)
{
    struct fixture f;
    struct frame *question;
    struct seen_job seen;
    char text[256];
    int losses = 0;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "bad@x.test", "etrn-only");
    (void)commit(&f, "good@x.test", "etrn-only");
    requeue(&f);
    while (peer_find(&f.deliver, MESSAGE_JOB) == NULL) {
        expect_question(&f, &question, text, sizeof(text));
        if (strstr(text, "bad@x.test") == NULL) {
            answer_question(&f, question, SLUICE_OK, "smtp");
            break;
        }
        frame_free(question);
        assert_true(++losses <= 2 + RESOLVE_LOSSES_MAX);
        peer_close(&f.deliver);
        add_deliver(&f);
    }
    expect_job(&f, &seen);
    assert_true(span_equal(seen.envelope.recipients[0].address, SPAN_LITERAL("good@x.test")));
    answer_job(&f, &seen, SITE_REACHED, all_good);
    while ((question = peer_wait(&f.deliver, MESSAGE_RESOLVE, MOMENT_MS)) != NULL) {
        frame_free(question);
        assert_true(++losses <= 2 + RESOLVE_LOSSES_MAX);
        peer_close(&f.deliver);
        add_deliver(&f);
    }
    assert_int_equal(count_messages(&f), 1);
    peer_close(&f.deliver);
    fixture_stop(&f);
}

/* ---- jobs that are not made ------------------------------------------------------------------ */

static void answer_elsewhere(struct fixture *f, struct seen_job *seen)
{
    const struct message_result result = {.site = SITE_ELSEWHERE};
    struct buffer body = BUFFER_INIT;

    message_result_encode(&result, &body);
    peer_send(&f->deliver, MESSAGE_RESULT, seen->frame->ref, &body);
    job_done(seen);
}

/* Deliver is asked where it goes, and then does not look again. */
static void expect_move(struct fixture *f, struct seen_job *seen, sluice_status status,
                        const char *transport)
{
    struct frame *question;
    char text[256];

    assert_false(seen->job.is_routed);
    answer_elsewhere(f, seen);
    expect_question(f, &question, text, sizeof(text));
    assert_string_equal(text, "a@x.test");
    answer_question(f, question, status, "relay");
    expect_job(f, seen);
    assert_true(seen->job.is_routed);
    assert_true(span_equal(seen->job.transport, sluice_span_of(transport)));
}

static void test_a_retry_goes_the_new_way(void **state)
{
    static const sluice_status later[] = {SLUICE_TEMP};
    struct fixture f;
    struct seen_job seen;

    (void)state;
    fixture_start(&f, "minimal_backoff_time = 1;\n");
    (void)commit(&f, "a@x.test", "smtp");
    expect_job(&f, &seen);
    assert_true(seen.job.is_routed); /* as receive has found out */
    answer_job(&f, &seen, SITE_REACHED, later);
    expect_job(&f, &seen);
    expect_move(&f, &seen, SLUICE_OK, "relay");
    assert_int_equal(seen.envelope.recipients[0].attempts, 1); /* nothing was attempted */
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

static void test_a_release_goes_the_new_way(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    expect_job(&f, &seen);
    expect_move(&f, &seen, SLUICE_OK, "relay");
    assert_true(seen.job.is_released);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* Tables that say another thing each time, or nothing now, do not keep mail from going. */
static void test_what_is_not_known_then_goes_the_old_way(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    expect_job(&f, &seen);
    expect_move(&f, &seen, SLUICE_TEMP, "etrn-only");
    assert_true(seen.job.is_released);
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* What deliver has not got to yet is not known to stay. */
static void test_half_an_answer_keeps_no_route(void **state)
{
    struct fixture f;
    struct seen_job seen;
    struct buffer none = BUFFER_INIT;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    expect_job(&f, &seen);
    answer_elsewhere(&f, &seen);
    struct frame *question = peer_expect(&f.deliver, MESSAGE_RESOLVE);
    peer_send(&f.deliver, MESSAGE_RESOLVED, question->ref, &none);
    frame_free(question);
    question = peer_expect(&f.deliver, MESSAGE_RESOLVE); /* once more */
    expect_job(&f, &seen);
    assert_false(seen.job.is_routed); /* deliver looks again, too */
    answer_elsewhere(&f, &seen);
    answer_question(&f, question, SLUICE_OK, "relay");
    expect_job(&f, &seen);
    assert_true(span_equal(seen.job.transport, SPAN_LITERAL("relay")));
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* An answer that comes while the job is out moves nothing, and so the old route is still not known to be
 * the right one. */
static void test_what_was_in_flight_keeps_no_route(void **state)
{
    struct fixture f;
    struct seen_job seen;
    bool is_postponed;

    (void)state;
    fixture_start(&f, "");
    (void)commit(&f, "a@x.test", "etrn-only");
    assert_int_equal(release(&f, "x.test", &is_postponed), 1);
    expect_job(&f, &seen);
    requeue(&f);
    answer_question(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), SLUICE_OK, "relay");
    peer_expect_none(&f.deliver, MESSAGE_JOB); /* until that is taken in */
    answer_elsewhere(&f, &seen);
    expect_job(&f, &seen);
    assert_false(seen.job.is_routed); /* deliver looks again */
    answer_elsewhere(&f, &seen);
    answer_question(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), SLUICE_OK, "relay");
    expect_job(&f, &seen);
    assert_true(span_equal(seen.job.transport, SPAN_LITERAL("relay")));
    answer_job(&f, &seen, SITE_REACHED, all_good);
    wait_until_empty(&f);
    fixture_stop(&f);
}

/* ---- tables that change ---------------------------------------------------------------------- */

/* The same route for all, and the tables' state. Returns how many there are. */
static size_t answer_from(struct fixture *f, struct frame *frame, uint64_t number, bool is_whole)
{
    const struct message_tables tables = {.number = number, .is_whole = is_whole};
    const struct message_route route = {.status = SLUICE_OK,
                                        .transport = SPAN_LITERAL("etrn-only"),
                                        .nexthop = SPAN_LITERAL("[hub.test]")};
    struct sluice_span body = frame_body(frame);
    struct message_question question;
    struct buffer answer = BUFFER_INIT;
    size_t count = 0;

    message_tables_add(&tables, &answer);
    while (message_question_next(&body, &question) == SLUICE_OK) {
        message_route_add(&route, &answer);
        count++;
    }
    peer_send(&f->deliver, MESSAGE_RESOLVED, frame->ref, &answer);
    frame_free(frame);
    return count;
}

static size_t answer_requeue(struct fixture *f, uint64_t number, bool is_whole)
{
    requeue(f);
    return answer_from(f, peer_expect(&f->deliver, MESSAGE_RESOLVE), number, is_whole);
}

/* Without other questions one is asked that has no address. */
static void test_a_change_is_noticed(void **state)
{
    struct fixture f;

    (void)state;
    fixture_start_on(&f, "log", "");
    (void)commit(&f, "a@x.test", "etrn-only");
    fixture_restart(&f);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 1, true), 0);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 1, true), 1);
    assert_int_equal(answer_requeue(&f, 1, true), 1);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 2, true), 0);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 2, true), 1);
    assert_int_equal(count_messages(&f), 1);
    fixture_stop(&f);
}

/* Releases the message and has it deferred, until its job says that it is from these tables. */
static void expect_tables(struct fixture *f, uint64_t tables)
{
    static const sluice_status later[] = {SLUICE_TEMP};
    struct seen_job seen;
    char text[256] = "";
    bool is_so = false;
    bool is_postponed;

    for (int i = 0; !is_so && i < 1000; i++) {
        assert_int_equal(release(f, "x.test", &is_postponed), 1);
        expect_job(f, &seen);
        is_so = !seen.job.is_routed && seen.job.tables == tables;
        answer_job(f, &seen, SITE_REACHED, later);
        do {
            pump();
            show_recipient(f, 0, text, sizeof(text));
        } while (strtol(text + strcspn(text, " "), NULL, 10) <= i);
    }
    assert_true(is_so);
}

/* Jobs say whose routes they have, if that is certain. */
static void test_a_job_tells_which_tables_it_is_from(void **state)
{
    struct fixture f;

    (void)state;
    fixture_start_on(&f, "log", "etrn_minimum_interval = 0;\n");
    (void)commit(&f, "a@x.test", "etrn-only");
    fixture_restart(&f);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 7, true), 0);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 7, true), 1);
    expect_tables(&f, 7);
    assert_int_equal(answer_requeue(&f, 7, false), 1);
    expect_tables(&f, 0);
    fixture_stop(&f);
}

/* The routes of one address, and what is left is asked for again, less at a time. */
static void test_slow_tables_are_asked_for_less(void **state)
{
    const struct message_route route = {.status = SLUICE_OK,
                                        .transport = SPAN_LITERAL("etrn-only"),
                                        .nexthop = SPAN_LITERAL("[hub.test]")};
    struct fixture f;
    struct frame *question;
    char text[256];
    int width = 0;

    (void)state;
    fixture_start_on(&f, "log", "");
    for (int i = 0; i < 4; i++)
        (void)commit(&f, i % 2 == 0 ? "a@x.test" : "b@x.test", "etrn-only");
    fixture_restart(&f);
    assert_int_equal(answer_from(&f, peer_expect(&f.deliver, MESSAGE_RESOLVE), 1, true), 0);
    for (int i = 0; i < 2; i++) {
        struct buffer answer = BUFFER_INIT;

        expect_question(&f, &question, text, sizeof(text));
        width += strchr(text, ' ') != NULL;
        message_route_add(&route, &answer);
        peer_send(&f.deliver, MESSAGE_RESOLVED, question->ref, &answer);
        frame_free(question);
    }
    assert_int_equal(width, 2); /* four messages, and two of them */
    for (int i = 0; i < 2; i++) {
        expect_question(&f, &question, text, sizeof(text));
        assert_null(strchr(text, ' '));
        (void)answer_with(&f, question, &route);
    }
    assert_int_equal(count_messages(&f), 4);
    fixture_stop(&f);
}

/* ---- all mail, after a start ----------------------------------------------------------------- */

#define MESSAGES 80
#define RECIPIENTS 20
#define ALL (MESSAGES * RECIPIENTS)

/* Addresses of one domain that no other message has. */
static void commit_many(struct fixture *f, int number)
{
    struct buffer addresses = BUFFER_INIT;

    for (int i = 0; i < RECIPIENTS; i++)
        buffer_printf(&addresses, "%sa%d-%d@x.test", i > 0 ? " " : "", number, i);
    (void)commit(f, buffer_text(&addresses), "etrn-only");
    buffer_done(&addresses);
}

/* At least one question, and until that many addresses were asked for or none was for so long; returns how
 * many there were. */
static size_t answer_questions(struct fixture *f, bool is_by_domain, size_t most, int64_t time_ms)
{
    struct message_route route = {
        .status = SLUICE_OK,
        .transport = SPAN_LITERAL("etrn-only"),
        .nexthop = SPAN_LITERAL("[hub.test]"),
        .is_by_domain = is_by_domain,
    };
    struct frame *question = peer_expect(&f->deliver, MESSAGE_RESOLVE);
    size_t count = 0;

    while (question != NULL) {
        count += answer_with(f, question, &route);
        question = count < most ? peer_wait(&f->deliver, MESSAGE_RESOLVE, time_ms) : NULL;
    }
    return count;
}

/* The first question has a thousand addresses; what its answers tell of their domain holds for what has
 * not been looked at by then. */
static void test_tables_of_domains_are_asked_for_domains(void **state)
{
    struct fixture f;

    (void)state;
    fixture_start_on(&f, "log", "");
    for (int i = 0; i < MESSAGES; i++)
        commit_many(&f, i);
    fixture_restart(&f);
    assert_int_equal(answer_questions(&f, false, ALL, PATIENCE_MS), ALL);
    peer_expect_none(&f.deliver, MESSAGE_RESOLVE);
    fixture_restart(&f);
    assert_true(answer_questions(&f, true, ALL, MOMENT_MS) <= STORE_RECORDS_MAX * RECIPIENTS);
    assert_int_equal(count_messages(&f), MESSAGES);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_of_domains_are_asked_for_domains),
        cmocka_unit_test(test_a_message_moves_to_its_new_site),
        cmocka_unit_test(test_what_is_not_known_stays),
        cmocka_unit_test(test_a_deliver_that_goes_is_asked_again),
        cmocka_unit_test(test_a_question_that_nobody_survives),
        cmocka_unit_test(test_what_is_in_flight_moves_later),
        cmocka_unit_test(test_a_retry_goes_the_new_way),
        cmocka_unit_test(test_a_release_goes_the_new_way),
        cmocka_unit_test(test_what_is_not_known_then_goes_the_old_way),
        cmocka_unit_test(test_half_an_answer_keeps_no_route),
        cmocka_unit_test(test_what_was_in_flight_keeps_no_route),
        cmocka_unit_test(test_a_change_is_noticed),
        cmocka_unit_test(test_a_job_tells_which_tables_it_is_from),
        cmocka_unit_test(test_slow_tables_are_asked_for_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
