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
        struct frame *again = peer_wait(&f.deliver, MESSAGE_RESOLVE, MOMENT_MS);

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
    peer_close(&f.deliver);
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
    while ((question = peer_wait(&f.deliver, MESSAGE_RESOLVE, 3000)) != NULL) {
        frame_free(question);
        assert_true(++losses <= 2 + RESOLVE_LOSSES_MAX);
        peer_close(&f.deliver);
        add_deliver(&f);
    }
    assert_int_equal(count_messages(&f), 1);
    peer_close(&f.deliver);
    fixture_stop(&f);
}

/* ---- all mail, after a start ----------------------------------------------------------------- */

#define MESSAGES 80
#define RECIPIENTS 20

/* Addresses of one domain that no other message has. */
static void commit_many(struct fixture *f, int number)
{
    struct buffer addresses = BUFFER_INIT;

    for (int i = 0; i < RECIPIENTS; i++)
        buffer_printf(&addresses, "%sa%d-%d@x.test", i > 0 ? " " : "", number, i);
    (void)commit(f, buffer_text(&addresses), "etrn-only");
    buffer_done(&addresses);
}

static size_t answer_all_questions(struct fixture *f, bool is_by_domain)
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
        question = peer_wait(&f->deliver, MESSAGE_RESOLVE, MOMENT_MS);
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
    assert_int_equal(answer_all_questions(&f, false), MESSAGES * RECIPIENTS);
    fixture_restart(&f);
    assert_true(answer_all_questions(&f, true) <= STORE_RECORDS_MAX * RECIPIENTS);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
