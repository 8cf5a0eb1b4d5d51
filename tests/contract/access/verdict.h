/* SPDX-License-Identifier: ISC */
/*
 * verdict: a sink that keeps what an access plugin says.
 */
#ifndef TESTS_CONTRACT_ACCESS_VERDICT_H
#define TESTS_CONTRACT_ACCESS_VERDICT_H

#include "sluice/access.h"

#include <stdio.h>

struct verdict {
    struct sluice_access_sink sdk;
    int32_t verdict, about, code;
    char dsn[16], text[256];
};

static inline void verdict_take(const struct sluice_access_sink *sdk, int32_t verdict, int32_t code,
                                const char *dsn, const char *text)
{
    union {
        const struct sluice_access_sink *borrowed;
        struct verdict *owned; /* sdk is its first member, and the test's own object not const */
    } either = {.borrowed = sdk};

    either.owned->verdict = verdict;
    either.owned->code = code;
    (void)snprintf(either.owned->dsn, sizeof(either.owned->dsn), "%s", dsn != NULL ? dsn : "");
    (void)snprintf(either.owned->text, sizeof(either.owned->text), "%s", text != NULL ? text : "");
}

static inline void verdict_decide(const struct sluice_access_sink *sdk,
                                  const struct sluice_access_verdict *verdict)
{
    union {
        const struct sluice_access_sink *borrowed;
        struct verdict *owned;
    } either = {.borrowed = sdk};

    verdict_take(sdk, verdict->verdict, verdict->code, verdict->dsn, verdict->text);
    either.owned->about = verdict->about;
}

static inline void verdict_init(struct verdict *verdict)
{
    memset(verdict, 0, sizeof(*verdict));
    verdict->sdk.struct_size = sizeof(verdict->sdk);
    verdict->sdk.verdict = verdict_take;
    verdict->sdk.decide = verdict_decide;
}

#endif /* TESTS_CONTRACT_ACCESS_VERDICT_H */
