/* SPDX-License-Identifier: ISC */
/* What survives close(), and who may open. */
#include "cases.h"
#include "model.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    char *folder = calloc(1, SCRATCH_PATH_MAX);

    assert_non_null(folder);
    scratch_make(folder);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

static struct sluice_queue *open_ok(const char *folder)
{
    struct sluice_queue *queue = NULL;
    sluice_status st = subject_open(folder, &queue);

    if (st != SLUICE_OK)
        print_error("open: %d %s\n", st, explained.text);
    assert_int_equal(st, SLUICE_OK);
    return queue;
}

/* Hundreds of random batches, the store closed and opened again all the time. */
static void test_reopen(void **state)
{
    struct sluice_queue *queue = open_ok(*state);
    struct model model = {0};

    for (size_t k = 0; k < 240; k++) {
        struct model_batch batch;

        model_make(&model, 42, k, &batch);
        assert_int_equal(model_send(&batch, queue), SLUICE_OK);
        model_accept(&model, &batch);
        if (k % 40 == 39) {
            const char *error;

            subject_close(queue);
            queue = open_ok(*state);
            error = model_compare(&model, queue);
            if (error != NULL)
                fail_msg("after batch %zu: %s", k, error);
        }
    }
    subject_close(queue);
    model_done(&model);
}

/* What nobody needs any more is given back to the disk. */
static void test_space_comes_back(void **state)
{
    static char content[60000];
    struct sluice_queue_space empty;
    struct sluice_queue_space space;
    struct sluice_queue *queue = open_ok(*state);

    assert_int_equal(subject_space(queue, &empty), SLUICE_OK);
    for (uint64_t id = 1; id <= 300; id++) {
        struct change put =
            change_put(id, 0, sluice_span_of("r"), (struct sluice_span){content, sizeof(content)});
        struct change removal = change_remove(id);

        assert_int_equal(subject_apply(queue, &put, 1), SLUICE_OK);
        if (id == 7)
            continue; /* one that stays, early */
        assert_int_equal(subject_apply(queue, &removal, 1), SLUICE_OK);
    }
    assert_int_equal(subject_space(queue, &space), SLUICE_OK);
    assert_int_equal(space.message_count, 1);
    assert_true(space.used_bytes < empty.used_bytes + (6 << 20)); /* of 18 MB that went through */
    subject_close(queue);
}

static void test_second_opener(void **state)
{
    struct sluice_queue *queue = open_ok(*state);
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        struct sluice_queue *second = NULL;

        _exit(subject_open(*state, &second) == SLUICE_TEMP && explained.count == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    subject_close(queue);
    subject_close(open_ok(*state));
}

static void make_file(const char *folder, const char *name, const char *bytes)
{
    char path[SCRATCH_PATH_MAX + 64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(bytes, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *folder, const char *name, const char *bytes)
{
    char path[SCRATCH_PATH_MAX + 64];
    char line[64] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, bytes);
    (void)fclose(file);
}

/* In an empty folder and in a store; nothing is deleted, and without it the store opens again. */
static void test_foreign_content(void **state)
{
    char path[SCRATCH_PATH_MAX + 64];

    for (int i = 0; i < 2; i++) {
        struct sluice_queue *queue = NULL;

        make_file(*state, "somebody's thesis", "draft 3");
        assert_int_equal(subject_open(*state, &queue), SLUICE_CONFIG);
        assert_int_equal(explained.count, 1);
        assert_file(*state, "somebody's thesis", "draft 3");
        (void)snprintf(path, sizeof(path), "%s/%s", (char *)*state, "somebody's thesis");
        assert_int_equal(unlink(path), 0);
        subject_close(open_ok(*state));
    }
}

static void test_no_folder(void **state)
{
    struct sluice_queue *queue = NULL;
    char path[SCRATCH_PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/not/there", (char *)*state);
    assert_int_not_equal(subject_open(path, &queue), SLUICE_OK);
    assert_int_equal(explained.count, 1);
}

int run_durable_cases(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_reopen),          CASE(test_space_comes_back), CASE(test_second_opener),
        CASE(test_foreign_content), CASE(test_no_folder),
    };

    return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
