/* SPDX-License-Identifier: ISC */
/*
 * destination: every form of a next hop, and what is none.
 */
#include "destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct services services; /* smtp, submission */

static const struct {
    const char *text;
    sluice_status status;
    const char *name;
    uint32_t port;
    int is_numeric;
} cases[] = {
    {"customer.tld", SLUICE_OK, "customer.tld", 0, 0},
    {"customer.tld.", SLUICE_OK, "customer.tld", 0, 0},
    {"customer.tld:2525", SLUICE_OK, "customer.tld", 2525, 0},
    {"customer.tld:smtp", SLUICE_OK, "customer.tld", 25, 0},
    {"customer.tld:SUBMISSION", SLUICE_OK, "customer.tld", 587, 0},
    {"localhost", SLUICE_OK, "localhost", 0, 0},
    {"under_score.test", SLUICE_OK, "under_score.test", 0, 0},
    {"[mailhost.customer.tld]", SLUICE_OK, "mailhost.customer.tld", 0, 0},
    {"[mailhost.customer.tld]:1", SLUICE_OK, "mailhost.customer.tld", 1, 0},
    {"[mailhost.customer.tld]:65535", SLUICE_OK, "mailhost.customer.tld", 65535, 0},
    {"192.0.2.1", SLUICE_OK, "192.0.2.1", 0, 1},
    {"192.0.2.1:26", SLUICE_OK, "192.0.2.1", 26, 1},
    {"2001:db8::1", SLUICE_OK, "2001:db8::1", 0, 1},
    {"[192.0.2.1]", SLUICE_OK, "192.0.2.1", 0, 1},
    {"[2001:db8::1]:26", SLUICE_OK, "2001:db8::1", 26, 1},
    {"[ipv6:2001:db8::1]", SLUICE_OK, "2001:db8::1", 0, 1},
    {"[IPV6:::1]:26", SLUICE_OK, "::1", 26, 1},
    {"", SLUICE_TEMP, NULL, 0, 0},
    {".", SLUICE_TEMP, NULL, 0, 0},
    {"[", SLUICE_TEMP, NULL, 0, 0},
    {"[]", SLUICE_TEMP, NULL, 0, 0},
    {"[.]", SLUICE_TEMP, NULL, 0, 0},
    {"[host", SLUICE_TEMP, NULL, 0, 0},
    {"host]", SLUICE_TEMP, NULL, 0, 0},
    {"[[host]]", SLUICE_TEMP, NULL, 0, 0},
    {"[host]25", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:0", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:65536", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:99999999999999999999", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:-1", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:25x", SLUICE_TEMP, NULL, 0, 0},
    {"[host]:nosuch", SLUICE_TEMP, NULL, 0, 0},
    {"host:", SLUICE_TEMP, NULL, 0, 0},
    {":25", SLUICE_TEMP, NULL, 0, 0},
    {"a:1:2", SLUICE_TEMP, NULL, 0, 0},
    {"a..b", SLUICE_TEMP, NULL, 0, 0},
    {".a", SLUICE_TEMP, NULL, 0, 0},
    {"a b", SLUICE_TEMP, NULL, 0, 0},
    {"a@b", SLUICE_TEMP, NULL, 0, 0},
    {"a\nb", SLUICE_TEMP, NULL, 0, 0},
    {"\xc3\xa4.test", SLUICE_TEMP, NULL, 0, 0},
    {"[ipv6:host]", SLUICE_TEMP, NULL, 0, 0},
    {"[ipv6:]", SLUICE_TEMP, NULL, 0, 0},
    {"[2001:db8::g]", SLUICE_TEMP, NULL, 0, 0},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct destination destination;
        sluice_status st = destination_parse(sluice_span_of(cases[i].text), &services, &destination);

        print_message("\"%s\"\n", cases[i].text);
        assert_int_equal(st, cases[i].status);
        if (st != SLUICE_OK)
            continue;
        assert_string_equal(destination.name, cases[i].name);
        assert_int_equal(destination.port, cases[i].port);
        assert_int_equal(destination.is_numeric, cases[i].is_numeric);
    }
}

