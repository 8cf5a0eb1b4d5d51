/* SPDX-License-Identifier: ISC */
/*
 * Pools: work on threads, results on the loop, calls that hang.
 */
#include "task/pool.h"

#include "base/clock.h"
#include "task/task.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A gate that work hangs at until it is opened. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
};

struct fixture {
    struct pool *pool;
    struct gate gate;
    atomic_int runs;
    int released;
    int done;
    int tasks;
    sluice_status done_status;
};

static int64_t in_ms(int64_t ms)
{
    return clock_monotonic_ms() + ms;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (fixture == NULL || task_loop_init() != SLUICE_OK ||
        pool_new("test pool with a long name", 2, &fixture->pool) != SLUICE_OK)
        return -1;
    pthread_mutex_init(&fixture->gate.lock, NULL);
    pthread_cond_init(&fixture->gate.opened, NULL);
    *state = fixture;
    return 0;
}

static void open_gate(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->gate.lock);
    fixture->gate.is_open = true;
    pthread_cond_broadcast(&fixture->gate.opened);
    pthread_mutex_unlock(&fixture->gate.lock);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    open_gate(fixture);
    pool_free(fixture->pool);
    task_loop_done();
    free(fixture);
    return 0;
}

static void start(const char *name, task_fn *fn, void *arg)
{
    assert_int_equal(task_start(name, fn, arg, NULL), SLUICE_OK);
}

static sluice_status work_hang(void *arg)
{
    struct fixture *fixture = arg;

    atomic_fetch_add(&fixture->runs, 1);
    pthread_mutex_lock(&fixture->gate.lock);
    while (!fixture->gate.is_open)
        pthread_cond_wait(&fixture->gate.opened, &fixture->gate.lock);
    pthread_mutex_unlock(&fixture->gate.lock);
    return SLUICE_PERM;
}

static void release(void *arg)
{
    struct fixture *fixture = arg;

    fixture->released++;
}

/* ---- results --------------------------------------------------------------------------------- */

struct thread_facts {
    pthread_t thread;
    char name[16];
    bool signals_blocked;
};

static sluice_status work_look(void *arg)
{
    struct thread_facts *facts = arg;
    sigset_t mask;

    facts->thread = pthread_self();
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    facts->signals_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
    pthread_getname_np(pthread_self(), facts->name, sizeof(facts->name));
    return SLUICE_NOT_FOUND;
}

static void run_and_look(void *arg)
{
    struct fixture *fixture = arg;
    struct thread_facts facts = {0};
    sluice_status status = SLUICE_OK;

    assert_int_equal(pool_run(fixture->pool, work_look, NULL, &facts, in_ms(60000), &status),
                     SLUICE_OK);
    assert_int_equal(status, SLUICE_NOT_FOUND);
    assert_false(pthread_equal(facts.thread, pthread_self()));
    assert_true(facts.signals_blocked);
    assert_string_equal(facts.name, "test pool with ");
    fixture->tasks++;
}

static void test_run_returns_the_status(void **state)
{
    struct fixture *fixture = *state;

    start("caller", run_and_look, fixture);
    task_loop_run();
    assert_int_equal(fixture->tasks, 1);
}

static void on_done(void *arg, sluice_status status)
{
    struct fixture *fixture = arg;

    assert_null(task_self());
    fixture->done++;
    fixture->done_status = status;
}

/* The loop stays alive for a submitted job, without a task. */
static void test_submit(void **state)
{
    struct fixture *fixture = *state;

    open_gate(fixture);
    assert_int_equal(pool_submit(fixture->pool, work_hang, on_done, fixture), SLUICE_OK);
    assert_int_equal(pool_submit(fixture->pool, work_hang, on_done, fixture), SLUICE_OK);
    task_loop_run();
    assert_int_equal(fixture->done, 2);
    assert_int_equal(fixture->done_status, SLUICE_PERM);
}

