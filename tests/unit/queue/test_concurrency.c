/* SPDX-License-Identifier: ISC */
/*
 * The arithmetic of a site's concurrency: what attempts that get through, and attempts that do not, make
 * of it.
 */
#include "queue/concurrency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct concurrency_limits by_default = {.initial = 5, .most = 20, .failed_cohorts = 1};

/* "++-": successes and failures, each with as many under way as may be. True if the last one made the site
 * dead. */
static bool play(struct concurrency *c, const struct concurrency_limits *limits, const char *outcomes)
{
    bool is_dead = false;

    for (; *outcomes != '\0'; outcomes++) {
        unsigned jobs = concurrency_get(c, limits);

        is_dead = *outcomes == '-' && concurrency_failed(c, limits, jobs);
        if (*outcomes == '+')
            concurrency_succeeded(c, limits, jobs);
    }
    return is_dead;
}

static void test_sequences(void **state)
{
    static const struct concurrency_limits per_job = {.initial = 5,
                                                      .most = 20,
                                                      .failed_cohorts = 1,
                                                      .positive = FEEDBACK_PER_JOB,
                                                      .negative = FEEDBACK_PER_JOB};
    static const struct concurrency_limits per_sqrt = {.initial = 4,
                                                       .most = 20,
                                                       .failed_cohorts = 1,
                                                       .positive = FEEDBACK_PER_SQRT,
                                                       .negative = FEEDBACK_PER_SQRT};
    static const struct concurrency_limits patient = {
        .initial = 5, .most = 20, .failed_cohorts = 3};
    static const struct concurrency_limits stubborn = {
        .initial = 5, .most = 20, .failed_cohorts = 0};
    static const struct concurrency_limits narrow = {.initial = 5, .most = 2, .failed_cohorts = 1};
    static const struct {
        const char *name;
        const struct concurrency_limits *limits;
        const char *outcomes;
        unsigned jobs;
        bool is_dead;
    } cases[] = {
        {"at first", &by_default, "", 5, false},
        {"one more for each success", &by_default, "++++++", 11, false},
        {"up to the limit", &by_default, "++++++++++++++++++++", 20, false},
        {"one fewer for each failure", &by_default, "--", 3, false},
        {"four of five are a cohort", &by_default, "----", 5, true},
        {"a success begins another cohort", &by_default, "---+--", 1, false},
        {"a cohort's successes are one more", &per_job, "+++++", 6, false},
        {"fewer are not", &per_job, "++++", 5, false},
        {"a first failure counts at once", &per_job, "-", 4, false},
        {"the next do not", &per_job, "---", 4, false},
        {"failures undo what was gained", &per_job, "++++-++++", 5, false},
        {"square roots: two of four", &per_sqrt, "++", 5, false},
        {"square roots: one of four", &per_sqrt, "+", 4, false},
        {"not yet three cohorts", &patient, "-----", 1, false},
        {"three cohorts and dead", &patient, "------", 5, true},
        {"never dead, and never less than one", &stubborn, "--------------------", 1, false},
        {"the limit is below the beginning", &narrow, "+++", 2, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct concurrency c = {0};

        print_message("%s\n", cases[i].name);
        assert_int_equal(play(&c, cases[i].limits, cases[i].outcomes), cases[i].is_dead);
        assert_int_equal(concurrency_get(&c, cases[i].limits), cases[i].jobs);
    }
}

/* Mail that comes one at a time to a dead host must not cost a connection each. */
static void test_a_cohort_is_what_is_under_way(void **state)
{
    struct concurrency c = {0};

    (void)state;
    assert_true(concurrency_failed(&c, &by_default, 1));
    assert_false(concurrency_failed(&c, &by_default, 2));
    assert_true(concurrency_failed(&c, &by_default, 1));
    for (int i = 0; i < 15; i++)
        concurrency_succeeded(&c, &by_default, 20);
    assert_false(concurrency_failed(&c, &by_default, 20));
    assert_int_equal(concurrency_get(&c, &by_default), 19);
}

/* What was never used is not given: a site with little mail stays near the beginning. */
static void test_growth_needs_use(void **state)
{
    struct concurrency c = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        concurrency_succeeded(&c, &by_default, 1);
    assert_int_equal(concurrency_get(&c, &by_default), 6);
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(concurrency_feedback("1"), FEEDBACK_ONE);
    assert_int_equal(concurrency_feedback("1/concurrency"), FEEDBACK_PER_JOB);
    assert_int_equal(concurrency_feedback("1/sqrt_concurrency"), FEEDBACK_PER_SQRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_a_cohort_is_what_is_under_way),
        cmocka_unit_test(test_growth_needs_use),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
