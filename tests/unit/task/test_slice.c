/* SPDX-License-Identifier: ISC */
/*
 * A wish for short slices leaves policy and niceness as they are, and is inherited.
 */
#include "task/slice.h"

#include <linux/sched/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sched_attr attr_now(void)
{
    struct sched_attr attr = {.size = sizeof(attr)};

    assert_int_equal(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0), 0);
    return attr;
}

/* A process that is forked off inherits as a thread does, whose header does not go with the kernel's. */
static bool is_inherited(uint64_t runtime)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(attr_now().sched_runtime == runtime ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_ask_short(void **state)
{
    struct sched_attr before;
    struct sched_attr after;

    (void)state;
    assert_int_not_equal(nice(1), -1);
    before = attr_now();
    slice_ask_short();
    after = attr_now();
    assert_int_equal(after.sched_policy, before.sched_policy);
    assert_int_equal(after.sched_nice, before.sched_nice);
    if (before.sched_runtime == 0)
        skip(); /* a kernel that knows no slices */
    assert_true(after.sched_runtime < before.sched_runtime);
    assert_true(is_inherited(after.sched_runtime));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ask_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
