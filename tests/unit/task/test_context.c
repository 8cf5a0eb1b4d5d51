/* SPDX-License-Identifier: ISC */
/*
 * The switch between contexts: control comes back to where it left, registers and control words are
 * kept, a new stack is aligned. test_context_portable.c builds the same test on ucontext.
 */
#include "task/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#define STACK_SIZE ((size_t)64 * 1024)
#define SWITCHES 1000

static struct context here;
static struct context there;
static _Alignas(16) char stacks[4][STACK_SIZE]; /* what was left on one is poisoned for ASan */
static size_t stack_count;
static int turns;
static char text[64];

static void make(void (*entry)(void))
{
    assert_true(stack_count < sizeof(stacks) / sizeof(stacks[0]));
    context_make(&there, stacks[stack_count++], STACK_SIZE, entry);
}

static void go_there(void)
{
    context_switch(&here, &there);
}

static void come_back(void)
{
    context_switch(&there, &here);
}

static void count(void)
{
    for (;;) {
        turns++;
        come_back();
    }
}

static void test_comes_back(void **state)
{
    (void)state;
    turns = 0;
    make(count);
    for (int i = 1; i <= SWITCHES; i++) {
        go_there();
        assert_int_equal(turns, i);
    }
}

/* More live values than a processor has registers: those that a function keeps are among them. */
static uint64_t mix(uint64_t seed, void (*in_between)(void))
{
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    double x = (double)seed * 1.5, y = (double)seed * 2.5, z = (double)seed * 3.5;

    for (int i = 0; i < SWITCHES; i++) {
        in_between();
        a += b ^ (uint64_t)i;
        b += c;
        c += d;
        d += e;
        e += f;
        f += a;
        x += y / 2;
        y += z / 4;
        z += 1;
    }
    return a ^ b ^ c ^ d ^ e ^ f ^ (uint64_t)x ^ (uint64_t)y ^ (uint64_t)z;
}

static void nothing(void)
{
}

static uint64_t result_there;

static void mix_there(void)
{
    result_there = mix(2, come_back);
    for (;;)
        come_back();
}

static void test_keeps_registers(void **state)
{
    (void)state;
    make(mix_there);
    assert_true(mix(1, go_there) == mix(1, nothing));
    go_there(); /* it has one turn less behind it */
    assert_true(result_there == mix(2, nothing));
}

/* printf with doubles stores vectors on the stack, and crashes where it is not aligned. */
static void print(void)
{
    volatile double value = 1.25;

    (void)snprintf(text, sizeof(text), "%.3f %.2e", value, value);
    come_back();
}

static void test_stack_is_aligned(void **state)
{
    (void)state;
    make(print);
    go_there();
    assert_string_equal(text, "1.250 1.25e+00");
}

#ifdef __x86_64__
static unsigned mode_there;

static void round_up(void)
{
    mode_there = _MM_GET_ROUNDING_MODE();
    _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
    come_back();
    mode_there = _MM_GET_ROUNDING_MODE();
    come_back();
}

static void test_keeps_control_words(void **state)
{
    (void)state;
    make(round_up);
    go_there();
    assert_int_equal(mode_there, _MM_ROUND_NEAREST);
    assert_int_equal(_MM_GET_ROUNDING_MODE(), _MM_ROUND_NEAREST);
    go_there();
    assert_int_equal(mode_there, _MM_ROUND_UP);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_keeps_registers),
        cmocka_unit_test(test_stack_is_aligned),
#ifdef __x86_64__
        cmocka_unit_test(test_keeps_control_words),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
