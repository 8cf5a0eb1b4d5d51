/* SPDX-License-Identifier: ISC */
/* scenario: batches on a store that meets faults, in a child process. */
#include "scenario.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define REOPEN_EACH 12 /* the child closes and opens the store */
#define CHILD_SECONDS 60
#define MAINTAIN_MAX 8 /* times in a row */

enum end { NOT_BEGUN, BEGUN, ENDED_OK, ENDED_TEMP };

struct progress {
    volatile unsigned long calls;
    volatile enum end ends[SCENARIO_BATCHES_MAX];
};

static struct progress *progress; /* shared with the child */

int scenario_setup(void **state)
{
    (void)state;
    progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return progress == MAP_FAILED ? -1 : 0;
}

int scenario_teardown(void **state)
{
    (void)state;
    return munmap(progress, sizeof(*progress));
}

/* In a child: says what is wrong, and ends it. */
static void report(const struct scenario *scenario, const char *error)
{
    (void)fprintf(stderr, "seed %llu, fault %d at call %lu, %d %lu later%s%s: %s\n",
                  (unsigned long long)scenario->seed, (int)scenario->fault, scenario->nth,
                  (int)scenario->second, scenario->after,
                  scenario->recovers > 0 ? ", recovery" : "",
                  scenario->cuts_power ? ", power cut" : "", error);
    _exit(1);
}

/* ---- the child ------------------------------------------------------------------------------ */

/* False when the store does not open again: a fault may do that. */
static bool reopen(const char *folder, struct sluice_queue **queue)
{
    subject_close(*queue);
    *queue = NULL;
    return subject_open(folder, queue) == SLUICE_OK;
}

/* The model as the batches so far leave it; gives back how many there were. */
static size_t follow(const struct scenario *scenario, struct model *model)
{
    size_t k;

    for (k = 0; k < scenario->batches && progress->ends[k] != NOT_BEGUN; k++) {
        struct model_batch batch;

        scenario->make(model, scenario->seed, k, &batch);
        if (progress->ends[k] == ENDED_OK)
            model_accept(model, &batch);
        else
            model_doubt(model, &batch);
    }
    return k;
}

static void run_batch(const struct scenario *scenario, size_t k, struct model *model,
                      struct sluice_queue *queue)
{
    struct model_batch batch;
    sluice_status st;

    scenario->make(model, scenario->seed, k, &batch);
    progress->ends[k] = BEGUN;
    st = model_send(&batch, queue);
    if (st != SLUICE_OK && st != SLUICE_TEMP) {
        (void)fprintf(stderr, "batch %zu gives %d: %s\n", k, st, explained.text);
        report(scenario, "a fault is never PERM");
    }
    progress->ends[k] = st == SLUICE_OK ? ENDED_OK : ENDED_TEMP;
    if (st == SLUICE_OK)
        model_accept(model, &batch);
    else
        model_doubt(model, &batch);
}

/* Beside most batches, not all: a store must also do without. Whatever it gives is right. */
static void maintain(size_t k, struct sluice_queue *queue)
{
    for (int i = 0; i < MAINTAIN_MAX && k % 3 != 0; i++) {
        if (subject_maintain(queue, 0) != SLUICE_OK)
            return;
    }
}

/* Goes on where the child before this one ended, with so many batches. */
static void run_batches(const struct scenario *scenario, const char *folder, size_t count)
{
    struct model model = {0};
    struct sluice_queue *queue = NULL;
    size_t first = follow(scenario, &model);

    if (subject_open(folder, &queue) != SLUICE_OK)
        count = 0;
    for (size_t k = first; k < first + count && k < scenario->batches; k++) {
        if (k % REOPEN_EACH == REOPEN_EACH - 1 && !reopen(folder, &queue))
            break;
        run_batch(scenario, k, &model, queue);
        if (!scenario->is_neglected)
            maintain(k, queue);
    }
    if (!scenario->cuts_power)
        subject_close(queue); /* else the power is gone now */
    model_done(&model);
}

