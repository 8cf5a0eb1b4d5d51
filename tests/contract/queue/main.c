/* SPDX-License-Identifier: ISC */
/*
 * The contract test of queue stores, ours and anybody's:
 *
 *   contract-queue PLUGIN.so [--only=GROUP]... [--volatile] [--trusts-pages] [--points=N]
 *                  [--seed=N] [--walks=N] [KEY=VALUE]...
 *
 * --only=GROUP     only that group of cases; see groups below
 * --volatile       the store keeps nothing beyond close(): the cases about that are skipped
 * --trusts-pages   the store trusts the disk to write an aligned page of 4 KiB whole or not at all:
 *                  power cuts leave such pages whole, and after a short write it may refuse to open
 * --points=N       failing calls are tried at about N calls of a scenario, one by chance out of each
 *                  Nth part, and kills and power cuts at about twice as many; default: at each
 * --seed=N         says which walk is the first one, and which points are tried; default 1
 * --walks=N        how many random walks; default 2
 * KEY=VALUE        sets an option of the store; small sizes test more
 *
 * What is skipped is said on standard error.
 */
#include "cases.h"
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    const char *name;
    int (*run)(void);
    bool is_wanted;
    bool needs_durable;
} groups[] = {
    /* First what forks, as long as the process is small. */
    {"faults", run_fault_cases, false, true},        {"power", run_power_cases, false, true},
    {"names", run_name_cases, false, true},          {"sand", run_sand_cases, false, true},
    {"aftermath", run_aftermath_cases, false, true}, {"durable", run_durable_cases, false, true},
    {"walk", run_walk_cases, false, false},          {"contract", run_contract_cases, false, false},
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static bool is_limited; /* by --only */

/* Each fork copies what the sanitizer keeps of freed memory: a little is enough to find mistakes. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4:thread_local_quarantine_size_kb=64";
}

/* Berkeley DB never frees what an environment holds that it has given up. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:__os_malloc\nleak:__os_realloc\n";
}

static void not_understood(const char *argument)
{
    (void)fprintf(stderr, "%s: not understood\n", argument);
    exit(EXIT_FAILURE);
}

static void take_group(const char *name)
{
    size_t i = 0;

    while (i < GROUP_COUNT && strcmp(groups[i].name, name) != 0)
        i++;
    if (i == GROUP_COUNT)
        not_understood(name);
    groups[i].is_wanted = true;
    is_limited = true;
}

static bool take_number(const char *argument, const char *name, unsigned long *ret_number)
{
    size_t len = strlen(name);

    if (strncmp(argument, name, len) != 0)
        return false;
    *ret_number = strtoul(argument + len, NULL, 10);
    return true;
}

static void take_argument(char *argument)
{
    char *equals = strchr(argument, '=');

    if (strncmp(argument, "--only=", 7) == 0) {
        take_group(argument + 7);
    } else if (strcmp(argument, "--volatile") == 0) {
        traits.is_volatile = true;
    } else if (strcmp(argument, "--trusts-pages") == 0) {
        traits.trusts_pages = true;
    } else if (take_number(argument, "--points=", &traits.points) ||
               take_number(argument, "--seed=", &traits.seed) ||
               take_number(argument, "--walks=", &traits.walks)) {
        return;
    } else if (argument[0] != '-' && equals != NULL) {
        *equals = '\0';
        subject_set(argument, equals + 1);
    } else {
        not_understood(argument);
    }
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc < 2) {
        (void)fprintf(stderr,
                      "usage: %s PLUGIN.so [--only=GROUP]... [--volatile] [--trusts-pages] "
                      "[--points=N] [--seed=N] [--walks=N] [KEY=VALUE]...\n",
                      argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc; i++)
        take_argument(argv[i]);
    subject_load(argv[1]);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (is_limited && !groups[i].is_wanted)
            continue;
        if (traits.is_volatile && groups[i].needs_durable)
            (void)fprintf(stderr, "SKIPPED: %s: the store is volatile\n", groups[i].name);
        else
            failed += groups[i].run();
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
