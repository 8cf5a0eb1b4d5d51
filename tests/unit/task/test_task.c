/* SPDX-License-Identifier: ISC */
/*
 * The scheduler: starting, parking, waking, cancelling, deadlines, many tasks, overflow.
 */
#include "base/clock.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

/* What happened, in order. */
static char trace[256];

static void note(const char *word)
{
    size_t len = strlen(trace);

    (void)snprintf(trace + len, sizeof(trace) - len, "%s ", word);
}

static int set_up(void **state)
{
    (void)state;
    trace[0] = '\0';
    return task_loop_init() == SLUICE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    task_loop_done();
    return 0;
}

static struct task *start(const char *name, task_fn *fn, void *arg)
{
    struct task *task = NULL;

    assert_int_equal(task_start(name, fn, arg, &task), SLUICE_OK);
    return task;
}

static int64_t in_ms(int64_t ms)
{
    return clock_monotonic_ms() + ms;
}

/* ---- order ----------------------------------------------------------------------------------- */

static void say_twice(void *arg)
{
    note(arg);
    task_yield();
    note(arg);
}

static void test_yield_lets_others_run(void **state)
{
    (void)state;
    start("a", say_twice, "a");
    start("b", say_twice, "b");
    assert_int_equal(task_count(), 2);
    task_loop_run();
    assert_string_equal(trace, "a b a b ");
    assert_int_equal(task_count(), 0);
}

static void start_another(void *arg)
{
    note(arg);
    start("inner", say_twice, "inner");
    note(task_name(task_self()));
}

static void test_start_from_a_task(void **state)
{
    (void)state;
    start("outer", start_another, "begin");
    task_loop_run();
    assert_string_equal(trace, "begin outer inner inner ");
    assert_null(task_self());
}

struct pair {
    struct task *ping;
    struct task *pong;
    int rounds;
};

static void run_ping(void *arg)
{
    struct pair *pair = arg;

    for (int i = 0; i < 1000; i++) {
        pair->rounds++;
        task_wake(pair->pong);
        assert_int_equal(task_park(CLOCK_NEVER), SLUICE_OK);
    }
}

static void run_pong(void *arg)
{
    struct pair *pair = arg;

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(task_park(CLOCK_NEVER), SLUICE_OK);
        assert_int_equal(pair->rounds, i + 1);
        task_wake(pair->ping);
    }
}

static void test_ping_pong(void **state)
{
    struct pair pair = {0};

    (void)state;
    pair.ping = start("ping", run_ping, &pair);
    pair.pong = start("pong", run_pong, &pair);
    task_loop_run();
    assert_int_equal(pair.rounds, 1000);
}

/* A busy task does not shut out callbacks of the loop. */
static bool timer_came;

static void on_timer(uv_timer_t *timer)
{
    timer_came = true;
    uv_close((uv_handle_t *)timer, NULL);
}

static void spin(void *arg)
{
    (void)arg;
    while (!timer_came)
        task_yield();
}

static void test_loop_polls_between_turns(void **state)
{
    uv_timer_t timer;

    (void)state;
    timer_came = false;
    uv_timer_init(task_loop(), &timer);
    uv_timer_start(&timer, on_timer, 1, 0);
    start("busy", spin, NULL);
    task_loop_run();
    assert_true(timer_came);
}

/* ---- park and wake --------------------------------------------------------------------------- */

static void wake_self_then_park(void *arg)
{
    (void)arg;
    task_wake(task_self());
    task_wake(task_self());
    assert_int_equal(task_park(CLOCK_NEVER), SLUICE_OK); /* kept */
    assert_int_equal(task_park(in_ms(1)), SLUICE_TEMP);  /* two wakes are one */
    note("done");
}

static void test_wake_before_park_is_kept(void **state)
{
    (void)state;
    start("self", wake_self_then_park, NULL);
    task_loop_run();
    assert_string_equal(trace, "done ");
}

static void park_with_past_deadline(void *arg)
{
    (void)arg;
    assert_int_equal(task_park(0), SLUICE_TEMP);
    task_wake(task_self());
    assert_int_equal(task_park(0), SLUICE_OK); /* what has happened counts first */
    note("done");
}

