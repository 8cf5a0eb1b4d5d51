/* SPDX-License-Identifier: ISC */
/*
 * Addresses and networks, from text and to text.
 */
#include "net/address.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_parse_and_format(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        const char *want; /* NULL: NOT_FOUND */
        const char *want_port;
    } cases[] = {
        {"v4", "192.0.2.1", "192.0.2.1", "192.0.2.1:25"},
        {"v6", "2001:DB8::0:1", "2001:db8::1", "[2001:db8::1]:25"},
        {"v6 literal", "IPv6:2001:db8::1", "2001:db8::1", "[2001:db8::1]:25"},
        {"tag in capitals", "IPV6:::1", "::1", "[::1]:25"},
        {"mapped is v4", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:25"},
        {"longest", "1111:2222:3333:4444:5555:6666:7777:8888",
         "1111:2222:3333:4444:5555:6666:7777:8888", "[1111:2222:3333:4444:5555:6666:7777:8888]:25"},
        {"v4 with the v6 tag", "IPv6:192.0.2.1", NULL, NULL},
        {"too few octets", "192.0.2", NULL, NULL},
        {"octal", "192.0.2.010", NULL, NULL},
        {"too large", "192.0.2.256", NULL, NULL},
        {"a name", "mx.example", NULL, NULL},
        {"empty", "", NULL, NULL},
        {"only the tag", "IPv6:", NULL, NULL},
        {"blank behind", "192.0.2.1 ", NULL, NULL},
        {"far too long", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee",
         NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address address;
        sluice_status status = address_parse(sluice_span_of(cases[i].text), 25, &address);

        print_message("  %s\n", cases[i].name);
        assert_int_equal(status, cases[i].want != NULL ? SLUICE_OK : SLUICE_NOT_FOUND);
        if (cases[i].want == NULL)
            continue;
        assert_string_equal(address_format(&address, text), cases[i].want);
        assert_string_equal(address_format_port(&address, text), cases[i].want_port);
        assert_int_equal(address_port(&address), 25);
    }
}

static void test_embedded_nul_is_no_address(void **state)
{
    struct address address;

    (void)state;
    assert_int_equal(address_parse(SPAN_LITERAL("192.0.2.1\0.evil"), 0, &address),
                     SLUICE_NOT_FOUND);
}

static void test_listen(void **state)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: CONFIG */
    } cases[] = {
        {"127.0.0.1:2525", "127.0.0.1:2525"},
        {"0.0.0.0:25", "0.0.0.0:25"},
        {"[::]:25", "[::]:25"},
        {"[::1]:0", "[::1]:0"},
        {"127.0.0.1", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:2x", NULL},
        {"::1:25", NULL},
        {"[::1]", NULL},
        {"[::1", NULL},
        {":25", NULL},
        {"localhost:25", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct error err = ERROR_INIT;
        struct address address;
        sluice_status status = address_parse_listen(sluice_span_of(cases[i].text), &address, &err);

        print_message("  \"%s\" %s\n", cases[i].text, err.text);
        if (cases[i].want != NULL) {
            assert_int_equal(status, SLUICE_OK);
            assert_string_equal(address_format_port(&address, text), cases[i].want);
        } else {
            assert_int_equal(status, SLUICE_CONFIG);
            assert_string_not_equal(err.text, "");
        }
    }
}

static struct address parsed(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(sluice_span_of(text), 0, &address), SLUICE_OK);
    return address;
}

static void test_equal_and_wildcard(void **state)
{
    struct address v4 = parsed("192.0.2.1");
    struct address mapped = parsed("::ffff:192.0.2.1");
    struct address v6 = parsed("2001:db8::1");
    struct address any_v4 = parsed("0.0.0.0");
    struct address any_v6 = parsed("::");
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct address other;
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_true(address_equal(&v4, &mapped));
    assert_false(address_equal(&v4, &v6));
    assert_true(address_is_wildcard(&any_v4));
    assert_true(address_is_wildcard(&any_v6));
    assert_false(address_is_wildcard(&v6));
    address_from_sockaddr(&local, sizeof(local), &other);
    assert_string_equal(address_format(&other, text), "unknown");
    assert_false(address_equal(&other, &other));
    assert_false(address_is_wildcard(&other));
    address_from_sockaddr(&mapped.any, mapped.len, &other);
    assert_true(address_equal(&other, &v4));
}

static void test_networks(void **state)
{
    static const struct {
        const char *network;
        const char *address;
        bool want;
    } cases[] = {
        {"127.0.0.0/8", "127.255.0.1", true},
        {"127.0.0.0/8", "128.0.0.1", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"!192.0.2.7", "192.0.2.7", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"[::ffff:127.0.0.0]/104", "127.1.2.3", true},
        {"[::ffff:127.0.0.0]/104", "128.1.2.3", false},
        {"::ffff:192.0.2.7", "192.0.2.7", true},
        {"[2001:db8::]/32", "2001:db8:ffff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"[::1]", "::1", true},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct network network;
        struct address address = parsed(cases[i].address);
        struct error err = ERROR_INIT;

        print_message("  %s in %s\n", cases[i].address, cases[i].network);
        assert_int_equal(network_parse(sluice_span_of(cases[i].network), &network, &err),
                         SLUICE_OK);
        assert_int_equal(network_contains(&network, &address), cases[i].want);
        assert_int_equal(network.is_negated, cases[i].network[0] == '!');
    }
}

static void test_bad_networks(void **state)
{
    static const char *const cases[] = {
        "127.0.0.1/8", "127.0.0.0/33", "127.0.0.0/", "127.0.0.0/x", "127/8",         "!",
        "[::1]/129",   "[::ffff:10.0.0.0]/95", "[::1]x",       "[::1",       "mx.example",  "2001:db8::1/32"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct network network;
        struct error err = ERROR_INIT;

        assert_int_equal(network_parse(sluice_span_of(cases[i]), &network, &err), SLUICE_CONFIG);
        print_message("  %s\n", err.text);
        assert_non_null(strstr(err.text, cases[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format), cmocka_unit_test(test_embedded_nul_is_no_address),
        cmocka_unit_test(test_listen),           cmocka_unit_test(test_equal_and_wildcard),
        cmocka_unit_test(test_networks),         cmocka_unit_test(test_bad_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
