/* SPDX-License-Identifier: ISC */
/*
 * The contract test of queue stores, ours and anybody's:
 *
 *   contract-queue PLUGIN.so [--volatile] [KEY=VALUE]...
 *
 * --volatile is for a store that keeps nothing beyond close(); the cases about that are
 * skipped, and it says so. KEY=VALUE sets an option of the store; small sizes test more.
 */
#include "cases.h"
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>

static void set(char *argument)
{
    char *equals = strchr(argument, '=');

    if (equals == NULL) {
        (void)fprintf(stderr, "%s: neither --volatile nor KEY=VALUE\n", argument);
        exit(EXIT_FAILURE);
    }
    *equals = '\0';
    subject_set(argument, equals + 1);
}

int main(int argc, char **argv)
{
    bool is_volatile = false;
    int failed;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PLUGIN.so [--volatile] [KEY=VALUE]...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--volatile") == 0)
            is_volatile = true;
        else
            set(argv[i]);
    }
    subject_load(argv[1], is_volatile);
    failed = run_contract_cases();
    if (is_volatile) {
        (void)fprintf(stderr, "SKIPPED: all cases about what survives close(), a crash or a full "
                              "disk: the store is volatile\n");
    } else {
        failed += run_durable_cases();
        failed += run_fault_cases();
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
