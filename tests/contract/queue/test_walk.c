/* SPDX-License-Identifier: ISC */
/*
 * Random walks: a store lives through many lives. In each a child process opens it and does what comes:
 * batches, reads, maintenance, closing and opening, while calls fail; until it is killed, or just ends.
 * After up to three lives the power may fail. Then what is there must be what was promised, and the walk
 * goes on with it.
 *
 * A walk depends on its seed, and so all stores are led the same way; but also on threads, and on what a
 * store takes by chance or by the clock. The longer, the better: README.md says how to run it for hours.
 */
#include "cases.h"
#include "faults.h"
#include "model.h"
#include "scenario.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHECKS 8     /* of a walk: how often all is compared */
#define LIVES_MAX 3  /* between two of them */
#define STEPS_MAX 60 /* of a life */
#define DOUBTS_MAX (LIVES_MAX * STEPS_MAX)
#define MAINTAIN_MAX 50 /* calls in a row */
#define MAINTAIN_MS 20
#define CHILD_SECONDS 300

/* A life is killed at one of so many calls of that kind. */
static const uint64_t kill_max[] = {[FAULTS_ALL] = 250, [FAULTS_SYNCS] = 50, [FAULTS_NAMES] = 12};

enum end { NOT_BEGUN, BEGUN, ENDED_OK, ENDED_TEMP };

/* What a child leaves to its parent. */
struct testament {
    volatile enum end ends[STEPS_MAX]; /* of the batches of this life */
    volatile bool is_done[DOUBTS_MAX];
};

static struct testament *testament;

struct walk {
    uint64_t seed;
    uint64_t state; /* of the chance */
    struct model model;
    size_t batches; /* of all lives before */
    bool cuts_power;
    bool is_harmed; /* calls fail in this life */
    bool has_helper;
    char folder[SCRATCH_PATH_MAX];
    char shadow[SCRATCH_PATH_MAX];
};

