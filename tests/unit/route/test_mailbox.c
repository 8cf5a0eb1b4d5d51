/* SPDX-License-Identifier: ISC */
/*
 * Paths of MAIL and RCPT: spec M-21, M-31, M-35, R-9, R-10.
 */
#include "route/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *name;
    const char *path;
    const char *address; /* NULL: bad syntax */
    const char *plain;   /* NULL: the same */
    const char *domain;
    bool is_routed;
} cases[] = {
    {"plain", "<a@b.test>", "a@b.test", NULL, "b.test", false},
    {"null sender", "<>", "", NULL, "", false},
    {"no brackets", "a@b.test", "a@b.test", NULL, "b.test", false},
    {"nothing", "", NULL, NULL, NULL, false},
    {"no domain", "<postmaster>", "postmaster", NULL, "", false},
    {"case is kept", "<U.x@Customer.TLD>", "U.x@Customer.TLD", NULL, "Customer.TLD", false},
    {"doubled bracket", "<a@b>>", "a@b", NULL, "b", false},
    {"open bracket", "<a@b", NULL, NULL, NULL, false},
    {"rest after bracket", "<a@b>c", NULL, NULL, NULL, false},
    {"source route", "<@x,@y:a@b>", "a@b", NULL, "b", false},
    {"source route alone", "<@x,@y:>", NULL, NULL, NULL, false},
    {"source route without end", "<@x>", NULL, NULL, NULL, false},
    {"dot at the end", "<u@dom.>", "u@dom", NULL, "dom", false},
    {"two dots at the end", "<u@dom..>", NULL, NULL, NULL, false},
    {"only a dot", "<u@.>", NULL, NULL, NULL, false},
    {"empty label", "<a@b..c>", NULL, NULL, NULL, false},
    {"dot first", "<u@.d>", NULL, NULL, NULL, false},
    {"hyphen first", "<a@-b>", NULL, NULL, NULL, false},
    {"hyphen last", "<a@b-.c>", NULL, NULL, NULL, false},
    {"underscore", "<a@_b.c>", "a@_b.c", NULL, "_b.c", false},
    {"bare address", "<a@1.2.3.4>", NULL, NULL, NULL, false},
    {"literal", "<a@[192.0.2.1]>", "a@[192.0.2.1]", NULL, "[192.0.2.1]", false},
    {"v6 literal", "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", NULL, "[IPv6:2001:db8::1]",
     false},
    {"v6 literal without tag", "<a@[2001:db8::1]>", NULL, NULL, NULL, false},
    {"bad literal", "<a@[300.0.2.1]>", NULL, NULL, NULL, false},
    {"half a literal", "<a@[192.0.2.1>", NULL, NULL, NULL, false},
    {"no domain after @", "<a@>", NULL, NULL, NULL, false},
    {"no local part", "<@b>", NULL, NULL, NULL, false},
    {"empty quotes", "<\"\"@b>", NULL, NULL, NULL, false},
    {"blank", "<a b@c>", NULL, NULL, NULL, false},
    {"blank in quotes", "<\"a b\"@c>", "\"a b\"@c", "a b@c", "c", false},
    {"needless quotes", "<\"ab\"@c>", "ab@c", NULL, "c", false},
    {"escapes", "<\"a\\\"\\\\b\"@c>", "\"a\\\"\\\\b\"@c", "a\"\\b@c", "c", false},
    {"open quote", "<\"a@c>", NULL, NULL, NULL, false},
    {"bracket in quotes", "<\"a>b\"@c>", "\"a>b\"@c", "a>b@c", "c", false},
    {"odd dots", "<a..b.@c>", "\"a..b.\"@c", "a..b.@c", "c", false},
    {"control", "<a\001@c>", NULL, NULL, NULL, false},
    {"carriage return", "<a\r@c>", NULL, NULL, NULL, false},
    {"8 bit", "<\303\274@c>", NULL, NULL, NULL, false},
    {"8 bit domain", "<u@\303\274.c>", NULL, NULL, NULL, false},
    {"comment", "<a(x)@c>", NULL, NULL, NULL, false},
    {"comma", "<a,b@c>", NULL, NULL, NULL, false},
    {"percent", "<user%other@relay>", "user%other@relay", NULL, "relay", true},
    {"two at", "<user@other@relay>", "\"user@other\"@relay", "user@other@relay", "relay", true},
    {"quoted at", "<\"u@other.test\"@relay>", "\"u@other.test\"@relay", "u@other.test@relay",
     "relay", true},
    {"bang", "<other!user@relay>", "other!user@relay", NULL, "relay", true},
};

