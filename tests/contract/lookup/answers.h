/* SPDX-License-Identifier: ISC */
/*
 * answers: sinks that keep what a lookup plugin says.
 */
#ifndef TESTS_CONTRACT_LOOKUP_ANSWERS_H
#define TESTS_CONTRACT_LOOKUP_ANSWERS_H

#include "sluice/lookup.h"

#include <stdio.h>

#define ANSWER_MAX 512

struct answer {
    struct sluice_lookup_sink sdk;
    int count;
    char value[ANSWER_MAX]; /* the latest */
    size_t len;             /* its length, however much of it was kept */
};

static inline void answer_take(const struct sluice_lookup_sink *sdk, struct sluice_span value)
{
    union {
        const struct sluice_lookup_sink *borrowed;
        struct answer *owned; /* sdk is its first member, and the test's own object not const */
    } either = {.borrowed = sdk};

    either.owned->count++;
    either.owned->len = value.len;
    (void)snprintf(either.owned->value, ANSWER_MAX, "%.*s", (int)value.len, value.ptr);
}

static inline void answer_init(struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->sdk.struct_size = sizeof(answer->sdk);
    answer->sdk.value = answer_take;
}

/* All entries as "key=value" lines. */
struct listing {
    struct sluice_lookup_entry_sink sdk;
    int count, stop_after; /* 0: never */
    char lines[4 * ANSWER_MAX];
};

static inline sluice_status listing_take(const struct sluice_lookup_entry_sink *sdk,
                                         struct sluice_span key, struct sluice_span value)
{
    union {
        const struct sluice_lookup_entry_sink *borrowed;
        struct listing *owned; /* as above */
    } either = {.borrowed = sdk};
    struct listing *listing = either.owned;
    size_t used = strlen(listing->lines);

    listing->count++;
    (void)snprintf(listing->lines + used, sizeof(listing->lines) - used, "%.*s=%.*s\n",
                   (int)key.len, key.ptr, (int)value.len, value.ptr);
    return listing->count == listing->stop_after ? SLUICE_PERM : SLUICE_OK;
}

static inline void listing_init(struct listing *listing)
{
    memset(listing, 0, sizeof(*listing));
    listing->sdk.struct_size = sizeof(listing->sdk);
    listing->sdk.entry = listing_take;
}

#endif /* TESTS_CONTRACT_LOOKUP_ANSWERS_H */
