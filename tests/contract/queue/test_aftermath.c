/* SPDX-License-Identifier: ISC */
/* What a host does after a failure, and what a store has left of a batch that failed. */
#include "cases.h"
#include "faults.h"
#include "scratch.h"
#include "subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 200 /* of one apply() */
#define CHILD_SECONDS 60
#define BIG ((size_t)4 << 20)

static struct sluice_queue *open_ok(const char *folder)
{
    struct sluice_queue *queue = NULL;
    sluice_status st = subject_open(folder, &queue);

    if (st != SLUICE_OK || explained.count > 0)
        fail_msg("open: %d %s", st, explained.text);
    return queue;
}

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    sluice_status st = subject_apply(queue, &change, 1);

    if (st != SLUICE_OK)
        fail_msg("apply: %d %s", st, explained.text);
}

/* The status of reading, and the flags. */
static sluice_status look(struct sluice_queue *queue, uint64_t id, uint32_t *ret_flags)
{
    struct found found;
    sluice_status st = subject_read(queue, id, &found);

    *ret_flags = found.flags;
    found_done(&found);
    return st;
}

/* ---- a host that tries again ---------------------------------------------------------------- */

/* So much comes and goes that a store tidies up; each message within a batch. */
static void come_and_go(struct sluice_queue *queue, uint64_t first_id)
{
    static char content[60000];

    for (uint64_t id = first_id; id < first_id + 12; id++) {
        struct change changes[] = {
            change_put(id, 0, sluice_span_of("r"), (struct sluice_span){content, sizeof(content)}),
            change_remove(id)};

        assert_int_equal(subject_apply(queue, changes, 2), SLUICE_OK);
    }
}

/* What the host was told after the removal had failed must stay true. */
static void go_on(const char *folder, struct sluice_queue *queue)
{
    struct change update = change_update(1, 7, sluice_span_of("second"));
    sluice_status st = subject_apply(queue, &update, 1);
    uint32_t flags;

    assert_true(st == SLUICE_OK || st == SLUICE_PERM); /* PERM: it was removed after all */
    come_and_go(queue, 100);
    if (st == SLUICE_OK)
        apply_ok(queue, change_update(1, 8, sluice_span_of("third")));
    come_and_go(queue, 200);
    for (int i = 0; i < 2; i++) {
        subject_close(queue);
        queue = open_ok(folder);
        assert_int_equal(look(queue, 1, &flags), st == SLUICE_OK ? SLUICE_OK : SLUICE_NOT_FOUND);
        if (st == SLUICE_OK)
            assert_int_equal(flags, 8);
        assert_int_equal(look(queue, 2, &flags), SLUICE_OK);
    }
    subject_close(queue);
}

/* A removal fails at its nth call, and maybe at the one after it, too. False: it has no such call. */
static bool remove_with_fault(unsigned long nth, enum fault second)
{
    char folder[SCRATCH_PATH_MAX];
    struct sluice_queue *queue;
    struct change removal = change_remove(1);
    unsigned long calls;
    sluice_status st;

    scratch_make(folder);
    queue = open_ok(folder);
    apply_ok(queue, change_put(1, 1, sluice_span_of("first"), sluice_span_of("content")));
    apply_ok(queue, change_put(2, 1, sluice_span_of("it stays"), sluice_span_of("content")));
    faults_arm(FAULT_EIO, nth);
    faults_arm_second(second, 1);
    st = subject_apply(queue, &removal, 1);
    calls = faults_count();
    faults_disarm();
    assert_true(st == SLUICE_OK || st == SLUICE_TEMP);
    if (st == SLUICE_TEMP)
        go_on(folder, queue);
    else
        subject_close(queue);
    scratch_remove(folder);
    return calls >= nth;
}

/* As soon as the disk works the store does, without being opened anew. */
static void test_other_result_after_temp(void **state)
{
    unsigned long nth = 1;

    (void)state;
    while (remove_with_fault(nth, FAULT_NONE) && remove_with_fault(nth, FAULT_EIO)) {
        nth++;
        assert_true(nth < CALLS_MAX);
    }
    assert_true(nth > 1);
}

/* ---- leftovers ------------------------------------------------------------------------------ */

static uint64_t disk_used;

static int add_blocks(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)path;
    (void)type;
    (void)ftw;
    disk_used += (uint64_t)info->st_blocks * 512;
    return 0;
}

static uint64_t used_by(const char *folder)
{
    disk_used = 0;
    (void)nftw(folder, add_blocks, 4, FTW_PHYS);
    return disk_used;
}

static uint64_t used_by_empty; /* store */

static int measure_empty(void **state)
{
    char folder[SCRATCH_PATH_MAX];

    (void)state;
    scratch_make(folder);
    subject_close(open_ok(folder));
    used_by_empty = used_by(folder);
    scratch_remove(folder);
    return 0;
}

struct death {
    enum fault fault;
    unsigned long nth;
    unsigned long kill_after; /* it dies so many calls later, if not at once */
};

