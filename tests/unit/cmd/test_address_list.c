/* SPDX-License-Identifier: ISC */
/*
 * address_list: what people and programs write, and which addresses that is.
 */
#include "address_list.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *want; /* with a bar behind each */
} cases[] = {
    {"", ""},
    {" , ;,", ""},
    {"a@x", "a@x|"},
    {"a", "a|"},
    {"a@x,b@x", "a@x|b@x|"},
    {"a@x; b@x", "a@x|b@x|"},
    {" a @ x . y ,\r\n\tb@x", "a@x.y|b@x|"},
    {"Name <a@x>", "a@x|"},
    {"\"Last, First\" <a@x>, Other One <b@x> (c@x)", "a@x|b@x|"},
    {"(one (two) three)a@x(four)", "a@x|"},
    {"(\\) a@y) a@x", "a@x|"},
    {"(never ends a@x", ""},
    {"<a@x", "a@x|"},
    {"<a@x, <b@x", "a@x|b@x|"},
    {"<>", ""},
    {"Nobody <>, a@x", "a@x|"},
    {"undisclosed-recipients:;", ""},
    {"Friends: a@x, Bee <b@x>; c@x", "a@x|b@x|c@x|"},
    {"<@h1,@h2:a@x>", "a@x|"},
    {"\"a b\"@x", "\"a b\"@x|"},
    {"\"plain\"@x", "plain@x|"},
    {"\"a,b\"@x,c@x", "\"a,b\"@x|c@x|"},
    {"\"q\\\"uote\"@x", "\"q\\\"uote\"@x|"},
    {"a@[192.0.2.1], b@[IPv6:2001:db8::1]", "a@[192.0.2.1]|b@[IPv6:2001:db8::1]|"},
    {"a@x, A@X, a@x", "a@x|"},
    {"u@bad..dom", "u@bad..dom|"},
    {"two words", "two?words|"},
    {"two words@x", "two?words@x|"},
    {"a\x01\xc3\xb6@x", "a???@x|"},
    {"\"un\r\nended@x", "?unended@x|"},
    {"a@x <b@x> c@x", "b@x|"},
    {"@", "@|"},
    {"<a b@x>", "a?b@x|"},
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address_list list = {0};
        char got[512] = "";
        assert_int_equal(address_list_add(&list, sluice_span_of(cases[i].text)), SLUICE_OK);
        for (size_t n = 0; n < list.count; n++) {
            size_t len = strlen(got);
            (void)snprintf(got + len, sizeof(got) - len, "%s|", list.items[n]);
        }
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("\"%s\": got %s, not %s", cases[i].text, got, cases[i].want);
        address_list_done(&list);
    }
}

/* Any text at all: nothing comes out that could be taken for another command or parameter. */
static void nothing_dangerous(void **state)
{
    static const char letters[] = "ab@.,;:<>()[]\"\\ \r\n\t\x01\xff%!";
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct address_list list = {0};
        char text[24];
        size_t len = 0;
        for (; len < sizeof(text) - 1 && (seed = seed * 1103515245 + 12345) % 97 != 0; len++)
            text[len] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        assert_int_equal(address_list_add(&list, (struct sluice_span){.ptr = text, .len = len}),
                         SLUICE_OK);
        for (size_t n = 0; n < list.count; n++) {
            assert_int_not_equal(list.items[n][0], '\0');
            assert_null(strpbrk(list.items[n], "\r\n\t\x01\xff"));
            if (strchr(list.items[n], '"') == NULL)
                assert_null(strpbrk(list.items[n], " <>"));
        }
        address_list_done(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(nothing_dangerous),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
