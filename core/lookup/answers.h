/* SPDX-License-Identifier: ISC */
/*
 * answers: those of one table, for as long as they count. Whoever fills it says what time it is.
 *
 * Bounded in bytes: the answer that has not been asked for longest goes first.
 */
#ifndef LOOKUP_ANSWERS_H
#define LOOKUP_ANSWERS_H

#include "sluice/types.h"

#include <stdbool.h>

struct answers;

struct answers_limits {
    int64_t positive_ms; /* how long a value counts; 0: not at all */
    int64_t negative_ms; /* the same for "there is none" */
    size_t bytes_max;    /* all in all, with what each answer costs beside its bytes */
};

/* TEMP: no memory. */
sluice_status answers_new(const struct answers_limits *limits, struct answers **ret_answers);
void answers_free(struct answers *answers); /* accepts NULL */
/* OK, with the value, which stays the set's until its next call; NOT_FOUND: the table has none;
 * TEMP: what the table has is not known here. */
sluice_status answers_find(struct answers *answers, struct sluice_span key, int64_t now_ms,
                           struct sluice_span *ret_value);
/* Instead of what is there for that key: OK with its value, or NOT_FOUND. Without memory it is not kept. */
void answers_put(struct answers *answers, struct sluice_span key, sluice_status status,
                 struct sluice_span value, int64_t now_ms);
/* Forgets the answer to that key, or all; how many they were. */
size_t answers_forget(struct answers *answers, struct sluice_span key);
size_t answers_forget_all(struct answers *answers);
/* How many there are, and what they take. */
size_t answers_count(const struct answers *answers);
size_t answers_bytes(const struct answers *answers);
/* How long ago that of the key was put; 0: there is none. */
int64_t answers_age(const struct answers *answers, struct sluice_span key, int64_t now_ms);

#endif
