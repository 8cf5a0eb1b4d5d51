/* SPDX-License-Identifier: ISC */
/*
 * What `sluice table` asks of a lookup process, and that it is not left before it is answered.
 */
#include "lookup/operators.h"

#include "base/clock.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct fixture {
    struct tables *tables;
    struct fronts *fronts;
    struct keepers keepers;
    struct operators *operators;
    struct channel *queue;
    struct task *waiter;
    unsigned idle_count;
    char answer[200];
};

static sluice_status empty_find(struct sluice_lookup *self, struct sluice_span key,
                                int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                const struct sluice_errors *errors)
{
    (void)self;
    (void)key;
    (void)deadline_ms;
    (void)sink;
    (void)errors;
    return SLUICE_NOT_FOUND;
}

static void empty_close(struct sluice_lookup *self)
{
    (void)self;
}

static const struct sluice_lookup_ops empty_ops = {
    .struct_size = sizeof(empty_ops), .close = empty_close, .find = empty_find};

static void count_idle(void *user)
{
    unsigned *count = user;

    ++*count;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct fixture *f = user;

    (void)channel;
    assert_int_equal(frame->type, MESSAGE_EXPLAINED);
    assert_int_equal(frame->ref, 7);
    assert_true(frame->body.len < sizeof(f->answer));
    memcpy(f->answer, frame->body.ptr, frame->body.len);
    task_wake(f->waiter);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)user;
    fail_msg("%s", reason);
}

static int set_up(void **state)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    const struct front_settings settings = {.kept = {.bytes_max = 1000}};
    struct fixture *f = calloc(1, sizeof(*f));
    struct table *table;
    int fds[2];

    assert_non_null(f);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "empty:one", &empty_ops, NULL, NULL), SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "empty:one", &table, NULL), SLUICE_OK);
    assert_int_equal(fronts_new(count_idle, &f->idle_count, &f->fronts), SLUICE_OK);
    assert_int_equal(fronts_add(f->fronts, table, &settings), SLUICE_OK);
    f->operators = operators_new(f->fronts, &f->keepers);
    assert_non_null(f->operators);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    operators_link(f->operators, fds[0]);
    assert_int_equal(channel_new(fds[1], "queue", &handlers, f, &f->queue), SLUICE_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_true(fronts_are_idle(f->fronts));
    operators_free(f->operators);
    fronts_free(f->fronts);
    tables_free(f->tables);
    task_loop_done();
    free(f);
    return 0;
}

static void ask(struct fixture *f, enum tables_wish wish)
{
    const struct message_tables_request request = {.wish = wish};
    struct buffer body = BUFFER_INIT;
    int64_t deadline_ms = clock_monotonic_ms() + 10000;

    f->waiter = task_self();
    memset(f->answer, 0, sizeof(f->answer));
    message_tables_request_encode(&request, &body);
    assert_int_equal(channel_send_body(f->queue, MESSAGE_TABLES, 7, buffer_span(&body)), SLUICE_OK);
    buffer_done(&body);
    while (f->answer[0] == '\0')
        assert_int_equal(task_park(deadline_ms), SLUICE_OK);
}

static void ask_all(void *arg)
{
    struct fixture *f = arg;

    ask(f, TABLES_LIST);
    assert_string_equal(f->answer, "[{\"table\":\"empty:one\",\"open\":true}]");
    assert_int_equal(f->idle_count, 0);
    ask(f, TABLES_FLUSH);
    assert_string_equal(f->answer, "{\"forgotten\":0,\"status\":\"OK\",\"text\":\"\"}");
    assert_int_equal(f->idle_count, 1); /* so a process that drains leaves after that */
    channel_free(f->queue);
}

static void test_requests_are_answered(void **state)
{
    assert_int_equal(task_start("ask", ask_all, *state, NULL), SLUICE_OK);
    task_loop_run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests_are_answered, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
