/* SPDX-License-Identifier: ISC */
/* Kills, failing calls, a full disk. */
#include "cases.h"
#include "scenario.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD_SECONDS 60

static void run_everywhere(uint64_t seed, enum fault fault, enum fault second)
{
    scenario_run_everywhere(
        (struct scenario){.make = model_make,
                          .seed = seed,
                          .batches = SCENARIO_BATCHES,
                          .fault = fault,
                          .second = second,
                          .after = 1,
                          .may_refuse = fault == FAULT_SHORT && traits.trusts_pages});
}

static void test_kill(void **state)
{
    (void)state;
    run_everywhere(1, FAULT_KILL, FAULT_NONE);
}

static void test_eio(void **state)
{
    (void)state;
    run_everywhere(2, FAULT_EIO, FAULT_NONE);
}

/* What follows a failing call is often meant to mend it. */
static void test_eio_twice(void **state)
{
    (void)state;
    run_everywhere(8, FAULT_EIO, FAULT_EIO);
}

static void test_eio_then_kill(void **state)
{
    (void)state;
    run_everywhere(9, FAULT_EIO, FAULT_KILL);
}

static void test_enospc(void **state)
{
    (void)state;
    run_everywhere(3, FAULT_ENOSPC, FAULT_NONE);
}

static void test_short_write(void **state)
{
    (void)state;
    run_everywhere(4, FAULT_SHORT, FAULT_NONE);
}

static void test_short_write_then_enospc(void **state)
{
    (void)state;
    run_everywhere(4, FAULT_SHORT, FAULT_ENOSPC);
}

static void test_kill_at_random(void **state)
{
    uint64_t random = 7;

    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct scenario scenario = {
            .make = model_make, .seed = seed, .batches = SCENARIO_BATCHES_MAX};
        struct timespec pause = {0, (long)(1000000 + model_random(&random) % 80000000)};
        char folder[SCRATCH_PATH_MAX];
        pid_t child;

        scratch_make(folder);
        child = scenario_start(&scenario, folder, NULL);
        (void)nanosleep(&pause, NULL);
        (void)kill(child, SIGKILL);
        scenario_end(child, true);
        scenario_check(&scenario, folder, NULL);
        scratch_remove(folder);
    }
}

/* ---- a full disk ---------------------------------------------------------------------------- */

/* Without a map our user has no number in the new namespace, and may make no file. */
static bool write_map(const char *path, unsigned id)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return false;
    (void)fprintf(file, "%u %u 1", id, id);
    return fclose(file) == 0;
}

/* A mount namespace: root has its own, others get one with a user namespace. */
static bool leave_mounts(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    FILE *file = fopen("/proc/self/setgroups", "we");
    if (file == NULL)
        return false;
    (void)fputs("deny", file);
    return fclose(file) == 0 && write_map("/proc/self/uid_map", uid) &&
           write_map("/proc/self/gid_map", gid);
}

/* A small disk of the child's own; false where the machine does not allow that. */
static bool mount_small(const char *folder, const char *size)
{
    char options[64];

    (void)snprintf(options, sizeof(options), "size=%s", size);
    return leave_mounts() && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", 0, options) == 0;
}

#define FULL_DISK "48M"
#define FULL_CANNOT 77
#define FULL_KEEP 4 /* one in so many messages stays at first */
#define FULL_ROUNDS_MAX 1000

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, explained.text);      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static struct change small_update(uint64_t id, uint32_t round)
{
    return change_update(id, round, sluice_span_of("what became of the second recipient"));
}

/* Removes what is there of the first count ids, but for each one in so many. */
static bool remove_most(struct sluice_queue *queue, uint64_t count, uint64_t but)
{
    for (uint64_t id = 1; id < count; id++) {
        struct change change = change_remove(id);

        if (id % but != 0 && subject_apply(queue, &change, 1) != SLUICE_OK)
            return false;
    }
    return true;
}

/* Put until the disk is full, record results, remove most, which makes room if the store is maintained, remove
 * the rest, put again. The exit status of the child. */
static int fill_disk(const char *folder)
{
    static char content[50000];
    struct sluice_span body = {content, sizeof(content)};
    struct sluice_queue_space space;
    struct sluice_queue *queue = NULL;
    struct change change;
    uint64_t count = 0;
    sluice_status st;

    if (!mount_small(folder, FULL_DISK))
        return FULL_CANNOT;
    MUST(subject_open(folder, &queue) == SLUICE_OK);
    do {
        change = change_put(++count, 0, sluice_span_of("record"), body);
        st = subject_apply(queue, &change, 1);
    } while (st == SLUICE_OK && count < 5000);
    MUST(st == SLUICE_TEMP && strcmp(explained.dsn, "4.3.1") == 0);
    MUST(count > 100); /* most of the disk was of use */
    MUST(subject_space(queue, &space) == SLUICE_OK && space.reserved_bytes > 0);
    for (uint64_t id = 1; id < count; id++) {
        change = small_update(id, 1);
        MUST(subject_apply(queue, &change, 1) == SLUICE_OK);
    }
    change = change_put(count, 0, sluice_span_of("record"), body);
    MUST(subject_apply(queue, &change, 1) == SLUICE_TEMP);
    /* What would be refused is not promised. */
    MUST(subject_space(queue, &space) == SLUICE_OK && space.free_bytes < sizeof(content));
    subject_close(queue);
    MUST(subject_open(folder, &queue) == SLUICE_OK);
    MUST(subject_space(queue, &space) == SLUICE_OK && space.message_count == count - 1);
    MUST(remove_most(queue, count, FULL_KEEP));
    for (int i = 0; i < FULL_ROUNDS_MAX && subject_maintain(queue, 0) == SLUICE_OK; i++)
        ;
    change = change_put(count + 1, 0, sluice_span_of("record"), body);
    MUST(subject_apply(queue, &change, 1) == SLUICE_OK);
    for (uint64_t id = FULL_KEEP; id < count; id += FULL_KEEP) {
        change = change_remove(id);
        MUST(subject_apply(queue, &change, 1) == SLUICE_OK);
    }
    change = change_put(count + 2, 0, sluice_span_of("record"), body);
    MUST(subject_apply(queue, &change, 1) == SLUICE_OK);
    subject_close(queue);
    return 0;
}

static void test_full_disk(void **state)
{
    char folder[SCRATCH_PATH_MAX];
    int status = -1;
    pid_t child;

    (void)state;
    scratch_make(folder);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)alarm(CHILD_SECONDS);
        _exit(fill_disk(folder));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    scratch_remove(folder);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == FULL_CANNOT) {
        print_error("SKIPPED: this machine lets nobody mount a small disk\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int run_fault_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),          cmocka_unit_test(test_kill_at_random),
        cmocka_unit_test(test_eio),           cmocka_unit_test(test_eio_twice),
        cmocka_unit_test(test_eio_then_kill), cmocka_unit_test(test_enospc),
        cmocka_unit_test(test_short_write),   cmocka_unit_test(test_short_write_then_enospc),
        cmocka_unit_test(test_full_disk),
    };

    return cmocka_run_group_tests_name("faults", tests, scenario_setup, scenario_teardown);
}