static const struct {
    const char *text;
    int is_host;
    const char *rest;
} hosts[] = {
    {"customer.tld", 0, "customer.tld"},
    {"[customer.tld]", 1, "[customer.tld]"},
    {"[customer", 1, "[customer"},
    {"inet:customer.tld:24", 1, "customer.tld:24"},
    {"inet:[192.0.2.1]:24", 1, "[192.0.2.1]:24"},
    {"inet", 0, "inet"},
    {"inet:", 0, "inet:"},
    {"INET:x", 0, "INET:x"},
    {"", 0, ""},
};

static void test_what_names_one_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct sluice_span text = sluice_span_of(hosts[i].text);

        print_message("\"%s\"\n", hosts[i].text);
        assert_int_equal(destination_is_host(&text), hosts[i].is_host);
        assert_int_equal(text.len, strlen(hosts[i].rest));
        assert_memory_equal(text.ptr, hosts[i].rest, text.len);
    }
}

/* Not NUL-terminated: every beginning of a good one, in a block of its own size. */
static void test_every_beginning(void **state)
{
    static const char whole[] = "[ipv6:2001:db8::1]:2525";

    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        struct destination destination;
        char *copy = malloc(len + 1);
        char *end = copy + 1; /* so that a read before it is seen as well as one behind */

        memcpy(end, whole, len);
        assert_int_equal(destination_parse((struct sluice_span){end, len}, &services, &destination),
                         len == strlen("[ipv6:2001:db8::1]") ||
                                 (len > strlen("[ipv6:2001:db8::1]:") && len < sizeof(whole))
                             ? SLUICE_OK
                             : SLUICE_TEMP);
        free(copy);
    }
}

static void test_long_names(void **state)
{
    char text[DESTINATION_NAME_MAX + 3];
    struct destination destination;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 64 == 63 ? '.' : 'a';
    assert_int_equal(
        destination_parse((struct sluice_span){text, DESTINATION_NAME_MAX}, &services, &destination),
        SLUICE_OK);
    assert_int_equal(
        destination_parse((struct sluice_span){text, DESTINATION_NAME_MAX + 1}, &services,
                          &destination),
        SLUICE_TEMP);
    memset(text, 'a', 64); /* a label of 64 */
    assert_int_equal(destination_parse((struct sluice_span){text, 64}, &services, &destination),
                     SLUICE_TEMP);
    assert_int_equal(destination_parse((struct sluice_span){text, 63}, &services, &destination),
                     SLUICE_OK);
    assert_int_equal(destination_parse((struct sluice_span){"a\0b", 3}, &services, &destination),
                     SLUICE_TEMP);
}

/* Spec R-30; known_tcp_ports as Postfix has it. */
static void test_services(void **state)
{
    static const struct {
        const char *item;
        sluice_status status;
    } items[] = {
        {"lmtp=24", SLUICE_OK},        {"smtps=submissions=465", SLUICE_OK},
        {"x=65535", SLUICE_OK},        {"x=1", SLUICE_OK}, /* the first one counts */
        {"", SLUICE_CONFIG},           {"smtp", SLUICE_CONFIG},
        {"=25", SLUICE_CONFIG},        {"a==25", SLUICE_CONFIG},
        {"a=", SLUICE_CONFIG},         {"a=0", SLUICE_CONFIG},
        {"a=65536", SLUICE_CONFIG},    {"a=99999999999", SLUICE_CONFIG},
        {"a=25x", SLUICE_CONFIG},
    };
    static const struct {
        const char *text;
        uint32_t port;
    } ports[] = {{"lmtp", 24}, {"SMTPS", 465},  {"submissions", 465}, {"x", 65535},
                 {"7", 7},     {"007", 7},      {"65536", 0},         {"", 0},
                 {"y", 0},     {"-1", 0},       {"1 ", 0}};
    struct services known = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        assert_int_equal(services_add_known(&known, items[i].item), items[i].status);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        assert_int_equal(services_port(&known, sluice_span_of(ports[i].text)), ports[i].port);
    services_add_system(&known); /* whatever that has: ours still count */
    assert_int_equal(services_port(&known, sluice_span_of("x")), 65535);
    services_done(&known);
}

static int add_services(void **state)
{
    (void)state;
    return services_add_known(&services, "smtp=25") != SLUICE_OK ||
           services_add_known(&services, "submission=587") != SLUICE_OK;
}

static int free_services(void **state)
{
    (void)state;
    services_done(&services);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_what_names_one_host),
        cmocka_unit_test(test_every_beginning),
        cmocka_unit_test(test_long_names),
    };

    return cmocka_run_group_tests(tests, add_services, free_services);
}
