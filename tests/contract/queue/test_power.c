/* SPDX-License-Identifier: ISC */
/* Power cuts: what was synced is there, of the rest anything. */
#include "cases.h"
#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_power_cut(void **state)
{
    (void)state;
    scenario_run_everywhere((struct scenario){.make = model_make,
                                              .seed = 5,
                                              .batches = SCENARIO_BATCHES,
                                              .fault = FAULT_KILL,
                                              .cuts_power = true});
}

/* The kernel has dropped what the sync should have brought to the disk. */
static void test_after_failed_sync(void **state)
{
    (void)state;
    scenario_run_everywhere((struct scenario){.make = model_make,
                                              .seed = 6,
                                              .batches = SCENARIO_BATCHES,
                                              .fault = FAULT_EIO,
                                              .only = FAULTS_SYNCS,
                                              .cuts_power = true});
}

/* And the store, opened again, still finds it in memory. */
static void test_after_failed_syncs(void **state)
{
    (void)state;
    scenario_run_everywhere((struct scenario){.make = model_make,
                                              .seed = 13,
                                              .batches = SCENARIO_BATCHES,
                                              .fault = FAULT_EIO,
                                              .second = FAULT_EIO,
                                              .after = 1,
                                              .only = FAULTS_SYNCS,
                                              .cuts_power = true});
}

/* A process that was killed leaves what it wrote; the next one takes it for granted. */
static void test_after_recovery(void **state)
{
    (void)state;
    scenario_run_everywhere((struct scenario){.make = model_make,
                                              .seed = 10,
                                              .batches = SCENARIO_BATCHES,
                                              .fault = FAULT_KILL,
                                              .cuts_power = true,
                                              .recovers = 4});
}

/* At any call; and at those few by which names come and go: files must not go before what makes
 * them useless is certain. Without maintenance, so that much goes at once. */
static void cut_while_tidying(struct scenario scenario)
{
    scenario.make = model_make_tide;
    scenario.batches = SCENARIO_BATCHES;
    scenario.fault = FAULT_KILL;
    scenario.cuts_power = true;
    scenario.is_neglected = true;
    scenario_run_everywhere(scenario);
    scenario.only = FAULTS_NAMES;
    scenario_run_everywhere(scenario);
}

/* And tidies away what was only removed in what it found. */
static void test_after_recovery_of_removals(void **state)
{
    (void)state;
    cut_while_tidying((struct scenario){.seed = 12, .recovers = 1});
}

/* Removals must not come undone when what they are written in is tidied away. */
static void test_while_tidying(void **state)
{
    (void)state;
    cut_while_tidying((struct scenario){.seed = 11});
}

int run_power_cases(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut),      cmocka_unit_test(test_after_failed_sync),
        cmocka_unit_test(test_after_failed_syncs),
        cmocka_unit_test(test_after_recovery), cmocka_unit_test(test_after_recovery_of_removals),
        cmocka_unit_test(test_while_tidying),
    };

    return cmocka_run_group_tests_name("power", tests, scenario_setup, scenario_teardown);
}
