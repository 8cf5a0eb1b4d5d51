/* SPDX-License-Identifier: ISC */
/*
 * Who has to forget answers: all of them are told, and are waited for, but not those that have left.
 */
#include "lookup/keepers.h"

#include "base/clock.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#define COUNT 2

/* Both ends of a link. */
struct pair {
    struct fixture *fixture;
    struct keeper keeper;
    struct channel *other;
    bool is_silent;
    unsigned told;
};

struct fixture {
    struct keepers keepers;
    struct pair pairs[COUNT];
    bool is_over;
};

static void on_told(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct pair *pair = user;

    assert_int_equal(frame->type, MESSAGE_FORGET);
    assert_true(span_equal(frame->body, SPAN_LITERAL("ldap:staff")));
    pair->told++;
    if (!pair->is_silent)
        assert_int_equal(channel_send_body(channel, MESSAGE_FORGOTTEN, frame->ref, SPAN_EMPTY),
                         SLUICE_OK);
}

static void on_forgotten(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct pair *pair = user;

    (void)channel;
    assert_int_equal(frame->type, MESSAGE_FORGOTTEN);
    keepers_take(&pair->fixture->keepers, &pair->keeper, frame->ref);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)reason;
    (void)user;
}

static int set_up(void **state)
{
    static const struct channel_handlers ours = {.frame = on_forgotten, .closed = on_closed};
    static const struct channel_handlers theirs = {.frame = on_told, .closed = on_closed};
    struct fixture *f = calloc(1, sizeof(*f));
    int fds[2];

    assert_non_null(f);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    for (size_t i = 0; i < COUNT; i++) {
        struct pair *pair = &f->pairs[i];

        pair->fixture = f;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        assert_int_equal(channel_new(fds[0], "ours", &ours, pair, &pair->keeper.channel),
                         SLUICE_OK);
        assert_int_equal(channel_new(fds[1], "theirs", &theirs, pair, &pair->other), SLUICE_OK);
        keepers_add(&f->keepers, &pair->keeper);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT; i++) {
        channel_free(f->pairs[i].keeper.channel);
        channel_free(f->pairs[i].other);
    }
    task_loop_done();
    free(f);
    return 0;
}

static sluice_status wait_until(struct fixture *f, int64_t deadline_ms)
{
    struct error err = ERROR_INIT;
    sluice_status st = keepers_wait(&f->keepers, deadline_ms, &err);

    assert_int_equal(st != SLUICE_OK, err.text[0] != '\0');
    return st;
}

static void in_time(struct fixture *f)
{
    assert_int_equal(wait_until(f, 0), SLUICE_OK); /* nothing was asked for */
    keepers_forget(&f->keepers, "ldap:staff");
    keepers_forget(&f->keepers, "ldap:staff");
    assert_int_equal(wait_until(f, CLOCK_NEVER), SLUICE_OK);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(f->pairs[i].told, 2);
}

static void too_late(struct fixture *f)
{
    f->pairs[1].is_silent = true;
    keepers_forget(&f->keepers, "ldap:staff");
    while (f->pairs[1].told == 0)
        task_yield();
    assert_int_equal(wait_until(f, clock_monotonic_ms() + 20), SLUICE_TEMP);
    f->pairs[1].is_silent = false;
    keepers_forget(&f->keepers, "ldap:staff");
    assert_int_equal(wait_until(f, CLOCK_NEVER), SLUICE_OK);
}

static void leave(void *arg)
{
    struct fixture *f = arg;

    while (f->pairs[1].told == 0)
        task_yield();
    keepers_remove(&f->keepers, &f->pairs[1].keeper);
}

static void gone(struct fixture *f)
{
    f->pairs[1].is_silent = true;
    keepers_forget(&f->keepers, "ldap:staff");
    assert_int_equal(task_start("leave", leave, f, NULL), SLUICE_OK);
    assert_int_equal(wait_until(f, CLOCK_NEVER), SLUICE_OK);
    keepers_add(&f->keepers, &f->pairs[1].keeper); /* a new link: it has nothing to forget */
    assert_int_equal(wait_until(f, 0), SLUICE_OK);
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

static void run(void **state, void (*fn)(struct fixture *f))
{
    struct job job = {.fixture = *state, .fn = fn};

    assert_int_equal(task_start("test", run_job, &job, NULL), SLUICE_OK);
    task_loop_run();
    assert_true(job.fixture->is_over);
}

static void test_all_are_told(void **state)
{
    run(state, in_time);
}

static void test_one_is_silent(void **state)
{
    run(state, too_late);
}

static void test_one_leaves(void **state)
{
    run(state, gone);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_are_told),
        TEST(test_one_is_silent),
        TEST(test_one_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