static void run_many(void *arg)
{
    struct fixture *fixture = arg;

    for (int i = 0; i < 20; i++) {
        sluice_status status;
        assert_int_equal(
            pool_run(fixture->pool, work_hang, release, fixture, in_ms(60000), &status), SLUICE_OK);
        assert_int_equal(status, SLUICE_PERM);
    }
    fixture->tasks++;
}

static void test_many_callers(void **state)
{
    struct fixture *fixture = *state;

    open_gate(fixture);
    for (int i = 0; i < 50; i++)
        start("caller", run_many, fixture);
    task_loop_run();
    assert_int_equal(fixture->tasks, 50);
    assert_int_equal(atomic_load(&fixture->runs), 1000);
    assert_int_equal(fixture->released, 0); /* OK: it stays the caller's */
}

static sluice_status work_nothing(void *arg)
{
    (void)arg;
    return SLUICE_OK;
}

static sluice_status work_open_gate(void *arg)
{
    open_gate(arg);
    return SLUICE_OK;
}

static void run_beside_another(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    assert_int_equal(pool_run(fixture->pool, work_nothing, NULL, NULL, in_ms(60000), &status),
                     SLUICE_OK);
    assert_int_equal(task_sleep_until(in_ms(20)), SLUICE_OK); /* now that thread is idle */
    assert_int_equal(pool_submit(fixture->pool, work_hang, on_done, fixture), SLUICE_OK);
    assert_int_equal(pool_run(fixture->pool, work_open_gate, NULL, fixture, in_ms(60000), &status),
                     SLUICE_OK);
}

/* Two jobs in one turn are no work for the one thread that is idle. */
static void test_one_idle_thread_for_two_jobs(void **state)
{
    struct fixture *fixture = *state;

    start("caller", run_beside_another, fixture);
    task_loop_run();
    assert_int_equal(fixture->done, 1);
}

/* ---- calls that hang ------------------------------------------------------------------------- */

static int alarms;

static void count_alarm(const char *pool_name)
{
    assert_string_equal(pool_name, "test pool with a long name");
    alarms++;
}

static void run_out_of_time(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    assert_int_equal(pool_run(fixture->pool, work_hang, release, fixture, in_ms(50), &status),
                     SLUICE_TEMP);
    fixture->tasks++;
}

static void watch_hung_pool(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    while (fixture->tasks < 3)
        assert_int_equal(task_sleep_until(in_ms(5)), SLUICE_OK);
    /* Two hang; the third has never begun, and was released at once. */
    assert_int_equal(atomic_load(&fixture->runs), 2);
    assert_int_equal(fixture->released, 1);
    open_gate(fixture);
    assert_int_equal(pool_run(fixture->pool, work_nothing, NULL, NULL, in_ms(60000), &status),
                     SLUICE_OK);
    while (fixture->released < 3)
        assert_int_equal(task_sleep_until(in_ms(5)), SLUICE_OK);
    fixture->tasks++;
}

static void test_hung_calls(void **state)
{
    struct fixture *fixture = *state;

    alarms = 0;
    pool_set_alarm(count_alarm);
    for (int i = 0; i < 3; i++)
        start("caller", run_out_of_time, fixture);
    start("watch", watch_hung_pool, fixture);
    task_loop_run();
    pool_set_alarm(NULL);
    assert_int_equal(alarms, 1); /* when the second of two threads hung */
    assert_int_equal(fixture->tasks, 4);
    assert_int_equal(fixture->released, 3);
}

static void run_cancelled(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    assert_int_equal(pool_run(fixture->pool, work_hang, release, fixture, CLOCK_NEVER, &status),
                     SLUICE_TEMP);
    assert_true(task_is_cancelled());
    assert_int_equal(alarms, 0); /* who does not want to wait says nothing about the thread */
    /* Nothing begins any more. */
    assert_int_equal(pool_run(fixture->pool, work_hang, release, fixture, CLOCK_NEVER, &status),
                     SLUICE_TEMP);
    fixture->tasks++;
}

static void cancel_it(void *arg)
{
    task_cancel(arg);
}

