/* SPDX-License-Identifier: ISC */
/*
 * What who asks a lookup process keeps of its answers, and when that counts no more. The other end of the link
 * is the test's own.
 */
#include "route/remote.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "route/table.h"
#include "task/explain.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define TABLE "ldap:staff"
#define OTHER "ldap:other"

static uint64_t counted[METRICS_SIZE / sizeof(uint64_t)];

struct fixture {
    struct remote *remote;
    struct remote_table *table;
    struct remote_table *other;
    struct channel *home;
    struct message_found answer; /* to each question */
    bool forgets_behind_it;
    unsigned asked;
    uint64_t forgotten; /* the last ref */
    bool is_over;
};

/* ---- the home -------------------------------------------------------------------------------- */

static void send_answer(const struct fixture *f, uint64_t ref)
{
    struct buffer body = BUFFER_INIT;

    message_found_encode(&f->answer, &body);
    assert_int_equal(channel_send_body(f->home, MESSAGE_FOUND, ref, buffer_span(&body)), SLUICE_OK);
    buffer_done(&body);
}

static void send_forget(const struct fixture *f, uint64_t ref, const char *table)
{
    assert_int_equal(channel_send_body(f->home, MESSAGE_FORGET, ref, sluice_span_of(table)),
                     SLUICE_OK);
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct fixture *f = user;

    (void)channel;
    if (frame->type == MESSAGE_FORGOTTEN) {
        f->forgotten = frame->ref;
        return;
    }
    assert_int_equal(frame->type, MESSAGE_LOOKUP);
    f->asked++;
    send_answer(f, frame->ref);
    if (f->forgets_behind_it)
        send_forget(f, 1, TABLE);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)reason;
    (void)user;
}

static void link_home(struct fixture *f)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    int fds[2];

    channel_free(f->home);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(channel_new(fds[1], "home", &handlers, f, &f->home), SLUICE_OK);
    remote_connect(f->remote, 0, fds[0]);
}

static void forget(struct fixture *f, uint64_t ref, const char *table)
{
    send_forget(f, ref, table);
    while (f->forgotten != ref)
        task_yield();
}

/* ---- who asks -------------------------------------------------------------------------------- */

static void expect(struct fixture *f, struct remote_table *table, const char *key, uint64_t flags)
{
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    sluice_status st = remote_find(table, sluice_span_of(key), flags, CLOCK_NEVER, &value, &err);

    assert_int_equal(st, f->answer.status);
    if (st == SLUICE_OK)
        assert_true(span_equal(buffer_span(&value), f->answer.value));
    buffer_done(&value);
}

/* Whether its home has a part in it. */
static void expect_asked(struct fixture *f, const char *key, bool is_asked)
{
    unsigned before = f->asked;

    expect(f, f->table, key, 0);
    assert_int_equal(f->asked - before, is_asked);
}

static uint64_t from_cache(const char *status)
{
    struct metric_reading reading;

    metric_read(METRIC_TABLE_LOOKUPS, TABLE, "cache", status, &reading);
    return reading.value;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void kept_for_its_time(struct fixture *f)
{
    clock_set(clock_monotonic_ms(), clock_wall_ms());
    expect_asked(f, "joe", true);
    expect_asked(f, "joe", false);
    expect_asked(f, "ann", true);
    assert_int_equal(from_cache("ok"), 1);
    f->answer = (struct message_found){.status = SLUICE_NOT_FOUND,
                                       .keep_until_ms = clock_monotonic_ms() + 1000};
    expect_asked(f, "none", true);
    expect_asked(f, "none", false);
    assert_int_equal(from_cache("not_found"), 1);
    clock_set(clock_monotonic_ms() + 1000, clock_wall_ms());
    expect_asked(f, "none", true);
    clock_real();
}

static void not_to_be_kept(struct fixture *f)
{
    f->answer.keep_until_ms = 0; /* an old one, a failed one, one that a front does not keep */
    expect_asked(f, "joe", true);
    expect_asked(f, "joe", true);
    f->answer = (struct message_found){.status = SLUICE_TEMP, .keep_until_ms = CLOCK_NEVER};
    expect_asked(f, "ann", true);
    expect_asked(f, "ann", true);
    assert_int_equal(from_cache("ok"), 0);
}

static void other_questions(struct fixture *f)
{
    expect(f, f->table, "joe", 0);
    expect(f, f->table, "joe", SLUICE_SINK_NO_SUBSTITUTION);
    expect(f, f->other, "joe", 0);
    assert_int_equal(f->asked, 3);
    expect(f, f->table, "joe", SLUICE_SINK_NO_SUBSTITUTION);
    expect(f, f->other, "joe", 0);
    assert_int_equal(f->asked, 3);
}

/* What the next one hears is what this one did. */
static void past_what_is_kept(struct fixture *f)
{
    struct explanation *explanation;

    expect_asked(f, "joe", true);
    f->answer.value = SPAN_LITERAL("new");
    expect(f, f->table, "joe", TABLE_FRESH);
    expect_asked(f, "joe", false);
    f->answer.value = SPAN_LITERAL("newer");
    assert_int_equal(explanation_new(&explanation), SLUICE_OK);
    task_set_explanation(explanation);
    expect_asked(f, "joe", true);
    task_set_explanation(NULL);
    explanation_free(explanation);
    expect_asked(f, "joe", false);
}

static void told_to_forget(struct fixture *f)
{
    expect_asked(f, "joe", true);
    expect(f, f->other, "joe", 0);
    forget(f, 7, TABLE);
    expect_asked(f, "joe", true);
    forget(f, 8, "ldap:unknown");
    expect_asked(f, "joe", false);
    expect(f, f->other, "joe", 0);
    assert_int_equal(f->asked, 3);
    f->forgets_behind_it = true;
    expect_asked(f, "ann", true);
    expect_asked(f, "ann", true);
}

static void with_another_link(struct fixture *f)
{
    expect_asked(f, "joe", true);
    link_home(f);
    expect_asked(f, "joe", true);
    expect_asked(f, "joe", false);
}

/* Longer ones than an address are not kept; what is too much pushes out what was not asked for longest. */
static void bounded(struct fixture *f)
{
    static char large[60000];
    char key[500];

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    expect_asked(f, key, true);
    expect_asked(f, key, true);
    memset(large, 'v', sizeof(large));
    expect_asked(f, "joe", true);
    f->answer.value = (struct sluice_span){.ptr = large, .len = sizeof(large)};
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "key%d", i);
        expect_asked(f, key, true);
    }
    expect_asked(f, key, false);
    expect_asked(f, "joe", true);
}

