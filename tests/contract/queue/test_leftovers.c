/* SPDX-License-Identifier: ISC */
/*
 * What restarts and a disk that fails leave in the store log: it must not keep compaction from its work.
 *
 * This program defines pwrite, so that batches can be made to fail, but no headers, and renameat
 * and linkat.
 */
#include "scratch.h"
#include "subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEGMENT_SIZE (64 << 10) /* as set in main */
#define ROUNDS_MAX 1000         /* of maintain, in a row */
#define BATCH_SIZE 129          /* no write of a header is as long */
#define HELD_BYTES 40000        /* more than half a segment */

static char folder[SCRATCH_PATH_MAX];
static size_t failing_size = SIZE_MAX; /* writes of so many bytes fail */
static bool is_keeping_names;          /* no segment loses its name, */
static bool is_without_names;          /* no file gets one */
static uint64_t next_id;

ssize_t pwrite64(int, const void *, size_t, off_t);

#define DEFINE_PWRITE(name)                                                                        \
    __attribute__((visibility("default"))) ssize_t name(int fd, const void *data, size_t size,     \
                                                        off_t at)                                  \
    {                                                                                              \
        if (size >= failing_size) {                                                                \
            errno = EIO;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        return syscall(SYS_pwrite64, fd, data, size, at);                                          \
    }

DEFINE_PWRITE(pwrite)
DEFINE_PWRITE(pwrite64)

__attribute__((visibility("default"))) int renameat(int from, const char *name, int to,
                                                    const char *new_name)
{
    if (is_keeping_names && strstr(new_name, ".spare") != NULL) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from, name, to, new_name, 0);
}

__attribute__((visibility("default"))) int linkat(int from, const char *name, int to,
                                                  const char *new_name, int flags)
{
    if (is_without_names) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_linkat, from, name, to, new_name, flags);
}

static int setup(void **state)
{
    (void)state;
    next_id = 1;
    scratch_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    failing_size = SIZE_MAX;
    is_keeping_names = is_without_names = false;
    scratch_remove(folder);
    return 0;
}

static struct sluice_queue *open_ok(void)
{
    struct sluice_queue *queue = NULL;

    if (subject_open(folder, &queue) != SLUICE_OK || explained.count > 0)
        fail_msg("open: %s", explained.text);
    return queue;
}

static void apply_ok(struct sluice_queue *queue, struct change change)
{
    if (subject_apply(queue, &change, 1) != SLUICE_OK)
        fail_msg("apply: %s", explained.text);
}

static uint64_t put(struct sluice_queue *queue, size_t size)
{
    static const char content[HELD_BYTES];

    apply_ok(queue,
             change_put(next_id, 0, sluice_span_of("record"), (struct sluice_span){content, size}));
    return next_id++;
}

/* Nothing of it is damaged, whatever else may have failed. */
static void maintain(struct sluice_queue *queue)
{
    int rounds = 0;

    while (subject_maintain(queue, 0) != SLUICE_NOT_FOUND) {
        assert_int_equal(explained.count, 0);
        assert_true(++rounds < ROUNDS_MAX);
    }
}

/* Mail that goes through, and some of which waits: its segments become others. */
static void churn(struct sluice_queue *queue, int count, int waits)
{
    for (int i = 0; i < count; i++) {
        uint64_t id = put(queue, 2000);

        if (i % waits != 0)
            apply_ok(queue, change_remove(id));
        if (i % 20 == 0)
            maintain(queue);
    }
}

static uint64_t used_segments(struct sluice_queue *queue)
{
    struct sluice_queue_space space;

    assert_int_equal(subject_space(queue, &space), SLUICE_OK);
    return space.used_bytes / SEGMENT_SIZE;
}

/* Each goes on in another segment, since in one that was a spare a torn write could be hidden. */
static void test_restarts(void **state)
{
    struct sluice_queue *queue = open_ok();

    (void)state;
    churn(queue, 300, 1000);
    (void)put(queue, HELD_BYTES); /* waits in a segment that gives nothing for long */
    for (int i = 0; i < 60; i++) {
        churn(queue, 100, 1000);
        subject_close(queue);
        queue = open_ok();
        maintain(queue);
    }
    assert_in_range(used_segments(queue), 0, 6);
    subject_close(queue);
}

/* Each result that cannot be written counts as little as if it had not been tried. */
static void test_results_that_fail(void **state)
{
    enum { RESULTS = 500 };
    struct change changes[RESULTS];
    struct sluice_queue *queue = open_ok();
    uint64_t first = next_id;

    (void)state;
    for (int i = 0; i < RESULTS; i++)
        changes[i] = change_remove(put(queue, 100));
    failing_size = BATCH_SIZE;
    for (int i = 0; i < 100; i++)
        assert_int_equal(subject_apply(queue, changes, RESULTS), SLUICE_TEMP);
    failing_size = SIZE_MAX;
    assert_int_equal(subject_apply(queue, changes, RESULTS), SLUICE_OK);
    assert_int_equal(first + RESULTS, next_id);
    churn(queue, 2000, 40);
    maintain(queue);
    assert_in_range(used_segments(queue), 0, 6);
    subject_close(queue);
}

/* So that compaction is worth it. */
static void make_waste(struct sluice_queue *queue)
{
    for (int i = 0; i < 150; i++)
        (void)put(queue, 2000);
    for (uint64_t id = 1; id <= 150; id++) {
        if (id % 15 != 1)
            apply_ok(queue, change_remove(id));
    }
}

/* What cannot be given up is not read again and again. */
static void test_names_that_stay(void **state)
{
    struct sluice_queue *queue = open_ok();

    (void)state;
    make_waste(queue);
    (void)subject_maintain(queue, 0); /* makes the next segment ready */
    is_keeping_names = true;
    maintain(queue);
    is_keeping_names = false;
    apply_ok(queue, change_remove(1));
    churn(queue, 100, 1000);
    assert_in_range(used_segments(queue), 0, 6);
    subject_close(queue);
}

/* The first batch of a segment fails, and so does the next segment: what nothing was written to is not
 * damaged. */
static void test_segment_without_batches(void **state)
{
    static const char record[HELD_BYTES];
    struct sluice_queue *queue = open_ok();
    struct change changes[] = {change_update(1, 0, (struct sluice_span){record, sizeof(record)}),
                               change_remove(1)};

    (void)state;
    make_waste(queue);
    (void)put(queue, HELD_BYTES);
    (void)subject_maintain(queue, 0); /* makes the next segment ready */
    failing_size = BATCH_SIZE;
    is_without_names = true;
    assert_int_equal(subject_apply(queue, changes, 2), SLUICE_TEMP);
    failing_size = SIZE_MAX;
    is_without_names = false;
    maintain(queue);
    assert_int_equal(subject_apply(queue, changes, 2), SLUICE_OK);
    churn(queue, 100, 1000);
    assert_in_range(used_segments(queue), 0, 6);
    subject_close(queue);
}

int main(int argc, char **argv)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_restarts),
        CASE(test_results_that_fail),
        CASE(test_names_that_stay),
        CASE(test_segment_without_batches),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    subject_load(argv[1]);
    subject_set("reserve", "64K");
    subject_set("segment_size", "64K");
    return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