static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct task *victim;

    alarms = 0;
    pool_set_alarm(count_alarm);
    assert_int_equal(task_start("victim", run_cancelled, fixture, &victim), SLUICE_OK);
    start("canceller", cancel_it, victim);
    task_loop_run();
    assert_int_equal(fixture->tasks, 1);
    open_gate(fixture);
    pool_free(fixture->pool); /* waits for what runs, and releases it */
    fixture->pool = NULL;
    assert_int_equal(fixture->released, 2);
    assert_true(atomic_load(&fixture->runs) <= 1);
}

static void test_free_finishes_what_was_submitted(void **state)
{
    struct fixture *fixture = *state;

    open_gate(fixture);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pool_submit(fixture->pool, work_hang, on_done, fixture), SLUICE_OK);
    pool_free(fixture->pool);
    fixture->pool = NULL;
    assert_int_equal(fixture->done, 10);
    assert_int_equal(atomic_load(&fixture->runs), 10);
}

/* In a process that ends with its threads hanging. Takes the 5 s that pool_free waits. */
static void leave_hung_threads(struct fixture *fixture)
{
    for (int i = 0; i < 3; i++) {
        if (pool_submit(fixture->pool, work_hang, on_done, fixture) != SLUICE_OK)
            _exit(2);
    }
    pool_free(fixture->pool);
    task_loop_done();
    /* The third never began: its submitter is told. */
    _exit(fixture->done == 1 && fixture->done_status == SLUICE_TEMP ? 0 : 1);
}

static void test_free_leaves_hung_threads(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    assert_int_not_equal(child, -1);
    if (child == 0) {
        void *fixture;
        (void)alarm(60);
        if (set_up(&fixture) != 0)
            _exit(3);
        leave_hung_threads(fixture);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
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

static sluice_status work_overflow(void *arg)
{
    (void)arg;
    (void)task_set_activity("plugin deep");
    return overflow(0) == 0 ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status work_abort(void *arg)
{
    (void)arg;
    (void)task_set_activity("plugin wrong");
    abort();
}

static void run_overflow(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    (void)task_set_activity("nothing of the thread's");
    (void)pool_run(fixture->pool, work_overflow, NULL, NULL, CLOCK_NEVER, &status);
}

static void run_abort(void *arg)
{
    struct fixture *fixture = arg;
    sluice_status status;

    (void)pool_run(fixture->pool, work_abort, NULL, NULL, CLOCK_NEVER, &status);
}

static void crash_in_child(task_fn *fn, const char *want)
{
    char text[4096];
    size_t len = 0;
    ssize_t n;
    int status;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        void *fixture;

        (void)alarm(60);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's would report a failure */
        (void)signal(SIGABRT, SIG_DFL);
        if (set_up(&fixture) != 0 || task_start("caller", fn, fixture, NULL) != SLUICE_OK)
            _exit(99);
        task_loop_run();
        _exit(98);
    }
    (void)close(ends[1]);
    while (len + 1 < sizeof(text) && (n = read(ends[0], text + len, sizeof(text) - len - 1)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    if (strstr(text, want) == NULL)
        print_error("%s\n", text);
    assert_non_null(strstr(text, want));
}

static void test_a_crash_on_a_thread_is_named(void **state)
{
    (void)state;
    crash_in_child(run_overflow,
                   "sluice: crash in task caller (plugin deep): stack overflow\n");
    crash_in_child(run_abort, "sluice: crash in task caller (plugin wrong): abort\n");
}

#define ON_POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_POOL(test_run_returns_the_status),
        ON_POOL(test_submit),
        ON_POOL(test_many_callers),
        ON_POOL(test_one_idle_thread_for_two_jobs),
        ON_POOL(test_hung_calls),
        ON_POOL(test_cancel),
        ON_POOL(test_free_finishes_what_was_submitted),
        cmocka_unit_test(test_free_leaves_hung_threads),
        cmocka_unit_test(test_a_crash_on_a_thread_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