static void test_past_deadline(void **state)
{
    (void)state;
    start("past", park_with_past_deadline, NULL);
    task_loop_run();
    assert_string_equal(trace, "done ");
}

static void sleep_through_wakes(void *arg)
{
    int64_t until_ms = in_ms(20);

    (void)arg;
    task_wake(task_self());
    assert_int_equal(task_sleep_until(until_ms), SLUICE_OK);
    assert_true(clock_monotonic_ms() >= until_ms);
}

static void test_sleep_ignores_wakes(void **state)
{
    (void)state;
    start("sleeper", sleep_through_wakes, NULL);
    task_loop_run();
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void expect_cancel(void *arg)
{
    note(arg);
    assert_int_equal(task_park(CLOCK_NEVER), SLUICE_TEMP);
    assert_true(task_is_cancelled());
    assert_int_equal(task_park(CLOCK_NEVER), SLUICE_TEMP);
    assert_int_equal(task_sleep_until(CLOCK_NEVER), SLUICE_TEMP);
    assert_int_equal(task_wait_fd(STDIN_FILENO, TASK_READABLE, CLOCK_NEVER), SLUICE_TEMP);
    note("cancelled");
}

static void cancel_it(void *arg)
{
    task_cancel(arg);
    task_wake(arg); /* a wake does not undo it */
}

static void test_cancel_ends_all_waits(void **state)
{
    (void)state;
    struct task *victim = start("victim", expect_cancel, "parked");
    start("canceller", cancel_it, victim);
    task_loop_run();
    assert_string_equal(trace, "parked cancelled ");
}

static void test_cancel_before_the_first_run(void **state)
{
    (void)state;
    task_cancel(start("victim", expect_cancel, "started"));
    task_loop_run();
    assert_string_equal(trace, "started cancelled ");
}

static void stop_loop(void *arg)
{
    (void)arg;
    task_loop_stop();
}

static void test_done_ends_what_is_left(void **state)
{
    (void)state;
    start("left", expect_cancel, "parked");
    start("stop", stop_loop, NULL);
    task_loop_run();
    assert_string_equal(trace, "parked ");
    assert_int_equal(task_count(), 1);
    task_loop_done();
    assert_string_equal(trace, "parked cancelled ");
    assert_int_equal(task_loop_init(), SLUICE_OK); /* tear_down ends it again */
}

/* ---- deadlines ------------------------------------------------------------------------------- */

struct sleeper {
    const char *name;
    int64_t until_ms;
};

static void run_sleeper(void *arg)
{
    struct sleeper *sleeper = arg;

    assert_int_equal(task_sleep_until(sleeper->until_ms), SLUICE_OK);
    note(sleeper->name);
}

static void test_deadlines_come_in_order(void **state)
{
    int64_t now_ms = clock_monotonic_ms();
    struct sleeper sleepers[] = {{"d", now_ms + 400}, {"a", now_ms + 100}, {"c", now_ms + 300},
                                 {"now", now_ms},    {"b", now_ms + 200}, {"past", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(sleepers) / sizeof(sleepers[0]); i++)
        start(sleepers[i].name, run_sleeper, &sleepers[i]);
    task_loop_run();
    assert_string_equal(trace, "now past a b c d ");
}

/* The entry of an earlier deadline is still in the heap when a later, an earlier one and none are
 * asked for. */
static void change_deadlines(void *arg)
{
    static const int64_t waits_ms[] = {30, 5, 60, 1, 10};

    (void)arg;
    task_wake(task_self());
    assert_int_equal(task_park(in_ms(20)), SLUICE_OK);
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
        int64_t until_ms = in_ms(waits_ms[i]);
        assert_int_equal(task_park(until_ms), SLUICE_TEMP);
        assert_true(clock_monotonic_ms() >= until_ms);
    }
    note("done");
}

static void test_deadline_moves(void **state)
{
    (void)state;
    start("mover", change_deadlines, NULL);
    task_loop_run();
    assert_string_equal(trace, "done ");
}

static void park_long_after_wake(void *arg)
{
    (void)arg;
    assert_int_equal(task_park(in_ms(10)), SLUICE_OK); /* woken: the entry stays behind */
    assert_int_equal(task_park(CLOCK_NEVER), SLUICE_OK);
    note("woken");
}

static void wake_late(void *arg)
{
    task_wake(arg);
    assert_int_equal(task_sleep_until(in_ms(30)), SLUICE_OK);
    note("late");
    task_wake(arg);
}

static void test_stale_deadline_does_not_fire(void **state)
{
    (void)state;
    struct task *parked = start("parked", park_long_after_wake, NULL);
    start("waker", wake_late, parked);
    task_loop_run();
    assert_string_equal(trace, "late woken ");
}

/* ---- queues ---------------------------------------------------------------------------------- */

struct waiting {
    struct task_queue *queue;
    const char *name;
    int64_t deadline_ms;
    sluice_status want;
};

static void run_waiting(void *arg)
{
    struct waiting *waiting = arg;

    assert_int_equal(task_queue_wait(waiting->queue, waiting->deadline_ms), waiting->want);
    note(waiting->name);
}

static void wake_queue(void *arg)
{
    assert_int_equal(task_sleep_until(in_ms(20)), SLUICE_OK); /* "late" has given up by now */
    assert_true(task_queue_wake_one(arg));
    task_yield();
    task_yield();
    note("|");
    task_queue_wake_all(arg);
    assert_false(task_queue_wake_one(arg));
}

static void test_queue_is_first_come_first_served(void **state)
{
    struct task_queue queue = {0};
    struct waiting waiting[] = {{&queue, "a", CLOCK_NEVER, SLUICE_OK},
                                {&queue, "late", in_ms(2), SLUICE_TEMP},
                                {&queue, "b", CLOCK_NEVER, SLUICE_OK},
                                {&queue, "c", CLOCK_NEVER, SLUICE_OK}};

    (void)state;
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++)
        start(waiting[i].name, run_waiting, &waiting[i]);
    start("waker", wake_queue, &queue);
    task_loop_run();
    assert_string_equal(trace, "late a | b c ");
    assert_null(queue.waiters);
}