static struct sluice_span big_content(void)
{
    static char content[BIG];

    memset(content, 'x', sizeof(content));
    return (struct sluice_span){content, sizeof(content)};
}

static void put_big(struct sluice_queue *queue, const struct death *death)
{
    struct change change = change_put(1, 0, sluice_span_of("r"), big_content());

    if (subject_can_stage()) {
        assert_int_equal(subject_stage(queue, 1, &change.base.content_fd), SLUICE_OK);
        assert_int_equal(write(change.base.content_fd, change.base.content.ptr, BIG), BIG);
        change.base.content = sluice_span_of("");
    }
    faults_arm(death->fault, death->nth);
    faults_arm_second(death->kill_after > 0 ? FAULT_KILL : FAULT_NONE, death->kill_after);
    (void)subject_apply(queue, &change, 1); /* the descriptor goes with the process */
}

/* True if it died; else it has not that many calls. */
static bool die_in_apply(const char *folder, const struct death *death)
{
    int status = -1;
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        struct sluice_queue *queue = NULL;

        (void)alarm(CHILD_SECONDS);
        if (subject_open(folder, &queue) != SLUICE_OK)
            _exit(1);
        put_big(queue, death);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}

/* The message is there with all of its content, or nothing is left of it. */
static void check_big(const char *folder, const struct death *death)
{
    struct sluice_queue *queue = open_ok(folder);
    struct found found;
    sluice_status st = subject_read(queue, 1, &found);

    if (st != SLUICE_NOT_FOUND && (st != SLUICE_OK || found.content_read != BIG))
        fail_msg("fault %d at call %lu, death %lu later: read gives %d, %zu bytes: %s",
                 (int)death->fault, death->nth, death->kill_after, st, found.content_read,
                 explained.text);
    found_done(&found);
    subject_close(queue);
    if (st == SLUICE_NOT_FOUND && used_by(folder) >= used_by_empty + BIG)
        fail_msg("fault %d at call %lu, death %lu later: it is not there and takes %llu bytes",
                 (int)death->fault, death->nth, death->kill_after,
                 (unsigned long long)used_by(folder));
}

static bool die_and_check(struct death death)
{
    char folder[SCRATCH_PATH_MAX];
    bool has_died;

    scratch_make(folder);
    has_died = die_in_apply(folder, &death);
    check_big(folder, &death);
    scratch_remove(folder);
    return has_died;
}

/* At each call, and at each of those that follow a failing one: the store then cleans up. */
static void test_big_content_and_kill(void **state)
{
    unsigned long nth = 1;

    (void)state;
    while (die_and_check((struct death){.fault = FAULT_KILL, .nth = nth})) {
        unsigned long after = 1;

        while (die_and_check((struct death){FAULT_EIO, nth, after}))
            after++;
        nth++;
        assert_true(nth < CALLS_MAX);
    }
    assert_true(nth > 1);
}

static void test_big_content_put_and_removed(void **state)
{
    char folder[SCRATCH_PATH_MAX];
    struct sluice_queue *queue;
    struct change changes[] = {change_put(1, 0, sluice_span_of("r"), big_content()),
                               change_remove(1)};

    (void)state;
    scratch_make(folder);
    queue = open_ok(folder);
    assert_int_equal(subject_apply(queue, changes, 2), SLUICE_OK);
    assert_true(used_by(folder) < used_by_empty + BIG);
    subject_close(queue);
    scratch_remove(folder);
}

/* A disk that fails each time is not filled with what failed. */
static void test_failure_after_failure(void **state)
{
    static char content[50000];
    struct change change = change_put(1, 0, sluice_span_of("r"), sluice_span_of("content"));
    char folder[SCRATCH_PATH_MAX];
    struct sluice_queue *queue;
    uint64_t used;

    (void)state;
    scratch_make(folder);
    queue = open_ok(folder);
    apply_ok(queue, change);
    used = used_by(folder);
    for (uint64_t id = 2; id < 62; id++) {
        change =
            change_put(id, 0, sluice_span_of("r"), (struct sluice_span){content, sizeof(content)});
        faults_arm(FAULT_EIO, 1 + id % 4);
        (void)subject_apply(queue, &change, 1);
        faults_disarm();
        change = change_remove(id);
        (void)subject_apply(queue, &change, 1); /* PERM, as a rule */
    }
    if (used_by(folder) > used + (6 << 20))
        fail_msg("%llu bytes before, %llu after", (unsigned long long)used,
                 (unsigned long long)used_by(folder));
    apply_ok(queue, change_put(99, 0, sluice_span_of("r"), sluice_span_of("content")));
    subject_close(queue);
    scratch_remove(folder);
}

int run_aftermath_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_result_after_temp),
        cmocka_unit_test(test_big_content_and_kill),
        cmocka_unit_test(test_big_content_put_and_removed),
        cmocka_unit_test(test_failure_after_failure),
    };

    return cmocka_run_group_tests_name("aftermath", tests, measure_empty, NULL);
}
