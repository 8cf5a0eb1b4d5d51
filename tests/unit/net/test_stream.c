/* SPDX-License-Identifier: ISC */
/*
 * Streams over socket pairs and loopback: partial writes, ends, time-outs, fairness.
 */
#include "net/stream.h"

#include "base/clock.h"
#include "base/span.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BULK_SIZE (4 * 1024 * 1024)

/* Both ends, and what the tasks have done. */
struct pair {
    struct stream *left;
    struct stream *right;
    int steps;
};

static int64_t in_ms(int64_t ms)
{
    return clock_monotonic_ms() + ms;
}

static int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    int fds[2];

    if (pair == NULL || task_loop_init() != SLUICE_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == -1 ||
        stream_new(fds[0], &pair->left) != SLUICE_OK ||
        stream_new(fds[1], &pair->right) != SLUICE_OK)
        return -1;
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;

    stream_close(pair->left);
    stream_close(pair->right);
    task_loop_done();
    free(pair);
    return 0;
}

static void start(const char *name, task_fn *fn, void *arg)
{
    assert_int_equal(task_start(name, fn, arg, NULL), SLUICE_OK);
}

static void expect_buffered(const struct stream *stream, const char *want)
{
    assert_true(span_equal(stream_buffered(stream), sluice_span_of(want)));
}

/* ---- lines back and forth -------------------------------------------------------------------- */

static void talk(void *arg)
{
    struct pair *pair = arg;

    for (int i = 0; i < 50; i++) {
        assert_int_equal(stream_write(pair->left, SPAN_LITERAL("NOOP\r\n"), in_ms(60000)),
                         SLUICE_OK);
        assert_int_equal(stream_fill(pair->left, in_ms(60000)), SLUICE_OK);
        expect_buffered(pair->left, "250 ok\r\n");
        stream_consume(pair->left, 8);
        expect_buffered(pair->left, "");
    }
    stream_close(pair->left);
    pair->left = NULL;
}

static void answer(void *arg)
{
    struct pair *pair = arg;

    while (stream_fill(pair->right, in_ms(60000)) == SLUICE_OK) {
        expect_buffered(pair->right, "NOOP\r\n");
        stream_consume(pair->right, 6);
        pair->steps++;
        assert_int_equal(stream_write(pair->right, SPAN_LITERAL("250 ok\r\n"), in_ms(60000)),
                         SLUICE_OK);
    }
}

static void test_dialogue(void **state)
{
    struct pair *pair = *state;

    start("server", answer, pair);
    start("client", talk, pair);
    task_loop_run();
    assert_int_equal(pair->steps, 50);
}

/* ---- much at once ---------------------------------------------------------------------------- */

static void write_bulk(void *arg)
{
    struct pair *pair = arg;
    char *bulk = malloc(BULK_SIZE);

    assert_non_null(bulk);
    for (size_t i = 0; i < BULK_SIZE; i++)
        bulk[i] = (char)(i * 7 + i / 1000);
    struct sluice_span span = {bulk, BULK_SIZE};
    assert_int_equal(stream_write(pair->left, span, in_ms(60000)), SLUICE_OK);
    free(bulk);
    shutdown(stream_fd(pair->left), SHUT_WR);
}

static void check_bulk(const char *bytes, size_t len, size_t *at)
{
    for (size_t i = 0; i < len; i++, (*at)++) {
        if (bytes[i] != (char)(*at * 7 + *at / 1000))
            fail_msg("wrong byte at %zu", *at);
    }
}

/* By turns through the buffer, half of it taken each time, and past it. */
static void read_bulk(void *arg)
{
    struct pair *pair = arg;
    char direct[5000];
    size_t at = 0;
    size_t len = 1;

    while (len > 0) {
        if (stream_fill(pair->right, in_ms(60000)) == SLUICE_OK) {
            struct sluice_span half = stream_buffered(pair->right);
            half.len = (half.len + 1) / 2;
            check_bulk(half.ptr, half.len, &at);
            stream_consume(pair->right, half.len);
        }
        assert_int_equal(stream_read(pair->right, direct, sizeof(direct), in_ms(60000), &len),
                         SLUICE_OK);
        check_bulk(direct, len, &at);
    }
    assert_int_equal(at, BULK_SIZE);
    pair->steps = 1;
}

static void test_bulk_in_parts(void **state)
{
    struct pair *pair = *state;

    start("writer", write_bulk, pair);
    start("reader", read_bulk, pair);
    task_loop_run();
    assert_int_equal(pair->steps, 1);
}

/* A stream that always has something to read lets other tasks run. */
static void read_until_told(void *arg)
{
    struct pair *pair = arg;
    char byte;
    size_t len;

    for (int i = 0; i < 100 && pair->steps == 0; i++)
        assert_int_equal(stream_read(pair->right, &byte, 1, in_ms(60000), &len), SLUICE_OK);
    assert_int_equal(pair->steps, 1);
}

static void tell(void *arg)
{
    struct pair *pair = arg;

    pair->steps = 1;
}

static void test_busy_stream_shares(void **state)
{
    struct pair *pair = *state;
    char bytes[100] = {0};

    assert_int_equal(write(stream_fd(pair->left), bytes, sizeof(bytes)), sizeof(bytes));
    start("busy", read_until_told, pair);
    start("other", tell, pair);
    task_loop_run();
}

/* ---- limits and failures --------------------------------------------------------------------- */