/* ---- later ----------------------------------------------------------------------------------- */

struct flush {
    struct task_later later;
    int count;
    struct task_later *also_cancels;
};

static void on_flush(struct task_later *later)
{
    struct flush *flush = (struct flush *)later;

    flush->count++;
    note("flush");
    if (flush->also_cancels != NULL)
        task_later_cancel(flush->also_cancels);
}

static void ask_twice(void *arg)
{
    task_later(arg);
    note("asked");
    task_later(arg);
}

static void test_later_runs_once_at_the_end_of_the_turn(void **state)
{
    struct flush flush = {.later = {.fn = on_flush}};

    (void)state;
    start("a", ask_twice, &flush.later);
    start("b", ask_twice, &flush.later);
    task_loop_run();
    assert_string_equal(trace, "asked asked flush ");
    assert_int_equal(flush.count, 1);
}

static void test_later_can_be_cancelled(void **state)
{
    struct flush second = {.later = {.fn = on_flush}};
    struct flush first = {.later = {.fn = on_flush}, .also_cancels = &second.later};

    (void)state;
    task_later(&first.later);
    task_later(&second.later);
    task_loop_run();
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 0);
    assert_false(second.later.is_asked);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

struct reader {
    int fd;
    int events;
};

static void run_reader(void *arg)
{
    struct reader *reader = arg;

    assert_int_equal(task_wait_fd(reader->fd, reader->events, in_ms(60000)), SLUICE_OK);
    note(reader->events == TASK_READABLE ? "readable" : "writable");
}

static void write_byte(void *arg)
{
    struct reader *reader = arg;

    while (strstr(trace, "writable") == NULL)
        assert_int_equal(task_sleep_until(in_ms(1)), SLUICE_OK);
    assert_int_equal(task_wait_fd(reader->fd, TASK_READABLE, in_ms(1)), SLUICE_TEMP);
    note("write");
    assert_int_equal(write(reader->fd, "x", 1), 1);
}

