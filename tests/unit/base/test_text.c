/* SPDX-License-Identifier: ISC */
/*
 * Texts in a place of fixed size: what fits, what is cut, numbers.
 */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_add(void **state)
{
    char place[32];
    struct text text = text_open(place, sizeof(place));

    (void)state;
    assert_string_equal(place, "");
    text_add(&text, "relay");
    text_add(&text, "");
    text_add_span(&text, (struct sluice_span){"[192.0.2.1]x", 11});
    text_add_span(&text, (struct sluice_span){NULL, 0});
    text_add(&text, ":");
    text_add_number(&text, 2525, 1);
    assert_string_equal(place, "relay[192.0.2.1]:2525");
    assert_int_equal(text.len, strlen(place));
    assert_false(text.is_cut);
}

static void test_cut(void **state)
{
    char place[8];
    struct text text = text_open(place, sizeof(place));

    (void)state;
    text_add(&text, "1234567");
    assert_false(text.is_cut);
    text_add(&text, "8");
    assert_true(text.is_cut);
    assert_string_equal(place, "1234567");
    text_copy(place, sizeof(place), "abcdefghij");
    assert_string_equal(place, "abcdefg");
    text_copy_span(place, 1, (struct sluice_span){"abc", 3});
    assert_string_equal(place, "");
}

static void test_numbers(void **state)
{
    static const struct {
        uint64_t number;
        int least_digits;
        const char *want;
    } cases[] = {
        {0, 1, "0"}, {0, 0, ""}, {7, 3, "007"}, {1234, 3, "1234"}, {UINT64_MAX, 1, "18446744073709551615"},
    };
    char place[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text = text_open(place, sizeof(place));
        text_add_number(&text, cases[i].number, cases[i].least_digits);
        assert_string_equal(place, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
