/* SPDX-License-Identifier: ISC */
/* Faults in a store in which a little stays of everything that comes: while it is compacted. */
#include "cases.h"
#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static struct scenario sand(uint64_t seed, enum fault fault)
{
    return (struct scenario){
        .make = model_make_sand, .seed = seed, .batches = SCENARIO_BATCHES, .fault = fault};
}

static void test_kill(void **state)
{
    (void)state;
    scenario_run_everywhere(sand(21, FAULT_KILL));
}

static void test_eio_then_kill(void **state)
{
    struct scenario scenario = sand(22, FAULT_EIO);

    (void)state;
    scenario.second = FAULT_KILL;
    scenario.after = 1;
    scenario_run_everywhere(scenario);
}

static void test_enospc(void **state)
{
    (void)state;
    scenario_run_everywhere(sand(23, FAULT_ENOSPC));
}

static void test_power_cut(void **state)
{
    struct scenario scenario = sand(25, FAULT_KILL);

    (void)state;
    scenario.cuts_power = true;
    scenario_run_everywhere(scenario);
}

/* The next one goes on with what the kernel has, and then the power fails. */
static void test_after_recovery(void **state)
{
    struct scenario scenario = sand(26, FAULT_KILL);

    (void)state;
    scenario.cuts_power = true;
    scenario.recovers = 4;
    scenario_run_everywhere(scenario);
}

static void test_after_failed_sync(void **state)
{
    struct scenario scenario = sand(27, FAULT_EIO);

    (void)state;
    scenario.only = FAULTS_SYNCS;
    scenario.cuts_power = true;
    scenario_run_everywhere(scenario);
}

int run_sand_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),           cmocka_unit_test(test_eio_then_kill),
        cmocka_unit_test(test_enospc),         cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_after_recovery), cmocka_unit_test(test_after_failed_sync),
    };

    if (!subject_maintains_aside()) {
        (void)fprintf(stderr, "SKIPPED: sand: the store is not maintained\n");
        return 0;
    }
    return cmocka_run_group_tests_name("sand", tests, scenario_setup, scenario_teardown);
}
