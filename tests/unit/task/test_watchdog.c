/* SPDX-License-Identifier: ISC */
/*
 * The watchdog: a loop that does not turn ends the process and names what held it; one that waits,
 * and a process that was stopped, live on.
 */
#include "task/watchdog.h"

#include "base/clock.h"
#include "task/crash.h"
#include "task/task.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 1000
#define WORDS_FD 9

static volatile int endless = 1;

static void run_spin(void *arg)
{
    (void)arg;
    (void)task_set_activity("plugin loop");
    while (endless != 0)
        continue;
}

/* Longer than the limit, as far as clocks go. */
static void run_wait(void *arg)
{
    (void)arg;
    (void)task_sleep_until(clock_monotonic_ms() + LIMIT_MS + LIMIT_MS / 2);
    task_loop_stop();
}

/* Until the watchdog has warned, but not longer. */
static void hold(void)
{
    int64_t end_ms = clock_monotonic_ms() + LIMIT_MS * 6 / 10;

    while (clock_monotonic_ms() < end_ms)
        continue;
}

static volatile sig_atomic_t is_enough;

static void on_enough(int signal)
{
    (void)signal;
    is_enough = 1;
}

/* Holds the loop again and again; the first time the watchdog's question is answered when it is over.
 * Later ones may be too, on a busy machine: until somebody says that it is enough. */
static void run_answer_late(void *arg)
{
    sigset_t place;

    (void)arg;
    (void)signal(SIGUSR2, on_enough);
    (void)sigemptyset(&place);
    (void)sigaddset(&place, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &place, NULL);
    hold();
    (void)task_set_activity("innocent");
    (void)sigprocmask(SIG_UNBLOCK, &place, NULL);
    while (is_enough == 0) {
        (void)task_sleep_until(clock_monotonic_ms() + LIMIT_MS / 4);
        (void)task_set_activity("guilty");
        hold();
    }
    task_loop_stop();
}

static void be_watched(task_fn *fn)
{
    (void)alarm(60);
    (void)signal(SIGABRT, SIG_DFL); /* cmocka's would report a failure; ours must find this */
    if (task_loop_init() != SLUICE_OK || task_start("held", fn, NULL, NULL) != SLUICE_OK ||
        watchdog_start(LIMIT_MS) != SLUICE_OK)
        _exit(99);
    crash_set_words(WORDS_FD);
    (void)dup2(WORDS_FD, STDERR_FILENO); /* the log */
    task_loop_run();
    watchdog_stop();
    task_loop_done();
    _exit(0);
}

/* A watched process; *ret_words: where its last words can be read. */
static pid_t start_watched(task_fn *fn, int *ret_words)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)dup2(ends[1], WORDS_FD);
        (void)close(ends[0]);
        (void)close(ends[1]);
        be_watched(fn);
    }
    (void)close(ends[1]);
    *ret_words = ends[0];
    return child;
}

static void test_a_loop_that_hangs_is_ended_and_named(void **state)
{
    char words[2000] = "";
    int status;
    int fd;

    (void)state;
    pid_t child = start_watched(run_spin, &fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(fd, words, sizeof(words) - 1) > 0);
    assert_non_null(strstr(words, "warning: task held (plugin loop) has held everybody up"));
    assert_non_null(strstr(words, "\nheld\nplugin loop\nhang\n"));
    (void)close(fd);
}

static void expect_good_end(pid_t child, int fd)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(fd);
}

static void test_who_is_named_is_who_holds_the_loop_now(void **state)
{
    char words[2000] = "";
    int fd;

    (void)state;
    pid_t child = start_watched(run_answer_late, &fd);
    size_t len = 0;
    ssize_t n;
    while (strstr(words, "(guilty) has held everybody up") == NULL && len < sizeof(words) - 1 &&
           (n = read(fd, words + len, sizeof(words) - 1 - len)) > 0)
        len += (size_t)n;
    assert_non_null(strstr(words, "(guilty) has held everybody up"));
    assert_int_equal(kill(child, SIGUSR2), 0);
    assert_null(strstr(words, "innocent"));
    expect_good_end(child, fd);
}

static void test_a_loop_that_waits_lives(void **state)
{
    int fd;

    (void)state;
    pid_t child = start_watched(run_wait, &fd);
    expect_good_end(child, fd);
}

static void test_a_stopped_process_lives(void **state)
{
    int status;
    int fd;

    (void)state;
    pid_t child = start_watched(run_wait, &fd);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    (void)usleep(2 * LIMIT_MS * 1000);
    assert_int_equal(kill(child, SIGCONT), 0);
    expect_good_end(child, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loop_that_hangs_is_ended_and_named),
        cmocka_unit_test(test_who_is_named_is_who_holds_the_loop_now),
        cmocka_unit_test(test_a_loop_that_waits_lives),
        cmocka_unit_test(test_a_stopped_process_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