static void generations(struct fixture *f)
{
    struct message_table message = {
        .table = SPAN_LITERAL(TABLE), .generation = 42, .has_generation = true};
    struct buffer body = BUFFER_INIT;
    uint64_t generation = 0;

    assert_int_equal(remote_generation(f->table, &generation), SLUICE_UNSUPPORTED);
    expect_asked(f, "joe", true);
    message_table_encode(&message, &body);
    assert_int_equal(channel_send_body(f->home, MESSAGE_TABLE, 0, buffer_span(&body)), SLUICE_OK);
    while (remote_generation(f->table, &generation) != SLUICE_OK)
        task_yield();
    assert_int_equal(generation, 42);
    assert_int_equal(remote_generation(f->other, &generation), SLUICE_UNSUPPORTED);
    expect_asked(f, "joe", false);
    message.has_generation = false;
    buffer_clear(&body);
    message_table_encode(&message, &body);
    assert_int_equal(channel_send_body(f->home, MESSAGE_TABLE, 0, buffer_span(&body)), SLUICE_OK);
    while (remote_generation(f->table, &generation) == SLUICE_OK)
        task_yield();
    buffer_done(&body);
}

/* ---- running --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    memset(counted, 0, sizeof(counted));
    metrics_attach(counted, sizeof(counted));
    assert_int_equal(task_loop_init(), SLUICE_OK);
    f->remote = remote_new();
    assert_non_null(f->remote);
    assert_int_equal(remote_get(f->remote, 0, SPAN_LITERAL(TABLE), &f->table), SLUICE_OK);
    assert_int_equal(remote_get(f->remote, 0, SPAN_LITERAL(OTHER), &f->other), SLUICE_OK);
    f->answer = (struct message_found){
        .status = SLUICE_OK, .value = SPAN_LITERAL("box@store"), .keep_until_ms = CLOCK_NEVER};
    link_home(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    remote_free(f->remote);
    channel_free(f->home);
    task_loop_done();
    metrics_attach(NULL, 0);
    free(f);
    return 0;
}

struct job {
    struct fixture *fixture;
    void (*fn)(struct fixture *f);
};

static void run_job(void *arg)
{
    const struct job *job = arg;

    job->fn(job->fixture);
    job->fixture->is_over = true;
    task_loop_stop();
}

#define CASE(fn)                                                                                   \
    static void test_##fn(void **state)                                                            \
    {                                                                                              \
        struct job job = {*state, fn};                                                             \
                                                                                                   \
        assert_int_equal(task_start(#fn, run_job, &job, NULL), SLUICE_OK);                         \
        task_loop_run();                                                                           \
        assert_true(job.fixture->is_over);                                                         \
    }

CASE(kept_for_its_time)
CASE(not_to_be_kept)
CASE(other_questions)
CASE(past_what_is_kept)
CASE(told_to_forget)
CASE(with_another_link)
CASE(bounded)
CASE(generations)

#define TEST(fn) cmocka_unit_test_setup_teardown(test_##fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kept_for_its_time), TEST(not_to_be_kept), TEST(other_questions),
        TEST(past_what_is_kept), TEST(told_to_forget), TEST(with_another_link),
        TEST(bounded),           TEST(generations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