static void test_wait_fd(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct reader reader = {fds[0], TASK_READABLE};
    struct reader writer = {fds[0], TASK_WRITABLE};
    struct reader peer = {fds[1], 0};

    (void)state;
    start("reader", run_reader, &reader);
    start("writer", run_reader, &writer); /* at the same descriptor */
    start("peer", write_byte, &peer);
    task_loop_run();
    assert_string_equal(trace, "writable write readable ");
    close(fds[0]);
    close(fds[1]);
}

/* Waits twice; in between the descriptor is readable, and nobody wants to know. */
static void read_twice(void *arg)
{
    struct reader *reader = arg;
    char byte;

    assert_int_equal(task_keep_fd(reader->fd), SLUICE_OK);
    assert_int_equal(task_wait_fd(reader->fd, TASK_READABLE, in_ms(1)), SLUICE_TEMP);
    note("first");
    while (strstr(trace, "write") == NULL)
        assert_int_equal(task_sleep_until(in_ms(1)), SLUICE_OK);
    for (int i = 0; i < 2; i++) { /* what has come before is seen, too */
        assert_int_equal(task_sleep_until(in_ms(1)), SLUICE_OK);
        assert_int_equal(task_wait_fd(reader->fd, TASK_READABLE, in_ms(60000)), SLUICE_OK);
    }
    assert_int_equal(read(reader->fd, &byte, 1), 1);
    assert_int_equal(task_wait_fd(reader->fd, TASK_READABLE, in_ms(1)), SLUICE_TEMP);
    task_forget_fd(reader->fd);
    task_forget_fd(reader->fd); /* nothing to forget */
    close(reader->fd);
    note("read");
}

static void write_to_kept(void *arg)
{
    struct reader *reader = arg;

    while (strstr(trace, "first") == NULL)
        assert_int_equal(task_sleep_until(in_ms(1)), SLUICE_OK);
    note("write");
    assert_int_equal(write(reader->fd, "x", 1), 1);
}

static void test_keep_fd(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct reader reader = {fds[0], TASK_READABLE};
    struct reader peer = {fds[1], 0};

    (void)state;
    start("reader", read_twice, &reader);
    start("peer", write_to_kept, &peer);
    task_loop_run();
    assert_string_equal(trace, "first write read ");
    close(fds[1]);
}

static void wait_for_a_file(void *arg)
{
    int fd = open("/proc/self/exe", O_RDONLY);

    (void)arg;
    assert_int_equal(task_wait_fd(fd, TASK_READABLE, CLOCK_NEVER), SLUICE_TEMP);
    close(fd);
}

static void test_wait_fd_refuses_files(void **state)
{
    (void)state;
    start("file", wait_for_a_file, NULL);
    task_loop_run();
}

/* ---- errno and memory ------------------------------------------------------------------------ */

static void keep_errno(void *arg)
{
    int mine = *(int *)arg;

    errno = mine;
    for (int i = 0; i < 10; i++) {
        task_yield();
        assert_int_equal(errno, mine);
    }
}

