/* SPDX-License-Identifier: ISC */
/*
 * Kills, failing calls, power cuts, a full disk.
 *
 * A child process runs a scenario of random batches and meets a fault; memory that both share says
 * how each batch ended. The parent then opens what is left and compares it with the model.
 */
#include "cases.h"
#include "faults.h"
#include "model.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 30       /* of the scenario */
#define BATCHES_LONG 400 /* until the child is killed from outside */
#define REOPEN_EACH 12   /* the child closes and opens the store */
#define POINTS_MAX 110   /* faults are tried at no more calls than this, evenly spread */
#define CHILD_SECONDS 60

enum end { NOT_BEGUN, BEGUN, ENDED_OK, ENDED_TEMP };

struct progress {
    volatile unsigned long calls;
    volatile enum end ends[BATCHES_LONG];
};

struct scenario {
    uint64_t seed;
    size_t batches;
    enum fault fault;
    unsigned long nth; /* the call that meets it */
    bool cuts_power;   /* when the child is dead or done */
};

static struct progress *progress; /* shared with the child */

/* ---- the child ------------------------------------------------------------------------------ */

/* False when the store does not open again: a fault may do that. */
static bool reopen(const char *folder, struct sluice_queue **queue)
{
    subject_close(*queue);
    *queue = NULL;
    return subject_open(folder, queue) == SLUICE_OK;
}

static void run_batches(const struct scenario *scenario, const char *folder)
{
    struct model model = {0};
    struct sluice_queue *queue = NULL;

    if (subject_open(folder, &queue) != SLUICE_OK)
        return;
    for (size_t k = 0; k < scenario->batches; k++) {
        struct model_batch batch;
        sluice_status st;

        if (k % REOPEN_EACH == REOPEN_EACH - 1 && !reopen(folder, &queue))
            break;
        model_make(&model, scenario->seed, k, &batch);
        progress->ends[k] = BEGUN;
        st = model_send(&batch, queue);
        if (st != SLUICE_OK && st != SLUICE_TEMP)
            abort(); /* a fault is never PERM */
        progress->ends[k] = st == SLUICE_OK ? ENDED_OK : ENDED_TEMP;
        if (st == SLUICE_OK)
            model_accept(&model, &batch);
        else
            model_doubt(&model, &batch);
    }
    subject_close(queue);
    model_done(&model);
}

static pid_t start_child(const struct scenario *scenario, const char *folder, const char *shadow)
{
    pid_t child;

    memset(progress, 0, sizeof(*progress));
    child = fork();
    assert_int_not_equal(child, -1);
    if (child != 0)
        return child;
    (void)alarm(CHILD_SECONDS);
    if (scenario->cuts_power)
        faults_shadow(shadow);
    faults_arm(scenario->fault, scenario->nth);
    run_batches(scenario, folder);
    progress->calls = faults_count();
    _exit(0);
}

static void end_child(pid_t child, bool may_be_killed)
{
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && may_be_killed)
        return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with %s %d", WIFEXITED(status) ? "exit" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* ---- what is left --------------------------------------------------------------------------- */

static void follow(const struct scenario *scenario, struct model *model)
{
    for (size_t k = 0; k < scenario->batches && progress->ends[k] != NOT_BEGUN; k++) {
        struct model_batch batch;

        model_make(model, scenario->seed, k, &batch);
        if (progress->ends[k] == ENDED_OK)
            model_accept(model, &batch);
        else
            model_doubt(model, &batch);
    }
}

/* The store holds what it must, goes on to work, and still does after that. */
static const char *inspect(struct model *model, const char *folder)
{
    static char why[700];
    struct sluice_queue *queue = NULL;
    struct model_batch batch;
    const char *error;

    for (int round = 0; round < 2; round++) {
        if (subject_open(folder, &queue) != SLUICE_OK || explained.count > 0) {
            (void)snprintf(why, sizeof(why), "open (round %d): %s", round, explained.text);
            subject_close(queue);
            return why;
        }
        error = model_compare(model, queue);
        if (error == NULL) {
            model_make(model, 99, (size_t)round, &batch);
            if (model_send(&batch, queue) != SLUICE_OK)
                error = explained.text;
            model_accept(model, &batch);
        }
        (void)snprintf(why, sizeof(why), "round %d: %s", round, error != NULL ? error : "");
        subject_close(queue);
        queue = NULL;
        if (error != NULL)
            return why;
    }
    return NULL;
}

static void check_left(const struct scenario *scenario, const char *folder)
{
    struct model model = {0};
    const char *error;

    follow(scenario, &model);
    error = inspect(&model, folder);
    model_done(&model);
    if (error != NULL)
        fail_msg("seed %llu, fault %d at call %lu%s, in %s: %s", (unsigned long long)scenario->seed,
                 (int)scenario->fault, scenario->nth, scenario->cuts_power ? ", power cut" : "",
                 folder, error);
}

