/* SPDX-License-Identifier: ISC */
/*
 * Doubts: who hears of them, and whose they are.
 */
#include "task/doubt.h"

#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned ended;

static void run(task_fn *fn, task_fn *other)
{
    ended = 0;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(task_start("one", fn, NULL, NULL), SLUICE_OK);
    if (other != NULL)
        assert_int_equal(task_start("other", other, NULL, NULL), SLUICE_OK);
    task_loop_run();
    task_loop_done();
    assert_int_equal(ended, other != NULL ? 2 : 1);
}

static void nobody_listens(void *arg)
{
    struct doubt doubt;

    (void)arg;
    assert_false(doubt_note("ldap:one"));
    assert_null(doubt_about());
    doubt_begin(&doubt);
    assert_null(doubt_about());
    assert_null(doubt_end(&doubt));
    assert_false(doubt_note("ldap:one"));
    ended++;
}

static void test_nobody_listens(void **state)
{
    (void)state;
    assert_false(doubt_note("ldap:one"));
    assert_null(doubt_about());
    run(nobody_listens, NULL);
}

static void nested(void *arg)
{
    struct doubt outer;
    struct doubt inner;

    (void)arg;
    doubt_begin(&outer);
    doubt_begin(&inner);
    assert_null(doubt_end(&inner));
    assert_null(doubt_about());
    doubt_begin(&inner);
    assert_true(doubt_note("ldap:one"));
    assert_true(doubt_note("ldap:two"));
    assert_string_equal(doubt_about(), "ldap:one");
    assert_string_equal(doubt_end(&inner), "ldap:one");
    assert_string_equal(doubt_about(), "ldap:one");
    doubt_begin(&inner); /* what was in doubt before is no doubt of this one */
    assert_null(doubt_end(&inner));
    assert_string_equal(doubt_end(&outer), "ldap:one");
    ended++;
}

static void test_nested(void **state)
{
    (void)state;
    run(nested, NULL);
}

static void doubtful(void *arg)
{
    struct doubt doubt;

    (void)arg;
    doubt_begin(&doubt);
    task_yield();
    assert_true(doubt_note("ldap:one"));
    task_yield();
    assert_string_equal(doubt_end(&doubt), "ldap:one");
    ended++;
}

static void sure(void *arg)
{
    struct doubt doubt;

    (void)arg;
    doubt_begin(&doubt);
    task_yield();
    task_yield();
    assert_null(doubt_end(&doubt));
    ended++;
}

static void test_each_task_has_its_own(void **state)
{
    (void)state;
    run(doubtful, sure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_each_task_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
