/* SPDX-License-Identifier: ISC */
/*
 * What is kept of a table's answers, how long, and what goes when it is too much.
 */
#include "lookup/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct answers_limits usual = {
    .positive_ms = 60000, .negative_ms = 10000, .bytes_max = (size_t)1024 * 1024};

static struct answers *answers_of(const struct answers_limits *limits)
{
    struct answers *answers;

    assert_int_equal(answers_new(limits, &answers), SLUICE_OK);
    return answers;
}

static void put(struct answers *answers, const char *key, const char *value, int64_t now_ms)
{
    answers_put(answers, sluice_span_of(key), value != NULL ? SLUICE_OK : SLUICE_NOT_FOUND,
                value != NULL ? sluice_span_of(value) : (struct sluice_span){0}, now_ms);
}

static void expect(struct answers *answers, const char *key, int64_t now_ms, const char *value)
{
    struct sluice_span got = {0};

    assert_int_equal(answers_find(answers, sluice_span_of(key), now_ms, &got), SLUICE_OK);
    assert_int_equal(got.len, strlen(value));
    assert_memory_equal(got.ptr, value, got.len);
}

static void expect_status(struct answers *answers, const char *key, int64_t now_ms,
                          sluice_status status)
{
    struct sluice_span got;

    assert_int_equal(answers_find(answers, sluice_span_of(key), now_ms, &got), status);
}

static void test_each_kind_has_its_time(void **state)
{
    struct answers *answers = answers_of(&usual);

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
    const struct answers_limits only_values = {.positive_ms = 1000, .bytes_max = 10000};
    struct answers *answers = answers_of(&only_values);

    (void)state;
    put(answers, "joe", "joe@store", 0);
    expect(answers, "joe", 0, "joe@store");
    put(answers, "joe", NULL, 0); /* and what was there counts no more */
    expect_status(answers, "joe", 0, SLUICE_TEMP);
    answers_free(answers);
}

static void test_the_last_answer_counts(void **state)
{
    struct answers *answers = answers_of(&usual);

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
    struct answers_limits limits = usual;
    char key[16];

    (void)state;
    limits.bytes_max = 20000;
    struct answers *answers = answers_of(&limits);
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
    struct answers_limits limits = usual;
    char value[2000];

    (void)state;
    limits.bytes_max = 1500;
    struct answers *answers = answers_of(&limits);
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
    struct answers *answers = answers_of(&usual);

    (void)state;
    put(answers, "joe", "joe@store", 1000);
    put(answers, "ann", "ann@store", 2000);
    put(answers, "none", NULL, 2000);
    assert_int_equal(answers_count(answers), 3);
    assert_int_equal(answers_age(answers, sluice_span_of("joe"), 2500), 1500);
    assert_int_equal(answers_age(answers, sluice_span_of("never"), 2500), 0);
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
