/* SPDX-License-Identifier: ISC */
/*
 * clock: the time, in one place, so that tests can set it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX /* a deadline that does not come */

int64_t clock_monotonic_ms(void); /* for deadlines [any] */
int64_t clock_monotonic_us(void); /* for what takes less than a millisecond [any] */
int64_t clock_wall_ms(void);      /* since 1970 UTC [any] */

/* For tests: from now on both clocks stand still at these values; clock_real() ends it. */
void clock_set(int64_t monotonic_ms, int64_t wall_ms);
void clock_real(void);

#endif