static void test_errno_is_per_task(void **state)
{
    int values[] = {EPERM, ENOENT, EINTR};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        start("errno", keep_errno, &values[i]);
    task_loop_run();
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 2000
#else
#define MANY 20000
#endif

static size_t ended;

static void wait_in_crowd(void *arg)
{
    void *volatile only_pointer = malloc(16); /* LSan must find it on a parked stack */

    assert_non_null(only_pointer);
    assert_int_equal(task_queue_wait(arg, CLOCK_NEVER), SLUICE_OK);
    free(only_pointer);
    ended++;
}

static void release_crowd(void *arg)
{
    assert_int_equal(task_count(), MANY + 1);
    task_queue_wake_all(arg);
}

static void test_many_tasks_twice(void **state)
{
    struct task_queue queue = {0};

    (void)state;
    ended = 0;
    for (int round = 0; round < 2; round++) { /* the second time on used stacks */
        for (int i = 0; i < MANY; i++)
            start("crowd", wait_in_crowd, &queue);
        start("release", release_crowd, &queue);
        task_loop_run();
    }
    assert_int_equal(ended, 2 * MANY);
}

static void run_with_limit(void *arg)
{
    bool *has_ended = arg;
    int64_t limit_ms = clock_monotonic_ms() + 20;

    assert_true(task_set_limit(limit_ms) == CLOCK_NEVER);
    assert_int_equal(task_park(CLOCK_NEVER), SLUICE_TEMP);
    assert_true(clock_monotonic_ms() >= limit_ms);
    assert_true(task_set_limit(CLOCK_NEVER) == limit_ms);
    assert_int_equal(task_sleep_until(clock_monotonic_ms() + 1), SLUICE_OK);
    *has_ended = true;
}

static void test_no_wait_goes_beyond_the_limit(void **state)
{
    bool has_ended = false;

    (void)state;
    assert_int_equal(task_start("limited", run_with_limit, &has_ended, NULL), SLUICE_OK);
    task_loop_run();
    assert_true(has_ended);
}

/* ---- crashes --------------------------------------------------------------------------------- */

static volatile int endless = 1;

static int overflow(int depth)
{
    volatile char frame[4096];

    frame[0] = (char)depth;
    if (endless == 0)
        return 0;
    return overflow(depth + 1) + frame[0];
}

static void run_overflow(void *arg)
{
    (void)arg;
    (void)task_set_activity("plugin null");
    (void)overflow(0);
}

static void run_fault(void *arg)
{
    (void)arg;
    (void)raise(SIGSEGV);
}

/* Runs fn in a child; what it wrote to standard error. */
static void crash_in_child(task_fn *fn, char *out, size_t size)
{
    int fds[2];
    size_t len = 0;
    ssize_t n;
    int status;

    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's would report a failure; ours must find this */
        if (task_loop_init() != SLUICE_OK || task_start("deep", fn, NULL, NULL) != SLUICE_OK)
            _exit(99);
        task_loop_run();
        _exit(98);
    }
    close(fds[1]);
    while (len + 1 < size && (n = read(fds[0], out + len, size - len - 1)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_overflow_is_named(void **state)
{
    char text[4096];

    (void)state;
    crash_in_child(run_overflow, text, sizeof(text));
    assert_non_null(strstr(text, "sluice: crash in task deep (plugin null): stack overflow\n"));
}

static void test_fault_is_named(void **state)
{
    char text[4096];

    (void)state;
    crash_in_child(run_fault, text, sizeof(text));
    assert_non_null(strstr(text, "sluice: crash in task deep: memory fault\n"));
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LOOP(test_yield_lets_others_run),
        ON_LOOP(test_start_from_a_task),
        ON_LOOP(test_ping_pong),
        ON_LOOP(test_loop_polls_between_turns),
        ON_LOOP(test_wake_before_park_is_kept),
        ON_LOOP(test_past_deadline),
        ON_LOOP(test_sleep_ignores_wakes),
        ON_LOOP(test_cancel_ends_all_waits),
        ON_LOOP(test_cancel_before_the_first_run),
        ON_LOOP(test_done_ends_what_is_left),
        ON_LOOP(test_deadlines_come_in_order),
        ON_LOOP(test_deadline_moves),
        ON_LOOP(test_stale_deadline_does_not_fire),
        ON_LOOP(test_queue_is_first_come_first_served),
        ON_LOOP(test_later_runs_once_at_the_end_of_the_turn),
        ON_LOOP(test_later_can_be_cancelled),
        ON_LOOP(test_wait_fd),
        ON_LOOP(test_keep_fd),
        ON_LOOP(test_wait_fd_refuses_files),
        ON_LOOP(test_errno_is_per_task),
        ON_LOOP(test_many_tasks_twice),
        ON_LOOP(test_no_wait_goes_beyond_the_limit),
        cmocka_unit_test(test_overflow_is_named),
        cmocka_unit_test(test_fault_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
