/* SPDX-License-Identifier: ISC */
/*
 * Stress: who must leave, who stays, and what is too slow. Spec M-71 to M-73 under stress.
 */
#include "fixture.h"

#include "receive/stress.h"

#define STRANGER "192.0.2.1"
#define TIMED_OUT "421 4.4.2 mx.test Error: timeout exceeded\r\n"
#define SESSIONS 10

static void open_some(struct fixture *f, struct stream **streams, int count)
{
    for (int i = 0; i < count; i++)
        streams[i] = connect_from(f, STRANGER);
    settle();
}

static void close_some(struct stream **streams, int count)
{
    for (int i = 0; i < count; i++)
        stream_close(streams[i]);
    settle();
}

static void run(void **state, void (*body)(struct fixture *f))
{
    struct fixture *f = *state;

    f->receiver.session_max = SESSIONS;
    f->receiver.settings.limits[1].timeout_ms = STEP_TIMEOUT_MS;
    run_on_loop(f, body);
}

/* Begins at 90 percent, is over below 80. */
static void begin_body(struct fixture *f)
{
    struct stream *streams[SESSIONS];

    open_some(f, streams, SESSIONS - 2);
    check(f, !f->receiver.is_stressed, "stressed by %d", SESSIONS - 2);
    talk(f, streams[0], "NONSENSE\r\n", "500 5.5.2 Error: command not recognized\r\n");
    open_some(f, streams + SESSIONS - 2, 1);
    check(f, f->receiver.is_stressed, "not stressed by %d", SESSIONS - 1);
    talk(f, streams[1], "NONSENSE\r\n",
         "500 5.5.2 Error: command not recognized\r\n421 4.7.0 mx.test Error: too many errors\r\n");
    hear_end(f, streams[1]);
    talk(f, streams[2], "RSET\r\n", "250 2.0.0 Ok\r\n");
    settle();
    check(f, f->receiver.is_stressed, "not stressed by %d any more", SESSIONS - 2);
    close_some(streams, SESSIONS - 1);
    check(f, !f->receiver.is_stressed, "still stressed");
}

static void test_begin_and_end(void **state)
{
    run(state, begin_body);
}

/* A place for a new client: that of the one that has been idle longest, not of one that works. */
static void place_body(struct fixture *f)
{
    struct stream *streams[SESSIONS];

    open_some(f, streams, SESSIONS);
    talk(f, streams[0], "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, streams[1], "NOOP\r\n", "250 2.0.0 Ok\r\n");
    settle();
    stress_relieve(&f->receiver);
    stress_relieve(&f->receiver); /* before the first has ended: another one */
    hear(f, streams[2], TIMED_OUT);
    hear(f, streams[3], TIMED_OUT);
    hear_end(f, streams[2]);
    hear_end(f, streams[3]);
    settle();
    check(f, f->receiver.session_count == SESSIONS - 2, "%zu sessions", f->receiver.session_count);
    stress_relieve(&f->receiver); /* there are places */
    talk(f, streams[0], "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    for (int i = 4; i < SESSIONS; i++)
        talk(f, streams[i], "RSET\r\n", "250 2.0.0 Ok\r\n");
    close_some(streams, SESSIONS);
}

static void test_a_place_for_a_new_client(void **state)
{
    run(state, place_body);
}

/* Time-outs that began before the stress are short now, also in transactions. */
static void old_waits_body(struct fixture *f)
{
    struct stream *streams[SESSIONS];

    f->receiver.settings.limits[1].timeout_ms = STRESSED_TIMEOUT_MS;
    open_some(f, streams, 2);
    talk(f, streams[0], "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
    settle();
    stress_relieve(&f->receiver);
    (void)task_sleep_until(clock_monotonic_ms() + STRESSED_TIMEOUT_MS + 10);
    stress_relieve(&f->receiver); /* no stress: nothing */
    talk(f, streams[1], "NOOP\r\n", "250 2.0.0 Ok\r\n");
    f->receiver.session_max = 2;
    (void)task_sleep_until(clock_monotonic_ms() + STRESSED_TIMEOUT_MS + 10);
    stress_relieve(&f->receiver);
    hear(f, streams[0], TIMED_OUT);
    hear_end(f, streams[0]);
    hear(f, streams[1], TIMED_OUT);
    hear_end(f, streams[1]);
    close_some(streams, 2);
}

static void test_old_waits(void **state)
{
    run(state, old_waits_body);
}

/* Too much memory in transactions is stress as well. */
static void memory_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    f->receiver.transaction_memory = TRANSACTION_SHARED_MAX / 4 * 3;
    talk(f, stream, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    check(f, f->receiver.is_stressed, "not stressed");
    f->receiver.transaction_memory = 0;
    talk(f, stream, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    settle();
    check(f, !f->receiver.is_stressed, "still stressed");
    stream_close(stream);
}

static void test_memory(void **state)
{
    run(state, memory_body);
}

/* ---- slow content ---------------------------------------------------------------------------- */

#define SLOW_TIMEOUT_MS 1000
#define SLOW_STEP_MS 60
#define SLOW_STEPS 30 /* together much more than SLOW_TIMEOUT_MS */

static struct stream *begin_content(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    f->receiver.settings.limits[0].timeout_ms = SLOW_TIMEOUT_MS;
    link_queue(f);
    talk(f, stream, "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n");
    talk(f, stream, "RCPT TO:<u@relay.test>\r\n", "250 2.1.5 Ok\r\n");
    talk(f, stream, "DATA\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n");
    return stream;
}

/* A byte now and then, until there is an answer. */
static void drip(struct stream *stream)
{
    for (int i = 0; i < SLOW_STEPS && !stream_is_readable(stream); i++) {
        (void)send(stream_fd(stream), "x", 1, MSG_NOSIGNAL);
        (void)task_sleep_until(clock_monotonic_ms() + SLOW_STEP_MS);
    }
}

static void slow_body(struct fixture *f)
{
    struct stream *stream = begin_content(f);

    drip(stream);
    hear(f, stream, TIMED_OUT);
    check(f, f->queue.commits == 0, "a message");
    stream_close(stream);
}

static void test_slow_content(void **state)
{
    run(state, slow_body);
}

static void patient_body(struct fixture *f)
{
    struct stream *stream = begin_content(f);

    f->receiver.settings.limits[0].has_request_deadline = false;
    drip(stream);
    talk(f, stream, "\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    stream_close(stream);
}

/* Each portion has the whole time. */
static void test_slow_content_without_deadline(void **state)
{
    run(state, patient_body);
}

/* What comes at smtpd_min_data_rate may take longer than smtpd_timeout. */
static void rate_body(struct fixture *f)
{
    struct stream *stream = begin_content(f);

    f->receiver.settings.min_data_rate = 1; /* each byte is good for a second */
    drip(stream);
    talk(f, stream, "\r\n.\r\n", "250 2.0.0 Ok: queued as 0000000000000010\r\n");
    stream_close(stream);
}

static void test_content_at_the_least_rate(void **state)
{
    run(state, rate_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_begin_and_end),
        TEST(test_a_place_for_a_new_client),
        TEST(test_old_waits),
        TEST(test_memory),
        TEST(test_slow_content),
        TEST(test_slow_content_without_deadline),
        TEST(test_content_at_the_least_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
