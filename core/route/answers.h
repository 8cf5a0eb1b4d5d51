/* SPDX-License-Identifier: ISC */
/*
 * answers: what tables have said, each for as long as it counts. Whoever fills it says what time it is.
 *
 * Bounded in bytes: the answer that has not been asked for longest goes first.
 */
#ifndef ROUTE_ANSWERS_H
#define ROUTE_ANSWERS_H

#include "sluice/types.h"

#include <stddef.h>
#include <stdint.h>

struct answers;

/* One that is kept; the value stays the set's, until its next call. */
struct answers_kept {
    sluice_status status; /* OK with its value, or NOT_FOUND */
    struct sluice_span value;
    int64_t since_ms; /* when it was put, */
    int64_t until_ms; /* and until when it counts */
};

/* bytes_max: all in all, with what each answer costs beside its bytes. TEMP: no memory. */
sluice_status answers_new(size_t bytes_max, struct answers **ret_answers);
void answers_free(struct answers *answers); /* accepts NULL */
/* Its status; TEMP: what the key maps to is not known here. */
sluice_status answers_find(struct answers *answers, struct sluice_span key, int64_t now_ms,
                           struct answers_kept *ret_kept);
/* Instead of what is there for that key; if it does not count beyond since_ms, or there is no memory,
 * nothing is. */
void answers_put(struct answers *answers, struct sluice_span key, const struct answers_kept *kept);
/* Forgets the answer to that key, or all; how many they were. */
size_t answers_forget(struct answers *answers, struct sluice_span key);
size_t answers_forget_all(struct answers *answers);
/* How many there are, and what they take. */
size_t answers_count(const struct answers *answers);
size_t answers_bytes(const struct answers *answers);

#endif
