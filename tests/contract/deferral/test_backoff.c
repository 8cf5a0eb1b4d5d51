/* SPDX-License-Identifier: ISC */
/*
 * test_backoff: the policy of queue/backoff, with days of virtual time.
 */
#include "host.h"

#include "sluice/deferral.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define T INT64_C(1700000000000) /* when it all begins */

static const char *plugin_path; /* from the command line */

struct fixture {
    struct test_host host;
    struct test_errors errors;
    const struct sluice_plugin_desc *desc;
    const struct sluice_deferral_ops *ops;
    struct sluice_config *config;
    struct sluice_deferral *deferral;
};

static sluice_status fixture_open(struct fixture *fixture, const char *const *key_values)
{
    memset(fixture, 0, sizeof(*fixture));
    test_host_init(&fixture->host, "backoff");
    test_errors_init(&fixture->errors);
    fixture->desc = test_plugin_load(plugin_path);
    fixture->ops = test_plugin_interface(fixture->desc, SLUICE_DEFERRAL_ID);
    fixture->config = test_config_new(fixture->desc, key_values);
    return fixture->ops->open(&fixture->host.sdk, fixture->config, &fixture->errors.sdk,
                              &fixture->deferral);
}

static void fixture_close(struct fixture *fixture)
{
    fixture->ops->close(fixture->deferral);
    test_config_free(fixture->config);
}

/* Seconds from now to the answer; 0 for GO. */
static int64_t wait_s(const struct fixture *fixture, const struct sluice_unit_history *unit,
                      const struct sluice_site_history *site, int64_t now_ms)
{
    int64_t at_ms = 0;
    int32_t answer = fixture->ops->next(fixture->deferral, unit, site, now_ms, &at_ms);

    if (answer == SLUICE_DEFER_GO)
        return 0;
    assert_int_equal(answer, SLUICE_DEFER_AT);
    return (at_ms - now_ms) / SECOND;
}

static void test_waits(void **state)
{
    static const struct {
        const char *name;
        uint32_t attempts;
        int64_t arrival, last_attempt;
        uint32_t failures;
        int64_t last_failure, now, want_s;
    } cases[] = {
        {"new mail goes at once", 0, T, 0, 0, 0, T, 0},
        {"new mail of a site that is down waits for it", 0, T, 0, 1, T - 100 * SECOND, T, 200},
        {"new mail of a site whose time has come", 0, T, 0, 1, T - 300 * SECOND, T, 0},
        {"young: the minimum", 1, T, T + SECOND, 0, 0, T + SECOND, 300},
        {"as long again as it is old", 3, T, T + 1000 * SECOND, 0, 0, T + 1000 * SECOND, 1000},
        {"old: the maximum", 9, T, T + 48 * HOUR, 0, 0, T + 48 * HOUR, 4000},
        {"asked later: the rest", 3, T, T + 1000 * SECOND, 0, 0, T + 1400 * SECOND, 600},
        {"asked after its time: at once", 3, T, T + 1000 * SECOND, 0, 0, T + 9000 * SECOND, 0},
        {"arrival in the future: the minimum", 1, T + HOUR, T, 0, 0, T, 300}, /* */
        {"attempt in the future: the minimum from now", 1, T, T + HOUR, 0, 0, T, 300},
        {"attempt without a time: from now", 1, T - 500 * SECOND, 0, 0, 0, T, 500},
        {"the site's second failure", 1, T, T, 2, T, T, 600},
        {"its third", 1, T, T, 3, T, T, 1200},
        {"its fourth", 1, T, T, 4, T, T, 2400},
        {"its fifth: the maximum", 1, T, T, 5, T, T, 4000},
        {"its millionth", 1, T, T, 1000000, T, T, 4000},
        {"failure in the future: the minimum from now", 0, T, 0, 1, T + 9 * HOUR, T, 300},
        {"message waits longer than its site", 4, T - 2000 * SECOND, T, 1, T, T, 2000},
    };
    struct fixture fixture;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), SLUICE_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sluice_unit_history unit = {.struct_size = sizeof(unit),
                                           .attempts = cases[i].attempts,
                                           .arrival_ms = cases[i].arrival,
                                           .last_attempt_ms = cases[i].last_attempt};
        struct sluice_site_history site = {.struct_size = sizeof(site),
                                           .failures = cases[i].failures,
                                           .last_failure_ms = cases[i].last_failure};

        print_message("%s\n", cases[i].name);
        assert_int_equal(wait_s(&fixture, &unit, &site, cases[i].now), cases[i].want_s);
    }
    fixture_close(&fixture);
}

