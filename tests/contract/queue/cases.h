/* SPDX-License-Identifier: ISC */
/* cases: the parts of the contract test. Each runs its own group and gives the number of failures. */
#ifndef SLUICE_TEST_CASES_H
#define SLUICE_TEST_CASES_H

int run_contract_cases(void);  /* test_contract.c: what every store does */
int run_durable_cases(void);   /* test_durable.c: what survives close() */
int run_fault_cases(void);     /* test_faults.c: kills, failing calls, a full disk */
int run_power_cases(void);     /* test_power.c: power cuts */
int run_name_cases(void);      /* test_names.c: power cuts while segments come and go */
int run_sand_cases(void);      /* test_sand.c: faults while it is compacted */
int run_aftermath_cases(void); /* test_aftermath.c: what a host does after a failure */
int run_walk_cases(void);      /* test_walk.c: anything at random, for as long as one likes */

#endif
