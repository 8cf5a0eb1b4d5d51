/* SPDX-License-Identifier: ISC */
/*
 * scenario: a child process runs batches on a store and meets faults; what it leaves is compared
 * with the model. Memory that both share says how each batch ended.
 *
 * A failed comparison fails the cmocka test that called.
 */
#ifndef SLUICE_TEST_SCENARIO_H
#define SLUICE_TEST_SCENARIO_H

#include "faults.h"
#include "model.h"

#include <sys/types.h>

#define SCENARIO_BATCHES 30
#define SCENARIO_BATCHES_MAX 400

struct scenario {
    model_maker *make;
    uint64_t seed;
    size_t batches;
    enum fault fault;
    unsigned long nth; /* the call that meets it */
    enum fault second;
    unsigned long after; /* so many calls later */
    unsigned recovers;   /* when the child is dead or done another one opens the store, and goes on
                            with fewer batches than that; 0: no other child */
    bool may_refuse;     /* the store may find that it was damaged, and say so instead of opening */
    enum faults_kind only; /* these count, and meet the fault */
    bool cuts_power;       /* when that is over */
    bool is_neglected;     /* maintain is never called */
};

/* Around all of it: the shared memory. For cmocka_run_group_tests(). */
int scenario_setup(void **state);
int scenario_teardown(void **state);

/* Runs it in a new folder and looks at what is left. */
void scenario_run(const struct scenario *scenario);

/* The fault, or a kill instead of it, at every call, or at as many as the store's declaration says. */
void scenario_run_everywhere(struct scenario scenario);

/* The same one in steps, for a fault that comes from outside. */
pid_t scenario_start(const struct scenario *scenario, const char *folder, const char *shadow);
void scenario_end(pid_t child, bool may_be_killed);
void scenario_check(const struct scenario *scenario, const char *folder, const char *shadow);

#endif