/* Mail for a host that answers but refuses for now: gaps double from 300 s to 4000 s and stay. */
static void test_five_days(void **state)
{
    static const int64_t want_s[] = {300, 300, 600, 1200, 2400, 4000, 4000, 4000};
    struct sluice_unit_history unit = {.struct_size = sizeof(unit), .arrival_ms = T};
    struct sluice_site_history site = {.struct_size = sizeof(site)};
    struct fixture fixture;
    int64_t now = T;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), SLUICE_OK);
    while (now < T + 120 * HOUR) {
        size_t step = unit.attempts;
        int64_t gap_s;

        unit.attempts++;
        unit.last_attempt_ms = now;
        gap_s = wait_s(&fixture, &unit, &site, now);
        assert_int_equal(gap_s, step < 8 ? want_s[step] : 4000);
        now += gap_s * SECOND;
    }
    assert_in_range(unit.attempts, 100, 120);
    fixture_close(&fixture);
}

/* Ten messages an hour for a site that is down for a day: it is tried on its own schedule only. */
static void test_a_day_down(void **state)
{
    struct sluice_site_history site = {.struct_size = sizeof(site)};
    struct fixture fixture;
    int64_t at_ms, now = T;
    int waiting = 0;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), SLUICE_OK);
    while (now < T + 24 * HOUR) {
        struct sluice_unit_history fresh = {.struct_size = sizeof(fresh)};

        site.failures++;
        site.last_failure_ms = now;
        assert_int_equal(fixture.ops->site_next(fixture.deferral, &site, now, &at_ms),
                         SLUICE_DEFER_AT);
        for (fresh.arrival_ms = now; fresh.arrival_ms < at_ms; fresh.arrival_ms += HOUR / 10) {
            assert_int_equal(wait_s(&fixture, &fresh, &site, fresh.arrival_ms),
                             (at_ms - fresh.arrival_ms) / SECOND);
            waiting++;
        }
        now = at_ms;
    }
    assert_in_range(site.failures, 20, 27);
    assert_true(waiting >= 240);
    fixture_close(&fixture);
}

static void test_options(void **state)
{
    static const char *const equal[] = {"minimal_backoff_time", "1m", "maximal_backoff_time", "60s",
                                        NULL};
    static const char *const crossed[] = {"minimal_backoff_time", "2h", "maximal_backoff_time",
                                          "30m", NULL};
    struct sluice_unit_history unit = {
        .struct_size = sizeof(unit), .attempts = 1, .arrival_ms = T - HOUR, .last_attempt_ms = T};
    struct sluice_site_history site = {.struct_size = sizeof(site)};
    struct fixture fixture;

    (void)state;
    assert_int_equal(fixture_open(&fixture, equal), SLUICE_OK);
    assert_int_equal(wait_s(&fixture, &unit, &site, T), 60);
    fixture_close(&fixture);

    assert_int_equal(fixture_open(&fixture, crossed), SLUICE_CONFIG);
    assert_string_equal(fixture.errors.text, "minimal_backoff_time (7200 s) is longer than "
                                             "maximal_backoff_time (1800 s)");
    assert_int_equal(fixture.errors.count, 1);
    assert_null(fixture.deferral);
    fixture_close(&fixture);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_five_days),
        cmocka_unit_test(test_a_day_down),
        cmocka_unit_test(test_options),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s backoff.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
