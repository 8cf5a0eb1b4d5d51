/* SPDX-License-Identifier: ISC */
/*
 * The front end of the deferrals: whatever a plugin answers, what comes out is a delay that makes
 * sense.
 */
#include "queue/deferral.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW ((int64_t)1700000000000)
#define MIN_MS 300000
#define MAX_MS 4000000

struct sluice_deferral {
    int32_t answer;
    int64_t at_ms;
};

static int32_t next(struct sluice_deferral *self, const struct sluice_unit_history *unit,
                    const struct sluice_site_history *site, int64_t now_ms, int64_t *ret_at_ms)
{
    (void)unit;
    (void)site;
    (void)now_ms;
    *ret_at_ms = self->at_ms;
    return self->answer;
}

static int32_t site_next(struct sluice_deferral *self, const struct sluice_site_history *site,
                         int64_t now_ms, int64_t *ret_at_ms)
{
    return next(self, NULL, site, now_ms, ret_at_ms);
}

static const struct {
    const char *name;
    int32_t answer;
    int64_t at_ms;
    int64_t delay_ms;
} cases[] = {
    {"go", SLUICE_DEFER_GO, NOW + 5, 0},
    {"at", SLUICE_DEFER_AT, NOW + 5, 5},
    {"at an instant that has passed", SLUICE_DEFER_AT, NOW - 5, 0},
    {"at the beginning of time", SLUICE_DEFER_AT, INT64_MIN, 0},
    {"at the longest wait", SLUICE_DEFER_AT, NOW + MAX_MS, MAX_MS},
    {"longer than the longest wait", SLUICE_DEFER_AT, NOW + MAX_MS + 1, MAX_MS},
    {"at the end of time", SLUICE_DEFER_AT, INT64_MAX, MAX_MS},
    {"on release", SLUICE_DEFER_ON_RELEASE, NOW + 5, DEFERRAL_ON_RELEASE},
    {"an answer that nobody knows", 77, NOW + 5, MIN_MS},
    {"no answer", 0, NOW, MIN_MS},
};

static void test_delays(void **state)
{
    static const struct sluice_deferral_ops ops = {
        .struct_size = sizeof(ops), .next = next, .site_next = site_next};
    const struct sluice_unit_history unit = {.struct_size = sizeof(unit)};
    const struct sluice_site_history site = {.struct_size = sizeof(site), .failures = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sluice_deferral self = {cases[i].answer, cases[i].at_ms};
        struct deferral *deferral = deferral_new(&ops, &self, MIN_MS, MAX_MS);

        print_message("%s\n", cases[i].name);
        assert_non_null(deferral);
        assert_true(deferral_next(deferral, &unit, &site, NOW) == cases[i].delay_ms);
        assert_true(deferral_site_next(deferral, &site, NOW) == cases[i].delay_ms);
        deferral_free(deferral);
    }
}

static void test_a_plugin_that_leaves_sites_to_units(void **state)
{
    static const struct sluice_deferral_ops ops = {
        .struct_size = offsetof(struct sluice_deferral_ops, site_next), .next = next};
    const struct sluice_site_history site = {.struct_size = sizeof(site), .failures = 9};
    struct sluice_deferral self = {SLUICE_DEFER_ON_RELEASE, 0};
    struct deferral *deferral = deferral_new(&ops, &self, MIN_MS, MAX_MS);

    (void)state;
    assert_non_null(deferral);
    assert_true(deferral_site_next(deferral, &site, NOW) == 0);
    deferral_free(deferral);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_a_plugin_that_leaves_sites_to_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
