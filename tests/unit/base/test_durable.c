/* SPDX-License-Identifier: ISC */
/*
 * Files and folders that are made whole or not at all.
 */
#include "base/durable.h"

#include "base/span.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sluice-durable-XXXXXX";
static int start_folder;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    start_folder = open(".", O_RDONLY | O_DIRECTORY);
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    if (fchdir(start_folder) == -1)
        return -1;
    close(start_folder);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void expect_content(const char *path, const char *want)
{
    struct error err = ERROR_INIT;
    char *bytes;
    size_t len;

    assert_int_equal(durable_read_file(path, 100, &bytes, &len, &err), SLUICE_OK);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(bytes, want, len);
    free(bytes);
}

static void test_write_replaces(void **state)
{
    struct error err = ERROR_INIT;
    struct stat info;

    (void)state;
    (void)umask(077);
    assert_int_equal(durable_write_file("a", SPAN_LITERAL("one"), 0644, &err), SLUICE_OK);
    assert_int_equal(stat("a", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644); /* whatever the umask */
    expect_content("a", "one");
    assert_int_equal(durable_write_file("a", SPAN_EMPTY, 0600, &err), SLUICE_OK);
    expect_content("a", "");
    assert_int_equal(access("a.new", F_OK), -1);
}

/* What a crash, or somebody with a link, left at the new name is not followed. */
static void test_left_over_name(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(durable_write_file("victim", SPAN_LITERAL("safe"), 0600, &err), SLUICE_OK);
    assert_int_equal(symlink("victim", "b.new"), 0);
    assert_int_equal(durable_write_file("b", SPAN_LITERAL("two"), 0600, &err), SLUICE_OK);
    expect_content("victim", "safe");
    expect_content("b", "two");
}

static void test_failure_keeps_the_old_file(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(mkdir("c", 0700), 0); /* cannot be renamed over */
    assert_int_equal(durable_write_file("c", SPAN_LITERAL("x"), 0600, &err), SLUICE_TEMP);
    assert_non_null(strstr(err.text, "rename"));
    assert_int_equal(access("c.new", F_OK), -1);
    assert_int_equal(durable_write_file("none/d", SPAN_LITERAL("x"), 0600, &err), SLUICE_TEMP);
    assert_non_null(strstr(err.text, "none/d"));
}

static void test_read(void **state)
{
    struct error err = ERROR_INIT;
    char *bytes;
    size_t len;

    (void)state;
    assert_int_equal(durable_write_file("e", SPAN_LITERAL("12345"), 0600, &err), SLUICE_OK);
    assert_int_equal(durable_read_file("e", 4, &bytes, &len, &err), SLUICE_PERM);
    assert_int_equal(durable_read_file("e", 5, &bytes, &len, &err), SLUICE_OK);
    assert_int_equal(len, 5);
    free(bytes);
    assert_int_equal(durable_read_file("absent", 5, &bytes, &len, &err), SLUICE_NOT_FOUND);
    assert_int_equal(durable_read_file(".", 5, &bytes, &len, &err), SLUICE_TEMP);
}

static void test_make_folder(void **state)
{
    struct error err = ERROR_INIT;
    struct stat info;

    (void)state;
    assert_int_equal(durable_make_folder("p/q", 0750, (uid_t)-1, (gid_t)-1, &err), SLUICE_OK);
    assert_int_equal(stat("p/q", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0750);
    assert_int_equal(chmod("p/q", 0700), 0);
    assert_int_equal(durable_make_folder("p/q/", 0750, getuid(), getgid(), &err), SLUICE_OK);
    assert_int_equal(stat("p/q", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700); /* it was there: left as it is */
    assert_int_equal(durable_make_folder("r/s/t", 0750, (uid_t)-1, (gid_t)-1, &err), SLUICE_TEMP);
    assert_int_equal(durable_write_file("file", SPAN_EMPTY, 0600, &err), SLUICE_OK);
    assert_int_equal(durable_make_folder("file", 0750, (uid_t)-1, (gid_t)-1, &err), SLUICE_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_replaces),
        cmocka_unit_test(test_left_over_name),
        cmocka_unit_test(test_failure_keeps_the_old_file),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_make_folder),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