static void assert_span(struct sluice_span got, const char *want)
{
    char text[512];

    assert_true(got.len < sizeof(text));
    (void)snprintf(text, sizeof(text), "%.*s", (int)got.len, got.len > 0 ? got.ptr : "");
    assert_string_equal(text, want);
}

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mailbox mailbox = MAILBOX_INIT;
        print_message("  %s\n", cases[i].name);
        sluice_status st = mailbox_parse(sluice_span_of(cases[i].path), &mailbox);
        assert_int_equal(st, cases[i].address != NULL ? SLUICE_OK : SLUICE_PERM);
        if (st == SLUICE_OK) {
            const char *plain = cases[i].plain != NULL ? cases[i].plain : cases[i].address;
            assert_span(mailbox.address, cases[i].address);
            assert_span(mailbox.plain, plain);
            assert_span(mailbox.domain, cases[i].domain);
            assert_int_equal(mailbox.is_routed, cases[i].is_routed);
        }
        mailbox_done(&mailbox);
    }
}

static void test_long_names(void **state)
{
    char path[400];
    struct mailbox mailbox = MAILBOX_INIT;

    (void)state;
    (void)snprintf(path, sizeof(path), "<a@%063d.test>", 0);
    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_OK);
    mailbox_done(&mailbox);
    (void)snprintf(path, sizeof(path), "<a@%064d.test>", 0);
    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_PERM);
    (void)snprintf(path, sizeof(path), "<a@%060d.%060d.%060d.%060d.%08d.test>", 0, 0, 0, 0, 0);
    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_PERM);
}

#define FUZZ_ROUNDS 50000
#define FUZZ_LEN_MAX 24

/* Whatever is accepted is printable, and its one form is read as the same address again. */
static void test_random_paths(void **state)
{
    static const char bytes[] = "<>@\"\\.,:[]- aZ09!%\r\n\t\x01\x7f\xc3";
    size_t accepted = 0;
    unsigned seed = 3;

    (void)state;
    for (int round = 0; round < FUZZ_ROUNDS; round++) {
        struct mailbox mailbox = MAILBOX_INIT;
        struct mailbox again = MAILBOX_INIT;
        char path[FUZZ_LEN_MAX];
        char *copy;
        size_t len = (size_t)rand_r(&seed) % sizeof(path);

        for (size_t i = 0; i < len; i++)
            path[i] = bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
        if (mailbox_parse((struct sluice_span){.ptr = path, .len = len}, &mailbox) != SLUICE_OK)
            continue;
        for (size_t i = 0; i < mailbox.address.len; i++)
            assert_in_range(mailbox.address.ptr[i], ' ', '~');
        if (mailbox.address.len > 0) {
            assert_int_not_equal(asprintf(&copy, "<%.*s>", SPAN_ARGS(mailbox.address)), -1);
            assert_int_equal(mailbox_parse(sluice_span_of(copy), &again), SLUICE_OK);
            assert_true(span_equal(again.address, mailbox.address));
            assert_true(span_equal(again.plain, mailbox.plain));
            mailbox_done(&again);
            free(copy);
            accepted++;
        }
        mailbox_done(&mailbox);
    }
    assert_true(accepted > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_random_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
