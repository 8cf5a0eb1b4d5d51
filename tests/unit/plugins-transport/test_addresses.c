/* SPDX-License-Identifier: ISC */
/*
 * addresses: reading and writing them, comparing, random order, the limit.
 */
#include "addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct address parse(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(sluice_span_of(text), &address), SLUICE_OK);
    return address;
}

static void test_text(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"[192.0.2.1]", "192.0.2.1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"[2001:db8:0:0::1]", "2001:db8::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"fe80::1%eth0", "fe80::1"},
        {"::", "::"},
        {"0.0.0.0", "0.0.0.0"},
    };
    static const char *const bad[] = {
        "",          "1.2.3",
        "1.2.3.4.5", "host",
        "[]",        "[1.2.3.4",
        "%eth0",     "1.2.3.4 ",
        "::g",       "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct address address;
    char text[INET6_ADDRSTRLEN];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        address = parse(cases[i].text);
        address_format(&address, text);
        assert_string_equal(text, cases[i].canonical);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(address_parse(sluice_span_of(bad[i]), &address), SLUICE_TEMP);
}

static void test_properties(void **state)
{
    struct address v4 = parse("192.0.2.1"), mapped = parse("::ffff:192.0.2.1"), v6 = parse("::1");
    struct address zero4 = parse("0.0.0.0"), zero6 = parse("::");

    (void)state;
    assert_true(address_equals(&v4, &mapped));
    assert_false(address_equals(&v4, &v6));
    assert_true(address_is_v4(&mapped));
    assert_false(address_is_v4(&v6));
    assert_true(address_is_unspecified(&zero4));
    assert_true(address_is_unspecified(&zero6));
    assert_false(address_is_unspecified(&v4));
    assert_false(address_is_unspecified(&v6));
}

/* "4" and "6" for the families, in order; each address another one. */
static void fill(struct address_list *list, const char *families)
{
    list->count = 0;
    for (size_t i = 0; families[i] != '\0'; i++) {
        char text[32];
        struct address address;

        (void)snprintf(text, sizeof(text), families[i] == '4' ? "192.0.2.%zu" : "2001:db8::%zx", i);
        address = parse(text);
        addresses_add(list, sluice_span_of(families), &address);
    }
}

static void test_limit(void **state)
{
    static const struct {
        const char *families;
        size_t limit;
        const char *kept; /* positions: a is the first */
    } cases[] = {
        {"444", 0, "abc"},        {"444", 3, "abc"},
        {"444", 5, "abc"},        {"4444444", 5, "abcde"},
        {"66666664", 5, "abcdh"}, {"44444466", 5, "abcgh"},
        {"44466666", 5, "abcde"}, {"6666644444", 5, "abcfg"},
        {"4646464", 4, "abcd"},   {"4446", 1, "a"},
        {"64", 1, "a"},           {"446", 2, "ac"},
    };
    struct address_list *list = malloc(sizeof(*list)), *all = malloc(sizeof(*all));

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s to %zu\n", cases[i].families, cases[i].limit);
        fill(list, cases[i].families);
        fill(all, cases[i].families);
        addresses_limit(list, cases[i].limit);
        assert_int_equal(list->count, strlen(cases[i].kept));
        for (size_t k = 0; k < list->count; k++)
            assert_true(
                address_equals(&list->list[k].address, &all->list[cases[i].kept[k] - 'a'].address));
    }
    free(list);
    free(all);
}

static void test_add(void **state)
{
    struct address_list *list = calloc(1, sizeof(*list));
    char name[DESTINATION_NAME_MAX + 1];
    struct address address = parse("192.0.2.1");

    (void)state;
    memset(name, 'a', sizeof(name));
    addresses_add(list, (struct sluice_span){name, sizeof(name)}, &address);
    assert_int_equal(list->count, 0);
    addresses_add(list, (struct sluice_span){name, sizeof(name) - 1}, &address);
    addresses_add(list, sluice_span_of("other"), &address);
    assert_int_equal(list->count, 2);
    for (int i = 0; i < ADDRESSES_MAX + 5; i++) {
        address.binary.s6_addr[0] = (unsigned char)(i + 1);
        addresses_add(list, sluice_span_of("x"), &address);
    }
    assert_int_equal(list->count, ADDRESSES_MAX);
    free(list);
}

/* Each order of three comes up, about as often; what stands before first stays. */
static void test_shuffle(void **state)
{
    struct address_list *list = malloc(sizeof(*list));
    uint64_t random = 1;
    int seen[64] = {0}, orders = 0;

    (void)state;
    for (int i = 0; i < 6000; i++) {
        int order = 0;

        fill(list, "6444");
        addresses_shuffle(list, 1, &random);
        assert_int_equal(list->count, 4);
        assert_false(address_is_v4(&list->list[0].address));
        for (size_t k = 1; k < 4; k++)
            order = order * 4 + list->list[k].address.binary.s6_addr[15];
        seen[order]++;
    }
    for (size_t i = 0; i < 64; i++) {
        orders += seen[i] > 0;
        assert_true(seen[i] == 0 || (seen[i] > 800 && seen[i] < 1200));
    }
    assert_int_equal(orders, 6);
    fill(list, "");
    addresses_shuffle(list, 0, &random);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),    cmocka_unit_test(test_properties),
        cmocka_unit_test(test_limit),   cmocka_unit_test(test_add),
        cmocka_unit_test(test_shuffle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