pid_t scenario_start(const struct scenario *scenario, const char *folder, const char *shadow)
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
    faults_arm_second(scenario->second, scenario->after);
    faults_limit_to(scenario->only);
    run_batches(scenario, folder, scenario->batches);
    progress->calls = faults_count();
    _exit(0);
}

void scenario_end(pid_t child, bool may_be_killed)
{
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && may_be_killed)
        return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with %s %d", WIFEXITED(status) ? "exit" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* What the store finds after a kill it may rely on, and write down: that must survive, too. */
static void recover(const struct scenario *scenario, const char *folder, const char *shadow)
{
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)alarm(CHILD_SECONDS);
        if (scenario->cuts_power)
            faults_shadow(shadow);
        run_batches(scenario, folder, scenario->nth % scenario->recovers);
        _exit(0);
    }
    scenario_end(child, false);
}

/* ---- what is left --------------------------------------------------------------------------- */

/* The store holds what it must, goes on to work, and still does after that. */
static const char *inspect(struct model *model, const char *folder, bool may_refuse)
{
    static char why[700];
    struct sluice_queue *queue = NULL;
    struct model_batch batch;
    const char *error;

    for (int round = 0; round < 2; round++) {
        if (subject_open(folder, &queue) != SLUICE_OK || explained.count > 0) {
            (void)snprintf(why, sizeof(why), "open (round %d): %s", round, explained.text);
            subject_close(queue);
            return queue == NULL && explained.count > 0 && may_refuse ? NULL : why;
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

static void compare(const struct scenario *scenario, const char *folder)
{
    struct model model = {0};
    const char *error;

    (void)follow(scenario, &model);
    error = inspect(&model, folder, scenario->may_refuse);
    model_done(&model);
    if (error != NULL)
        report(scenario, error);
}

static void cut_and_compare(const struct scenario *scenario, const char *folder, const char *shadow)
{
    char target[SCRATCH_PATH_MAX];

    scratch_make(target);
    faults_cut(folder, shadow, target, traits.trusts_pages ? 4096 : 512,
               scenario->seed * 1000 + scenario->nth);
    compare(scenario, target);
    scratch_remove(target);
}

/* In a child of its own, or this process would grow and each fork take longer. */
void scenario_check(const struct scenario *scenario, const char *folder, const char *shadow)
{
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)alarm(CHILD_SECONDS);
        if (scenario->cuts_power)
            cut_and_compare(scenario, folder, shadow);
        else
            compare(scenario, folder);
        _exit(0);
    }
    scenario_end(child, false);
}

void scenario_run(const struct scenario *scenario)
{
    char folder[SCRATCH_PATH_MAX];
    char shadow[SCRATCH_PATH_MAX];

    scratch_make(folder);
    scratch_make(shadow);
    scenario_end(scenario_start(scenario, folder, shadow),
                 scenario->fault == FAULT_KILL || scenario->second == FAULT_KILL);
    if (scenario->recovers > 0)
        recover(scenario, folder, shadow);
    scenario_check(scenario, folder, shadow);
    scratch_remove(folder);
    scratch_remove(shadow);
}

/* One of step calls from first on; the seed says which. */
static unsigned long choose_point(unsigned long first, unsigned long step, unsigned long calls,
                                  uint64_t *state)
{
    unsigned long left = calls - first + 1;

    return first + (unsigned long)(model_random(state) % (step < left ? step : left));
}

void scenario_run_everywhere(struct scenario scenario)
{
    struct scenario unharmed = scenario;
    uint64_t state = traits.seed;
    unsigned long calls;
    unsigned long points;
    unsigned long step;

    unharmed.fault = FAULT_NONE;
    unharmed.second = FAULT_NONE;
    scenario_run(&unharmed);
    calls = progress->calls;
    assert_true(calls > 0);
    /* A scenario that is killed takes half as long as one that goes on. */
    points = scenario.fault == FAULT_KILL ? 2 * traits.points : traits.points;
    step = points == 0 ? 1 : (calls + points - 1) / points;
    for (unsigned long first = 1; first <= calls; first += step) {
        scenario.nth = choose_point(first, step, calls, &state);
        scenario_run(&scenario);
    }
    print_message("    %lu calls, the fault at one of each %lu\n", calls, step);
}
