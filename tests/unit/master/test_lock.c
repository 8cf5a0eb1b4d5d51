/* SPDX-License-Identifier: ISC */
/*
 * lock: taken, written, given back; and what a user who owns the run folder may have put in the
 * file's place is not touched. Two daemons and a dead master are in test_master.c.
 */
#include "master/lock.h"

#include "base/durable.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sluice-lock-XXXXXX";

static void expect_text(const char *path, const char *text)
{
    char *bytes;
    size_t len;

    assert_int_equal(durable_read_file(path, 100, &bytes, &len, NULL), SLUICE_OK);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, len);
    free(bytes);
}

static void taken_and_released(void **state)
{
    struct error err = ERROR_INIT;
    struct lock lock = {0};
    char pid[32];

    (void)state;
    assert_int_equal(
        durable_write_file("sluiced.pid", SPAN_LITERAL("stale, and longer than a pid"), 0644, &err),
        SLUICE_OK);
    assert_int_equal(lock_take(".", &lock, &err), SLUICE_OK);
    (void)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    expect_text("sluiced.pid", pid);
    assert_int_equal(write(lock.fd, "x", 1), -1); /* the roles have this one */
    lock_release(&lock);
    assert_int_equal(access("sluiced.pid", F_OK), -1);
    lock_release(&lock);
}

static void make_symbolic_link(void)
{
    assert_int_equal(symlink("victim", "sluiced.pid"), 0);
}

static void make_hard_link(void)
{
    assert_int_equal(link("victim", "sluiced.pid"), 0);
}

static void make_pipe(void)
{
    assert_int_equal(mkfifo("sluiced.pid", 0644), 0);
}

static void traps(void **state)
{
    static const struct {
        const char *name;
        void (*make)(void);
    } cases[] = {
        {"a symbolic link", make_symbolic_link},
        {"a hard link", make_hard_link},
        {"a pipe", make_pipe},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        struct lock lock = {0};

        print_message("%s\n", cases[i].name);
        assert_int_equal(durable_write_file("victim", SPAN_LITERAL("safe"), 0644, &err), SLUICE_OK);
        cases[i].make();
        assert_int_equal(lock_take(".", &lock, &err), SLUICE_TEMP);
        assert_non_null(strstr(err.text, "./sluiced.pid"));
        expect_text("victim", "safe");
        assert_int_equal(unlink("sluiced.pid"), 0);
    }
    assert_int_equal(unlink("victim"), 0);
}

/* lock_take may wait, and so is called on a task elsewhere; nothing here makes it wait. */
static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_and_released),
        cmocka_unit_test(traps),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
