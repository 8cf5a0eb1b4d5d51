/* SPDX-License-Identifier: ISC */
/*
 * clock: the system's clocks, or those that a test has set. The setting is process-wide by nature:
 * time is one for everybody.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool is_set;
static _Atomic int64_t set_monotonic_ms;
static _Atomic int64_t set_wall_ms;

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t read_clock(clockid_t id)
{
    return read_clock_us(id) / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return atomic_load(&is_set) ? atomic_load(&set_monotonic_ms) : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_us(void)
{
    return atomic_load(&is_set) ? atomic_load(&set_monotonic_ms) * 1000
                                : read_clock_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return atomic_load(&is_set) ? atomic_load(&set_wall_ms) : read_clock(CLOCK_REALTIME);
}

void clock_set(int64_t monotonic_ms, int64_t wall_ms)
{
    atomic_store(&set_monotonic_ms, monotonic_ms);
    atomic_store(&set_wall_ms, wall_ms);
    atomic_store(&is_set, true);
}

void clock_real(void)
{
    atomic_store(&is_set, false);
}
