/* SPDX-License-Identifier: ISC */
/*
 * landlock and privileges: what a process under the rule set can still do, tried in children.
 */
#include "master/landlock.h"
#include "master/privileges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A tree of the test's own, which is the working directory: queue/old, tables/t.db, beside. */
static char root[] = "/tmp/sluice-landlock-XXXXXX";

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, "x", 1), 1);
    (void)close(fd);
}

static int make_tree(void **state)
{
    (void)state;
    if (mkdtemp(root) == NULL || chdir(root) == -1 || mkdir("queue", 0700) == -1 ||
        mkdir("tables", 0755) == -1)
        return -1;
    write_file("queue/old");
    write_file("tables/t.db");
    write_file("beside.db");
    return 0;
}

static int remove_tree(void **state)
{
    static const char *const files[] = {"queue/old",  "queue/new", "tables/t.db",
                                        "tables/new", "beside.db", "written"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        (void)unlink(files[i]);
    return rmdir("queue") == 0 && rmdir("tables") == 0 && rmdir(root) == 0 ? 0 : -1;
}

/* errno of opening, 0 if it went. */
static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd == -1)
        return errno;
    (void)close(fd);
    return 0;
}

/* Runs fn under a rule set that closes queue; its result is the child's exit status. */
static void in_child(int ruleset, int (*fn)(int fd), int fd)
{
    struct privileges privileges = {0}; /* no_new_privs alone */
    int status;

    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0) {
        if (privileges_apply(&privileges) != 0 || landlock_apply(ruleset) != 0)
            _exit(100);
        _exit(fn(fd));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int new_ruleset(void)
{
    struct error err = ERROR_INIT;
    int ruleset;
    sluice_status status = landlock_new("queue", &ruleset, &err);

    if (status == SLUICE_UNSUPPORTED) {
        print_message("*** SKIPPED: Landlock: %s ***\n", err.text);
        skip();
    }
    assert_int_equal(status, SLUICE_OK);
    return ruleset;
}

#define MUST(number, condition)                                                                    \
    if (!(condition))                                                                              \
    return number

static int closed_folder(int fd)
{
    MUST(1, try_open("queue/old", O_RDONLY) == EACCES);
    MUST(2, try_open("queue/old", O_WRONLY) == EACCES);
    MUST(3, try_open("queue/new", O_WRONLY | O_CREAT) == EACCES);
    MUST(4, try_open("queue", O_RDONLY | O_DIRECTORY) == EACCES);
    MUST(5, unlink("queue/old") == -1 && errno == EACCES);
    MUST(6, rename("queue/old", "queue/new") == -1 && errno == EACCES);
    MUST(7, truncate("queue/old", 0) == -1);
    MUST(8, mkdir("queue/d", 0700) == -1 && errno == EACCES);
    /* A file that was handed in: receive fills what the store has staged. */
    MUST(9, write(fd, "more", 4) == 4);
    MUST(10, ftruncate(fd, 2) == 0);
    return 0;
}

static int open_surroundings(int fd)
{
    (void)fd;
    MUST(20, try_open("tables/t.db", O_RDWR) == 0);
    MUST(21, try_open("tables/new", O_WRONLY | O_CREAT) == 0);
    MUST(22, try_open("beside.db", O_RDONLY) == 0);
    MUST(23, try_open("/etc/passwd", O_RDONLY) == 0);
    MUST(24, try_open("/dev/null", O_RDWR) == 0);
    MUST(25, try_open("/proc/self/status", O_RDONLY) == 0);
    return 0;
}

static void queue_folder_is_closed(void **state)
{
    (void)state;
    int ruleset = new_ruleset();
    int fd = open("queue", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    in_child(ruleset, closed_folder, fd);
    (void)close(fd);
    (void)close(ruleset);
}

static void what_lies_beside_is_open(void **state)
{
    (void)state;
    int ruleset = new_ruleset();
    in_child(ruleset, open_surroundings, -1);
    (void)close(ruleset);
}

/* postmap writes a new file and renames it over the old one. */
static void replace(const char *path)
{
    write_file("written");
    assert_int_equal(rename("written", path), 0);
}

static int replaced_table(int fd)
{
    (void)fd;
    MUST(30, try_open("beside.db", O_RDONLY) == 0);
    MUST(31, try_open("queue/old", O_RDONLY) == 0); /* the price, and it is logged */
    MUST(32, try_open("queue/old", O_WRONLY) == EACCES);
    MUST(33, try_open("queue/new", O_WRONLY | O_CREAT) == EACCES);
    MUST(34, unlink("queue/old") == -1);
    return 0;
}

static int replaced_neighbour(int fd)
{
    (void)fd;
    MUST(40, try_open("beside.db", O_RDONLY) == EACCES);
    return 0;
}

static void table_above_the_queue_may_be_replaced(void **state)
{
    bool is_readable = false;

    (void)state;
    int ruleset = new_ruleset();
    replace("beside.db");
    in_child(ruleset, replaced_neighbour, -1); /* without being named it would be closed */
    assert_int_equal(landlock_allow_table(ruleset, "queue", "tables/t", &is_readable, NULL),
                     SLUICE_OK);
    assert_int_equal(landlock_allow_table(ruleset, "queue", "nosuch", &is_readable, NULL),
                     SLUICE_OK);
    assert_int_equal(landlock_allow_table(ruleset, "queue", "", &is_readable, NULL), SLUICE_OK);
    assert_false(is_readable); /* not on the way; no file */
    in_child(ruleset, replaced_neighbour, -1);
    assert_int_equal(landlock_allow_table(ruleset, "queue", "beside", &is_readable, NULL),
                     SLUICE_OK);
    assert_true(is_readable);
    in_child(ruleset, replaced_table, -1);
    (void)close(ruleset);
}

static int held_file(int fd)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST(50, try_open("beside.db", O_RDONLY) == EACCES);
    MUST(51, try_open(path, O_RDONLY) == 0); /* as the loader opens a plugin */
    return 0;
}

static void a_file_may_be_allowed_by_its_descriptor(void **state)
{
    (void)state;
    int ruleset = new_ruleset();
    replace("beside.db");
    int fd = open("beside.db", O_RDONLY | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    assert_int_equal(landlock_allow(ruleset, fd, NULL), SLUICE_OK);
    replace("beside.db");
    in_child(ruleset, held_file, fd);
    (void)close(fd);
    (void)close(ruleset);
}

static void a_folder_that_is_not_there(void **state)
{
    struct error err = ERROR_INIT;
    int ruleset = new_ruleset();

    (void)state;
    (void)close(ruleset);
    assert_int_equal(landlock_new("nosuch", &ruleset, &err), SLUICE_TEMP);
    assert_non_null(strstr(err.text, "nosuch"));
}

/* ---- privileges -------------------------------------------------------------------------------- */

static void users(void **state)
{
    struct privileges privileges;
    struct error err = ERROR_INIT;

    (void)state;
    if (geteuid() != 0) {
        assert_int_equal(privileges_find("no-such-user", &privileges, &err), SLUICE_OK);
        assert_false(privileges.is_root);
        assert_int_equal(privileges.uid, geteuid());
        return;
    }
    assert_int_equal(privileges_find("no-such-user", &privileges, &err), SLUICE_CONFIG);
    assert_non_null(strstr(err.text, "no-such-user"));
    assert_int_equal(privileges_find("root", &privileges, &err), SLUICE_CONFIG);
    assert_int_equal(privileges_find("nobody", &privileges, &err), SLUICE_OK);
    assert_true(privileges.is_root);
    assert_int_not_equal(privileges.uid, 0);
}

static int dropped(int fd)
{
    struct privileges nobody;

    (void)fd;
    MUST(59, privileges_find("nobody", &nobody, NULL) == SLUICE_OK);
    MUST(60, privileges_apply(&nobody) == 0);
    MUST(61, geteuid() != 0 && getuid() == geteuid() && getegid() != 0);
    MUST(62, setuid(0) == -1 && seteuid(0) == -1 && setgroups(0, NULL) == -1);
    return 0;
}

static void no_way_back(void **state)
{
    int status;

    (void)state;
    if (geteuid() != 0) {
        print_message("*** SKIPPED: only root has privileges to drop ***\n");
        skip();
    }
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(dropped(-1));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_folder_is_closed),
        cmocka_unit_test(what_lies_beside_is_open),
        cmocka_unit_test(table_above_the_queue_may_be_replaced),
        cmocka_unit_test(a_file_may_be_allowed_by_its_descriptor),
        cmocka_unit_test(a_folder_that_is_not_there),
        cmocka_unit_test(users),
        cmocka_unit_test(no_way_back),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
