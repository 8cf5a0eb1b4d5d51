/* SPDX-License-Identifier: ISC */
/* What strangers and directories say has to pass through JSON, and to be read again on the other side. */
#include "base/json_text.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_any_bytes_can_be_read_again(void **state)
{
    static const struct {
        struct sluice_span bytes;
        const char *want;
    } cases[] = {
        {{"", 0}, ""}, {{NULL, 0}, ""}, {{"j\xc3\xb6rg", 5}, "j\xc3\xb6rg"}, {{"a\r\n", 3}, "a\r\n"},
        {{"\xff\xfe@b", 4}, "??@b"}, {{"a\0b", 3}, "a?b"}, {{"\xff\0", 2}, "??"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *list = json_pack("[o]", json_text(cases[i].bytes));
        struct buffer text = BUFFER_INIT;

        json_format(list, &text);
        json_decref(list);
        list = json_loadb(text.ptr, text.len, 0, NULL);
        assert_string_equal(json_string_value(json_array_get(list, 0)), cases[i].want);
        json_decref(list);
        buffer_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_bytes_can_be_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
