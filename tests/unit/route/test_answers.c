/* SPDX-License-Identifier: ISC */
/*
 * What is kept of a table's answers, how long, and what goes when it is too much.
 */
#include "route/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define USUAL_MAX ((size_t)1024 * 1024)
#define POSITIVE_MS 60000
#define NEGATIVE_MS 10000

static struct answers *answers_of(size_t bytes_max)
{
    struct answers *answers;

    assert_int_equal(answers_new(bytes_max, &answers), SLUICE_OK);
    return answers;
}

static void put_for(struct answers *answers, const char *key, const char *value, int64_t now_ms,
                    int64_t time_ms)
{
    const struct answers_kept kept = {
        .status = value != NULL ? SLUICE_OK : SLUICE_NOT_FOUND,
        .value = value != NULL ? sluice_span_of(value) : (struct sluice_span){0},
        .since_ms = now_ms,
        .until_ms = now_ms + time_ms,
    };

    answers_put(answers, sluice_span_of(key), &kept);
}

static void put(struct answers *answers, const char *key, const char *value, int64_t now_ms)
{
    put_for(answers, key, value, now_ms, value != NULL ? POSITIVE_MS : NEGATIVE_MS);
}

static void expect(struct answers *answers, const char *key, int64_t now_ms, const char *value)
{
    struct answers_kept got;

    assert_int_equal(answers_find(answers, sluice_span_of(key), now_ms, &got), SLUICE_OK);
    assert_int_equal(got.value.len, strlen(value));
    assert_memory_equal(got.value.ptr, value, got.value.len);
    assert_int_equal(got.until_ms, got.since_ms + POSITIVE_MS);
}

static void expect_status(struct answers *answers, const char *key, int64_t now_ms,
                          sluice_status status)
{
    struct answers_kept got;

    assert_int_equal(answers_find(answers, sluice_span_of(key), now_ms, &got), status);
}

static void test_each_kind_has_its_time(void **state)
{
    struct answers *answers = answers_of(USUAL_MAX);

    (void)state;
    put(answers, "joe", "joe@store", 1000);
    put(answers, "none", NULL, 1000);
    expect_status(answers, "never", 1000, SLUICE_TEMP);
    expect(answers, "joe", 60999, "joe@store");
    expect_status(answers, "joe", 61000, SLUICE_TEMP);
    expect_status(answers, "none", 10999, SLUICE_NOT_FOUND);
    expect_status(answers, "none", 11000, SLUICE_TEMP);
    answers_free(answers);
}

static void test_a_time_of_nothing(void **state)
{
    struct answers *answers = answers_of(USUAL_MAX);

    (void)state;
    put(answers, "joe", "joe@store", 0);
    expect(answers, "joe", 0, "joe@store");
    put_for(answers, "joe", NULL, 0, 0); /* and what was there counts no more */
    expect_status(answers, "joe", 0, SLUICE_TEMP);
    answers_free(answers);
}

static void test_the_last_answer_counts(void **state)
{
    struct answers *answers = answers_of(USUAL_MAX);

    (void)state;
    put(answers, "joe", "old@store", 0);
    put(answers, "joe", "a much longer new value", 30000);
    expect(answers, "joe", 89999, "a much longer new value");
    put(answers, "joe", NULL, 30000);
    expect_status(answers, "joe", 30001, SLUICE_NOT_FOUND);
    answers_free(answers);
}

static void test_the_one_not_asked_for_goes(void **state)
{
    struct answers *answers = answers_of(20000);
    char key[16];

    (void)state;
    put(answers, "often", "x", 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "key%d", i);
        put(answers, key, "value", 0);
        expect(answers, "often", 0, "x");
    }
    expect(answers, key, 0, "value");
    expect_status(answers, "key0", 0, SLUICE_TEMP);
    expect_status(answers, "key800", 0, SLUICE_TEMP);
    answers_free(answers);
}

static void test_what_is_too_large_moves_nothing_out(void **state)
{
    struct answers *answers = answers_of(1500);
    char value[2000];

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    put(answers, "joe", "joe@store", 0);
    put(answers, "large", value, 0);
    expect_status(answers, "large", 0, SLUICE_TEMP);
    expect(answers, "joe", 0, "joe@store");
    answers_free(answers);
}

static void test_forgetting(void **state)
{
    struct answers *answers = answers_of(USUAL_MAX);

    (void)state;
    put(answers, "joe", "joe@store", 1000);
    put(answers, "ann", "ann@store", 2000);
    put(answers, "none", NULL, 2000);
    assert_int_equal(answers_count(answers), 3);
    assert_int_equal(answers_forget(answers, sluice_span_of("joe")), 1);
    assert_int_equal(answers_forget(answers, sluice_span_of("joe")), 0);
    expect_status(answers, "joe", 2500, SLUICE_TEMP);
    expect(answers, "ann", 2500, "ann@store");
    assert_true(answers_bytes(answers) > 0);
    assert_int_equal(answers_forget_all(answers), 2);
    expect_status(answers, "none", 2500, SLUICE_TEMP);
    assert_int_equal(answers_bytes(answers), 0);
    answers_free(answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_has_its_time),
        cmocka_unit_test(test_a_time_of_nothing),
        cmocka_unit_test(test_the_last_answer_counts),
        cmocka_unit_test(test_the_one_not_asked_for_goes),
        cmocka_unit_test(test_what_is_too_large_moves_nothing_out),
        cmocka_unit_test(test_forgetting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