static void run_scenario(const struct scenario *scenario)
{
    char folder[SCRATCH_PATH_MAX];
    char shadow[SCRATCH_PATH_MAX];
    char target[SCRATCH_PATH_MAX];

    scratch_make(folder);
    scratch_make(shadow);
    scratch_make(target);
    end_child(start_child(scenario, folder, shadow), scenario->fault == FAULT_KILL);
    if (scenario->cuts_power)
        assert_int_equal(faults_cut(folder, shadow, target, traits.trusts_pages ? 4096 : 512,
                                    scenario->seed * 1000 + scenario->nth),
                         0);
    check_left(scenario, scenario->cuts_power ? target : folder);
    scratch_remove(folder);
    scratch_remove(shadow);
    scratch_remove(target);
}

/* ---- cases ---------------------------------------------------------------------------------- */

/* The fault at every call of the scenario, or at as many as the store's declaration says. */
static void run_everywhere(uint64_t seed, enum fault fault, bool cuts_power)
{
    struct scenario scenario = {seed, BATCHES, FAULT_NONE, 0, cuts_power};
    unsigned long calls;
    unsigned long points;
    unsigned long step;

    run_scenario(&scenario);
    calls = progress->calls;
    assert_true(calls > BATCHES);
    /* A scenario that is killed takes half as long as one that goes on. */
    points = fault == FAULT_KILL ? 2 * traits.points : traits.points;
    step = points == 0 ? 1 : (calls + points - 1) / points;
    scenario.fault = fault;
    for (scenario.nth = 1; scenario.nth <= calls; scenario.nth += step)
        run_scenario(&scenario);
    print_message("    %lu calls, the fault at each %lu\n", calls, step);
}

static void test_kill(void **state)
{
    (void)state;
    run_everywhere(1, FAULT_KILL, false);
}

static void test_eio(void **state)
{
    (void)state;
    run_everywhere(2, FAULT_EIO, false);
}

static void test_enospc(void **state)
{
    (void)state;
    run_everywhere(3, FAULT_ENOSPC, false);
}

static void test_short_write(void **state)
{
    (void)state;
    if (traits.trusts_pages) {
        print_error("SKIPPED: short writes: the store trusts the disk with pages\n");
        skip();
    }
    run_everywhere(4, FAULT_SHORT, false);
}

static void test_power_cut(void **state)
{
    (void)state;
    run_everywhere(5, FAULT_KILL, true);
}

/* The write that failed never reached the disk, and what came later did. */
static void test_power_cut_after_eio(void **state)
{
    (void)state;
    run_everywhere(6, FAULT_EIO, true);
}

static void test_kill_at_random(void **state)
{
    uint64_t random = 7;

    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct scenario scenario = {seed, BATCHES_LONG, FAULT_NONE, 0, false};
        struct timespec pause = {0, (long)(1000000 + model_random(&random) % 80000000)};
        char folder[SCRATCH_PATH_MAX];
        pid_t child;

        scratch_make(folder);
        child = start_child(&scenario, folder, NULL);
        (void)nanosleep(&pause, NULL);
        (void)kill(child, SIGKILL);
        end_child(child, true);
        check_left(&scenario, folder);
        scratch_remove(folder);
    }
}

/* ---- a full disk ---------------------------------------------------------------------------- */

/* A small disk of the child's own; false where the machine does not allow that. */
static bool mount_small(const char *folder, const char *size)
{
    char options[64];

    (void)snprintf(options, sizeof(options), "size=%s", size);
    return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", 0, options) == 0;
}

#define FULL_DISK "48M"
#define FULL_CANNOT 77

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

/* Put until the disk is full, record results, remove, put again. The exit status of the child. */
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
    subject_close(queue);
    MUST(subject_open(folder, &queue) == SLUICE_OK);
    MUST(subject_space(queue, &space) == SLUICE_OK && space.message_count == count - 1);
    for (uint64_t id = 1; id < count; id++) {
        change = change_remove(id);
        MUST(subject_apply(queue, &change, 1) == SLUICE_OK);
    }
    change = change_put(count + 1, 0, sluice_span_of("record"), body);
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

static int setup_group(void **state)
{
    (void)state;
    progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return progress == MAP_FAILED ? -1 : 0;
}

static int teardown_group(void **state)
{
    (void)state;
    return munmap(progress, sizeof(*progress));
}

int run_fault_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_kill_at_random),
        cmocka_unit_test(test_eio),
        cmocka_unit_test(test_enospc),
        cmocka_unit_test(test_short_write),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_power_cut_after_eio),
        cmocka_unit_test(test_full_disk),
    };

    return cmocka_run_group_tests_name("faults", tests, setup_group, teardown_group);
}