static void fill_up(void *arg)
{
    struct pair *pair = arg;

    while (stream_buffered(pair->right).len < STREAM_BUFFER_SIZE)
        assert_int_equal(stream_fill(pair->right, in_ms(60000)), SLUICE_OK);
    assert_int_equal(stream_fill(pair->right, in_ms(60000)), SLUICE_TEMP);
    assert_string_equal(stream_explain(pair->right), "buffer is full");
    assert_false(stream_timed_out(pair->right));
    stream_consume(pair->right, 100);
    assert_int_equal(stream_fill(pair->right, in_ms(60000)), SLUICE_OK);
    assert_int_equal(stream_buffered(pair->right).len, STREAM_BUFFER_SIZE);
}

static void test_full_buffer(void **state)
{
    struct pair *pair = *state;
    static const char bytes[STREAM_BUFFER_SIZE + 100];

    assert_int_equal(write(stream_fd(pair->left), bytes, sizeof(bytes)), sizeof(bytes));
    start("filler", fill_up, pair);
    task_loop_run();
}

static void time_out(void *arg)
{
    struct pair *pair = arg;
    struct sluice_span much = {calloc(1, BULK_SIZE), BULK_SIZE};

    assert_int_equal(stream_fill(pair->right, in_ms(5)), SLUICE_TEMP);
    assert_string_equal(stream_explain(pair->right), "timed out");
    assert_true(stream_timed_out(pair->right));
    assert_int_equal(stream_write(pair->right, much, in_ms(5)), SLUICE_TEMP);
    assert_true(stream_timed_out(pair->right));
    free((void *)(uintptr_t)much.ptr);
    pair->steps = 1;
}

static void test_time_out(void **state)
{
    struct pair *pair = *state;

    start("slow", time_out, pair);
    task_loop_run();
    assert_int_equal(pair->steps, 1);
}

static void be_cancelled(void *arg)
{
    struct pair *pair = arg;
    char byte;
    size_t len;

    assert_int_equal(stream_fill(pair->right, CLOCK_NEVER), SLUICE_TEMP);
    assert_string_equal(stream_explain(pair->right), "cancelled");
    assert_false(stream_timed_out(pair->right));
    assert_int_equal(stream_read(pair->right, &byte, 1, CLOCK_NEVER, &len), SLUICE_TEMP);
    /* It can still say goodbye. */
    assert_int_equal(stream_write(pair->right, SPAN_LITERAL("421 bye\r\n"), CLOCK_NEVER),
                     SLUICE_OK);
}

static void cancel_it(void *arg)
{
    task_cancel(arg);
}

static void test_cancel(void **state)
{
    struct pair *pair = *state;
    struct task *victim;

    assert_int_equal(task_start("victim", be_cancelled, pair, &victim), SLUICE_OK);
    start("canceller", cancel_it, victim);
    task_loop_run();
    assert_true(stream_is_readable(pair->left));
}

static void write_to_nobody(void *arg)
{
    struct pair *pair = arg;

    stream_close(pair->left);
    pair->left = NULL;
    assert_true(stream_is_readable(pair->right)); /* the end is something to say */
    assert_int_equal(stream_fill(pair->right, CLOCK_NEVER), SLUICE_NOT_FOUND);
    assert_int_equal(stream_write(pair->right, SPAN_LITERAL("x"), CLOCK_NEVER), SLUICE_TEMP);
    assert_string_equal(stream_explain(pair->right), "Broken pipe");
    pair->steps = 1;
}

static void test_peer_is_gone(void **state)
{
    struct pair *pair = *state;

    start("writer", write_to_nobody, pair);
    task_loop_run();
    assert_int_equal(pair->steps, 1);
}

static void test_is_readable(void **state)
{
    struct pair *pair = *state;

    assert_false(stream_is_readable(pair->right));
    assert_int_equal(write(stream_fd(pair->left), "x", 1), 1);
    assert_true(stream_is_readable(pair->right));
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int listen_on_loopback(struct address *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(address_parse(SPAN_LITERAL("127.0.0.1"), 0, ret_address), SLUICE_OK);
    assert_int_equal(bind(fd, &ret_address->any, ret_address->len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, &ret_address->any, &ret_address->len), 0);
    return fd;
}

static void connect_and_talk(void *arg)
{
    struct stream *stream;
    struct error err = ERROR_INIT;

    assert_int_equal(stream_connect(arg, in_ms(60000), &stream, &err), SLUICE_OK);
    assert_int_equal(stream_write(stream, SPAN_LITERAL("EHLO x\r\n"), in_ms(60000)), SLUICE_OK);
    stream_close(stream);
}

static void test_connect(void **state)
{
    struct address address;
    int fd = listen_on_loopback(&address);
    char bytes[16];

    (void)state;
    start("client", connect_and_talk, &address);
    task_loop_run();
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), 8);
    close(peer);
    close(fd);
}

static void connect_in_vain(void *arg)
{
    struct stream *stream;
    struct error err = ERROR_INIT;

    assert_int_equal(stream_connect(arg, in_ms(60000), &stream, &err), SLUICE_TEMP);
    assert_string_equal(err.text, "Connection refused");
}

static void test_connection_refused(void **state)
{
    struct address address;

    (void)state;
    close(listen_on_loopback(&address)); /* a port that was free just now */
    start("client", connect_in_vain, &address);
    task_loop_run();
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_PAIR(test_dialogue),
        ON_PAIR(test_bulk_in_parts),
        ON_PAIR(test_busy_stream_shares),
        ON_PAIR(test_full_buffer),
        ON_PAIR(test_time_out),
        ON_PAIR(test_cancel),
        ON_PAIR(test_peer_is_gone),
        ON_PAIR(test_is_readable),
        ON_PAIR(test_connect),
        ON_PAIR(test_connection_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
