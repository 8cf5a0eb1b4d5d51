/* SPDX-License-Identifier: ISC */
/*
 * Credit: first come, first served, whatever the sizes.
 */
#include "task/credit.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct credit credit;
static char trace[64];

static int set_up(void **state)
{
    (void)state;
    credit = (struct credit){0};
    trace[0] = '\0';
    return task_loop_init() == SLUICE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    task_loop_done();
    return 0;
}

struct taker {
    const char *name;
    uint64_t amount;
    int64_t wait_ms; /* 0: for ever */
    sluice_status want;
};

static void run_taker(void *arg)
{
    const struct taker *taker = arg;
    int64_t deadline_ms = taker->wait_ms == 0 ? CLOCK_NEVER : clock_monotonic_ms() + taker->wait_ms;

    assert_int_equal(credit_take(&credit, taker->amount, deadline_ms), taker->want);
    size_t len = strlen(trace);
    (void)snprintf(trace + len, sizeof(trace) - len, "%s ", taker->name);
}

static void give_ten(void *arg)
{
    int times = *(int *)arg;

    assert_int_equal(task_sleep_until(clock_monotonic_ms() + 20), SLUICE_OK);
    for (int i = 0; i < times; i++) {
        credit_give(&credit, 10);
        task_yield();
    }
}

static void run_all(struct taker *takers, size_t count, int times)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(task_start("taker", run_taker, &takers[i], NULL), SLUICE_OK);
    assert_int_equal(task_start("giver", give_ten, &times, NULL), SLUICE_OK);
    task_loop_run();
    assert_null(credit.waiters);
}

static void test_large_is_not_overtaken(void **state)
{
    struct taker takers[] = {
        {"large", 25, 0, SLUICE_OK}, {"small", 1, 0, SLUICE_OK}, {"other", 4, 0, SLUICE_OK}};

    (void)state;
    run_all(takers, 3, 3);
    assert_string_equal(trace, "large small other ");
    assert_int_equal(credit.available, 0);
}

static void test_who_gives_up_lets_others_pass(void **state)
{
    struct taker takers[] = {{"large", 1000, 5, SLUICE_TEMP}, {"small", 3, 0, SLUICE_OK}};

    (void)state;
    credit_give(&credit, 3);
    run_all(takers, 2, 0);
    assert_string_equal(trace, "large small ");
    assert_int_equal(credit.available, 0);
}

static void test_try(void **state)
{
    struct taker takers[] = {{"all", 10, 0, SLUICE_OK}};

    (void)state;
    credit_give(&credit, 10);
    assert_false(credit_try(&credit, 11));
    assert_int_equal(credit.available, 10);
    run_all(takers, 1, 0);
    assert_false(credit_try(&credit, 1));
    assert_true(credit_try(&credit, 0));
    credit_give(&credit, UINT64_MAX);
    credit_give(&credit, UINT64_MAX); /* no overflow */
    assert_true(credit_try(&credit, UINT64_MAX));
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LOOP(test_large_is_not_overtaken),
        ON_LOOP(test_who_gives_up_lets_others_pass),
        ON_LOOP(test_try),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