static int setup(void **state)
{
    (void)state;
    testament =
        mmap(NULL, sizeof(*testament), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return testament == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(testament, sizeof(*testament));
}

static uint64_t chance(struct walk *walk, uint64_t count)
{
    return model_random(&walk->state) % count;
}

/* In a child: says what is wrong, and ends it. */
static void must(const struct walk *walk, const char *error)
{
    if (error == NULL)
        return;
    (void)fprintf(stderr, "seed %llu, after %zu batches%s: %s\n", (unsigned long long)walk->seed,
                  walk->batches, walk->cuts_power ? ", power cuts" : "", error);
    _exit(1);
}

/* ---- a thread that maintains ----------------------------------------------------------------- */

static pthread_t helper;
static atomic_bool helper_is_wanted;
static bool helper_is_there;

static void *help(void *queue)
{
    const struct timespec pause = {0, 200000};

    while (atomic_load(&helper_is_wanted)) {
        if (subject_maintain(queue, MAINTAIN_MS) != SLUICE_OK)
            (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

/* While it is there only that may be called which may run beside maintain. */
static void helper_start(const struct walk *walk, struct sluice_queue *queue)
{
    if (!walk->has_helper || helper_is_there)
        return;
    atomic_store(&helper_is_wanted, true);
    if (pthread_create(&helper, NULL, help, queue) != 0)
        must(walk, "no thread");
    helper_is_there = true;
}

static void helper_stop(void)
{
    if (!helper_is_there)
        return;
    atomic_store(&helper_is_wanted, false);
    (void)pthread_join(helper, NULL);
    helper_is_there = false;
}

/* ---- a life --------------------------------------------------------------------------------- */

static void run_batch(struct walk *walk, size_t number, struct sluice_queue *queue)
{
    struct model_batch batch;
    sluice_status st;

    helper_start(walk, queue);
    model_make_walk(&walk->model, walk->seed, walk->batches + number, &batch);
    testament->ends[number] = BEGUN;
    st = model_send(&batch, queue);
    if (st != SLUICE_OK && !(st == SLUICE_TEMP && walk->is_harmed))
        must(walk, explained.text);
    testament->ends[number] = st == SLUICE_OK ? ENDED_OK : ENDED_TEMP;
    if (st == SLUICE_OK)
        model_accept(&walk->model, &batch);
    else
        model_doubt(&walk->model, &batch);
    for (size_t i = 0; i < batch.count; i++)
        must(walk, model_compare_one(&walk->model, batch.numbers[i], walk->is_harmed, queue));
}

static void look_around(struct walk *walk, struct sluice_queue *queue)
{
    if (walk->model.doubt_count == 0) {
        helper_stop();
        must(walk, model_compare(&walk->model, queue));
        return;
    }
    for (int i = 0; i < 20; i++)
        must(walk,
             model_compare_one(&walk->model, chance(walk, MODEL_IDS), walk->is_harmed, queue));
}

static void maintain(struct walk *walk, struct sluice_queue *queue)
{
    sluice_status st = SLUICE_OK;

    helper_stop();
    for (int i = 0; st == SLUICE_OK && i < MAINTAIN_MAX; i++)
        st = subject_maintain(queue, MAINTAIN_MS);
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND && !walk->is_harmed)
        must(walk, explained.text);
}

/* False when it does not open: a failing call may do that. */
static bool open_store(struct walk *walk, struct sluice_queue **ret_queue)
{
    *ret_queue = NULL;
    if (subject_open(walk->folder, ret_queue) == SLUICE_OK)
        return true;
    if (!walk->is_harmed)
        must(walk, explained.text);
    return false;
}

/* False when the life is over. */
static bool take_step(struct walk *walk, size_t *batches, struct sluice_queue **queue)
{
    switch (chance(walk, 20)) {
    case 0:
        look_around(walk, *queue);
        return true;
    case 1:
    case 2:
        maintain(walk, *queue);
        return true;
    case 3:
        if (traits.is_volatile)
            return true;
        helper_stop();
        subject_close(*queue);
        return open_store(walk, queue);
    default:
        run_batch(walk, (*batches)++, *queue);
        return true;
    }
}

/* At any call, or at one of the kind that matters most. */
static void arm_kill(struct walk *walk)
{
    enum faults_kind kind = (enum faults_kind)chance(walk, 3);

    faults_arm(FAULT_KILL, 1 + chance(walk, kill_max[kind]));
    faults_limit_to(kind);
}

static void arm(struct walk *walk)
{
    walk->is_harmed = chance(walk, 2) == 0;
    if (!traits.is_volatile && chance(walk, 3) != 0)
        arm_kill(walk);
    if (walk->is_harmed)
        faults_arm_random(chance(walk, UINT64_MAX), 10 + (unsigned)chance(walk, 100),
                          !traits.trusts_pages);
}

static void live(struct walk *walk)
{
    struct sluice_queue *queue = NULL;
    size_t steps = 1 + chance(walk, STEPS_MAX);
    size_t batches = 0;
    bool is_alive;

    walk->has_helper = subject_maintains_aside() && chance(walk, 2) == 0;
    arm(walk);
    is_alive = open_store(walk, &queue);
    for (size_t i = 0; is_alive && i < steps; i++)
        is_alive = take_step(walk, &batches, &queue);
    faults_disarm();
    helper_stop();
    if (traits.is_volatile && is_alive)
        must(walk, model_compare(&walk->model, queue));
    if (chance(walk, 2) == 0 || traits.is_volatile)
        subject_close(queue);
}

/* ---- what is left --------------------------------------------------------------------------- */

/* Nothing fails any more: all that was promised is there, and what was found stays. */
static void check(struct walk *walk)
{
    struct sluice_queue *queue = NULL;

    walk->is_harmed = false;
    walk->has_helper = false;
    if (subject_open(walk->folder, &queue) != SLUICE_OK || explained.count > 0)
        must(walk, explained.text);
    must(walk, model_compare(&walk->model, queue));
    for (size_t i = 0; i < walk->model.doubt_count; i++)
        testament->is_done[i] = model_is_done(&walk->model, i, queue);
    model_settle(&walk->model, (const bool *)testament->is_done);
    maintain(walk, queue);
    must(walk, model_compare(&walk->model, queue));
    subject_close(queue);
}

/* The new folder gets what the disk holds when the power is back. */
static void cut_power(struct walk *walk, const char *folder, const char *shadow)
{
    faults_cut(walk->folder, walk->shadow, folder, traits.trusts_pages ? 4096 : 512,
               chance(walk, UINT64_MAX));
    faults_shadow(shadow);
    faults_shadow_all(folder);
    (void)snprintf(walk->folder, sizeof(walk->folder), "%s", folder);
}

/* ---- the parent ----------------------------------------------------------------------------- */

/* True in the child, which has chances of its own. */
static bool fork_child(struct walk *walk, pid_t *ret_child)
{
    uint64_t state = chance(walk, UINT64_MAX);

    *ret_child = fork();
    assert_int_not_equal(*ret_child, -1);
    if (*ret_child != 0)
        return false;
    walk->state = state;
    (void)alarm(CHILD_SECONDS);
    return true;
}

/* The model as the batches of that life left it. */
static void follow(struct walk *walk)
{
    size_t i;

    for (i = 0; i < STEPS_MAX && testament->ends[i] != NOT_BEGUN; i++) {
        struct model_batch batch;

        model_make_walk(&walk->model, walk->seed, walk->batches + i, &batch);
        if (testament->ends[i] == ENDED_OK)
            model_accept(&walk->model, &batch);
        else
            model_doubt(&walk->model, &batch);
    }
    walk->batches += i;
}

static void run_life(struct walk *walk)
{
    pid_t child;

    memset(testament, 0, sizeof(*testament));
    if (fork_child(walk, &child)) {
        if (walk->cuts_power)
            faults_shadow(walk->shadow);
        live(walk);
        _exit(0);
    }
    scenario_end(child, true);
    if (traits.is_volatile)
        return; /* the next life begins anew */
    follow(walk);
}

static void swap(char a[SCRATCH_PATH_MAX], char b[SCRATCH_PATH_MAX])
{
    char kept[SCRATCH_PATH_MAX];

    memcpy(kept, a, sizeof(kept));
    memcpy(a, b, sizeof(kept));
    memcpy(b, kept, sizeof(kept));
}

/* Without a power cut the next one must leave what was found here. */
static void run_check(struct walk *walk)
{
    bool is_cut = walk->cuts_power && chance(walk, 3) != 0;
    char folder[SCRATCH_PATH_MAX];
    char shadow[SCRATCH_PATH_MAX];
    pid_t child;

    scratch_make(folder);
    scratch_make(shadow);
    if (fork_child(walk, &child)) {
        if (is_cut)
            cut_power(walk, folder, shadow);
        else if (walk->cuts_power)
            faults_shadow(walk->shadow);
        check(walk);
        _exit(0);
    }
    scenario_end(child, false);
    model_settle(&walk->model, (const bool *)testament->is_done);
    if (is_cut) {
        swap(walk->folder, folder);
        swap(walk->shadow, shadow);
    }
    scratch_remove(folder);
    scratch_remove(shadow);
}

static void run_walk(uint64_t seed)
{
    struct walk walk = {.seed = seed, .state = seed, .cuts_power = seed % 2 == 0};

    scratch_make(walk.folder);
    scratch_make(walk.shadow);
    for (int i = 0; i < CHECKS; i++) {
        size_t lives = chance(&walk, LIVES_MAX + 1);

        for (size_t j = 0; j < lives; j++)
            run_life(&walk);
        if (!traits.is_volatile)
            run_check(&walk);
    }
    print_message("    seed %llu: %zu batches\n", (unsigned long long)seed, walk.batches);
    scratch_remove(walk.folder);
    scratch_remove(walk.shadow);
    model_done(&walk.model);
}

static void test_walk(void **state)
{
    (void)state;
    for (unsigned long i = 0; i < traits.walks; i++)
        run_walk(traits.seed + i);
}

int run_walk_cases(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walk)};

    return cmocka_run_group_tests_name("walk", tests, setup, teardown);
}
