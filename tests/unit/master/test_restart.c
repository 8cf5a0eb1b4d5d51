/* SPDX-License-Identifier: ISC */
/*
 * restart: at once, but not in a flood; deliver waits longer each time, until it has lived a minute.
 */
#include "master/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void at_once_but_not_in_a_flood(void **state)
{
    struct restart restart = {0};

    (void)state;
    for (int64_t now_ms = 0; now_ms < 4000; now_ms += 1000)
        assert_int_equal(restart_delay(&restart, false, 0, now_ms), 0);
    assert_int_equal(restart_delay(&restart, false, 0, 4000), RESTART_FLOOD_DELAY_MS);
    assert_int_equal(restart_delay(&restart, false, 0, 9000), RESTART_FLOOD_DELAY_MS);
    assert_int_equal(restart_delay(&restart, false, 0, 12000), 0); /* the fifth last: at 2000 */
    for (int64_t now_ms = 20000; now_ms < 100000; now_ms += 2500)
        assert_int_equal(restart_delay(&restart, false, 0, now_ms), 0); /* for ever: 5 in 10 s */
}

static void deliver_backs_off(void **state)
{
    static const int64_t want[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct restart restart = {0};
    int64_t now_ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(restart_delay(&restart, true, now_ms, now_ms + 59999), want[i]);
    assert_int_equal(restart_delay(&restart, true, 0, 60000), 0);
    assert_int_equal(restart_delay(&restart, true, 0, 1), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once_but_not_in_a_flood),
        cmocka_unit_test(deliver_backs_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
