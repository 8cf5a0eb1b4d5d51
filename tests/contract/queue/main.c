/* SPDX-License-Identifier: ISC */
/*
 * The contract test of queue stores, ours and anybody's:
 *
 *   contract-queue PLUGIN.so [--volatile] [--trusts-pages] [--points=N] [KEY=VALUE]...
 *
 * --volatile       the store keeps nothing beyond close(): the cases about that are skipped
 * --trusts-pages   the store trusts the disk to write an aligned page of 4 KiB whole or not at all:
 *                  power cuts leave such pages whole, and the case of short writes is skipped
 * --points=N       failing calls are tried at about N calls of a scenario, evenly spread, and kills
 *                  and power cuts at about twice as many; default: at each
 * KEY=VALUE        sets an option of the store; small sizes test more
 *
 * What is skipped is said on standard error.
 */
#include "cases.h"
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>

static void take_argument(char *argument)
{
    char *equals = strchr(argument, '=');

    if (strcmp(argument, "--volatile") == 0) {
        traits.is_volatile = true;
    } else if (strcmp(argument, "--trusts-pages") == 0) {
        traits.trusts_pages = true;
    } else if (strncmp(argument, "--points=", 9) == 0) {
        traits.points = strtoul(argument + 9, NULL, 10);
    } else if (argument[0] != '-' && equals != NULL) {
        *equals = '\0';
        subject_set(argument, equals + 1);
    } else {
        (void)fprintf(stderr, "%s: not understood\n", argument);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc < 2) {
        (void)fprintf(stderr,
                      "usage: %s PLUGIN.so [--volatile] [--trusts-pages] [--points=N] "
                      "[KEY=VALUE]...\n",
                      argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc; i++)
        take_argument(argv[i]);
    subject_load(argv[1]);
    /* First what forks, as long as the process is small. */
    if (traits.is_volatile)
        (void)fprintf(stderr, "SKIPPED: all cases about what survives close(), a crash or a full "
                              "disk: the store is volatile\n");
    else
        failed = run_fault_cases() + run_durable_cases();
    failed += run_contract_cases();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
