/* SPDX-License-Identifier: ISC */
/*
 * contract_deferral: what the queue relies on in every deferral plugin, whatever its policy.
 */
#include "host.h"

#include "sluice/deferral.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)
#define UNTOUCHED INT64_C(-4711)

static const char *plugin_path; /* from the command line */

struct fixture {
    struct test_host host;
    struct test_errors errors;
    const struct sluice_deferral_ops *ops;
    struct sluice_config *config;
    struct sluice_deferral *deferral;
};

static int setup(void **state)
{
    static struct fixture fixture; /* one at a time, and cmocka ends a failed test by longjmp */
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    memset(&fixture, 0, sizeof(fixture));
    test_host_init(&fixture.host, desc->name);
    test_errors_init(&fixture.errors);
    fixture.ops = test_plugin_interface(desc, SLUICE_DEFERRAL_ID);
    fixture.config = test_config_new(desc, NULL);
    assert_int_equal(fixture.ops->open(&fixture.host.sdk, fixture.config, &fixture.errors.sdk,
                                       &fixture.deferral),
                     SLUICE_OK);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->ops->close(fixture->deferral);
    test_config_free(fixture->config);
    return 0;
}

/* Histories of all sorts, also those that a broken clock or a damaged record would give. */
static const struct {
    const char *name;
    uint32_t attempts;
    int64_t arrival, last_attempt;
    uint32_t failures;
    int64_t last_failure, last_success;
} cases[] = {
    {"just arrived", 0, NOW, 0, 0, 0, 0},
    {"just arrived, site answered before", 0, NOW, 0, 0, 0, NOW - HOUR},
    {"just arrived, site down", 0, NOW, 0, 3, NOW - 1000, 0},
    {"failed once", 1, NOW - 2000, NOW, 1, NOW, 0},
    {"here for days", 70, NOW - 96 * HOUR, NOW, 70, NOW, NOW - 97 * HOUR},
    {"attempt long ago", 2, NOW - 96 * HOUR, NOW - 90 * HOUR, 2, NOW - 90 * HOUR, 0},
    {"clock went back", 2, NOW + 5 * HOUR, NOW + 6 * HOUR, 1, NOW + 6 * HOUR, NOW + HOUR},
    {"attempts without a time", 1, NOW - HOUR, 0, 1, 0, 0},
    {"more than can be counted", UINT32_MAX, 0, NOW, UINT32_MAX, NOW, NOW},
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

static struct sluice_unit_history unit_of(size_t i)
{
    struct sluice_unit_history unit = {.struct_size = sizeof(unit),
                                       .attempts = cases[i].attempts,
                                       .arrival_ms = cases[i].arrival,
                                       .last_attempt_ms = cases[i].last_attempt};
    return unit;
}

static struct sluice_site_history site_of(size_t i)
{
    struct sluice_site_history site = {.struct_size = sizeof(site),
                                       .failures = cases[i].failures,
                                       .last_failure_ms = cases[i].last_failure,
                                       .last_success_ms = cases[i].last_success};
    return site;
}

static int32_t ask(const struct fixture *fixture, size_t i, int64_t *ret_at_ms)
{
    struct sluice_unit_history unit = unit_of(i);
    struct sluice_site_history site = site_of(i);

    *ret_at_ms = UNTOUCHED;
    return fixture->ops->next(fixture->deferral, &unit, &site, NOW, ret_at_ms);
}

static void check_answer(const char *name, int32_t answer, int64_t at_ms)
{
    print_message("%s\n", name);
    assert_in_range(answer, SLUICE_DEFER_GO, SLUICE_DEFER_ON_RELEASE);
    if (answer == SLUICE_DEFER_AT)
        assert_true(at_ms > NOW);
}

static void test_answers_are_known_and_ahead(void **state)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        int64_t at_ms;
        int32_t answer = ask(*state, i, &at_ms);

        check_answer(cases[i].name, answer, at_ms);
    }
}

static void test_site_answers_are_known_and_ahead(void **state)
{
    const struct fixture *fixture = *state;

    if (!SLUICE_HAS(struct sluice_deferral_ops, fixture->ops, site_next))
        return; /* optional: next counts alone */
    for (size_t i = 0; i < CASE_COUNT; i++) {
        struct sluice_site_history site = site_of(i);
        int64_t at_ms = UNTOUCHED;
        int32_t answer;

        if (site.failures == 0)
            continue;
        answer = fixture->ops->site_next(fixture->deferral, &site, NOW, &at_ms);
        check_answer(cases[i].name, answer, at_ms);
    }
}

/* Asked again, in another order, by another instance: the same answers. */
static void test_next_is_pure(void **state)
{
    const struct fixture *fixture = *state;
    struct fixture other = *fixture;
    int64_t first[CASE_COUNT], again;
    int32_t answers[CASE_COUNT];

    for (size_t i = 0; i < CASE_COUNT; i++)
        answers[i] = ask(fixture, i, &first[i]);
    assert_int_equal(
        other.ops->open(&other.host.sdk, other.config, &other.errors.sdk, &other.deferral),
        SLUICE_OK);
    for (size_t i = CASE_COUNT; i-- > 0;) {
        assert_int_equal(ask(fixture, i, &again), answers[i]);
        assert_int_equal(again, first[i]);
        assert_int_equal(ask(&other, i, &again), answers[i]);
        assert_int_equal(again, first[i]);
    }
    other.ops->close(other.deferral);
}

static void test_close_accepts_null(void **state)
{
    const struct fixture *fixture = *state;

    fixture->ops->close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_are_known_and_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_site_answers_are_known_and_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_is_pure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_accepts_null, setup, teardown),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s PLUGIN.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
