/* SPDX-License-Identifier: ISC */
/*
 * Power cuts while names come and go, at the very moments that matter to a store of segments. Each disk
 * that a cut may leave is tried so often that each set of unsynced names is met.
 */
#include "cases.h"
#include "faults.h"
#include "scratch.h"
#include "subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CUTS 16 /* of two names that are not synced each set comes some times */
#define CHILD_SECONDS 60
#define CONTENT_SIZE 60000 /* four to a segment of 256 KiB */
#define PUTS 5             /* go beyond one */
#define LAST_ID 40

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    if (subject_apply(queue, &change, 1) != SLUICE_OK)
        fail_msg("apply: %s", explained.text);
}

static void put(struct sluice_queue *queue, uint64_t id)
{
    static const char content[CONTENT_SIZE];

    apply_ok(queue, change_put(id, 0, sluice_span_of("record"),
                               (struct sluice_span){content, sizeof(content)}));
}

static void pass_through(struct sluice_queue *queue, uint64_t first, uint64_t last)
{
    for (uint64_t id = first; id <= last; id++) {
        put(queue, id);
        apply_ok(queue, change_remove(id));
    }
}

static void check_disk(const char *folder, uint64_t first, uint64_t last)
{
    struct sluice_queue *queue = NULL;
    struct found found;

    if (subject_open(folder, &queue) != SLUICE_OK || explained.count > 0)
        fail_msg("open: %s", explained.text);
    for (uint64_t id = 1; id <= LAST_ID; id++) {
        sluice_status expected = id >= first && id <= last ? SLUICE_OK : SLUICE_NOT_FOUND;

        if (subject_read(queue, id, &found) != expected)
            fail_msg("message %d is %s", (int)id, expected == SLUICE_OK ? "lost" : "back");
        found_done(&found);
    }
    subject_close(queue);
}

/* A child works on the store, and the power fails when it is done: those messages must be there then, and
 * no others. */
static void cut_after(void (*work)(struct sluice_queue *queue), uint64_t first, uint64_t last)
{
    char folder[SCRATCH_PATH_MAX];
    char shadow[SCRATCH_PATH_MAX];
    char target[SCRATCH_PATH_MAX];
    struct sluice_queue *queue = NULL;
    int status = -1;
    pid_t child;

    scratch_make(folder);
    scratch_make(shadow);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)alarm(CHILD_SECONDS);
        faults_shadow(shadow);
        if (subject_open(folder, &queue) != SLUICE_OK)
            _exit(1);
        work(queue);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (uint64_t seed = 1; seed <= CUTS; seed++) {
        scratch_make(target);
        faults_cut(folder, shadow, target, traits.trusts_pages ? 4096 : 512, seed);
        check_disk(target, first, last);
        scratch_remove(target);
    }
    scratch_remove(folder);
    scratch_remove(shadow);
}

/* The last one goes into a segment that has just been made. */
static void go_beyond_a_segment(struct sluice_queue *queue)
{
    for (uint64_t id = 1; id <= PUTS; id++)
        put(queue, id);
}

static void test_new_segment(void **state)
{
    (void)state;
    cut_after(go_beyond_a_segment, 1, PUTS);
}

/* And here into one that was made of another, ahead of time. */
static void go_round(struct sluice_queue *queue)
{
    pass_through(queue, 1, 2 * PUTS);
    (void)subject_maintain(queue, 0); /* spares what nobody needs, */
    (void)subject_maintain(queue, 0); /* makes the next one of it */
    for (uint64_t id = 2 * PUTS + 1; id <= 3 * PUTS; id++)
        put(queue, id);
}

static void test_segment_of_another(void **state)
{
    (void)state;
    cut_after(go_round, 2 * PUTS + 1, 3 * PUTS);
}

/* The first message keeps the first segment, and so the removals in the second one. When it goes all that
 * does, one after the other: were the first segment to go by chance, its messages would be back. */
static void remove_from_afar(struct sluice_queue *queue)
{
    for (uint64_t id = 1; id <= PUTS; id++)
        put(queue, id);
    for (uint64_t id = 2; id <= PUTS; id++)
        apply_ok(queue, change_remove(id));
    pass_through(queue, PUTS + 1, 2 * PUTS);
    apply_ok(queue, change_remove(1));
    (void)subject_maintain(queue, 0);
}

static void test_segments_that_go(void **state)
{
    (void)state;
    cut_after(remove_from_afar, 1, 0);
}

int run_name_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_segment),
        cmocka_unit_test(test_segment_of_another),
        cmocka_unit_test(test_segments_that_go),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
