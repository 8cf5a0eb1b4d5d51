/* SPDX-License-Identifier: ISC */
/*
 * Small modules of receive: settings, stock, the parameters of MAIL and RCPT.
 */
#include "base/span.h"
#include "receive/esmtp.h"
#include "receive/settings.h"
#include "receive/stock.h"
#include "receive/transaction.h"
#include "sluice/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- message_reject_characters --------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text;
    const char *characters; /* NULL: refused */
    size_t count;
} character_cases[] = {
    {"nothing", "", "", 0},
    {"NUL", "\\0", "\0", 1},
    {"three digits and plain ones", "\\033x\\177", "\033x\177", 3},
    {"names", "\\a\\b\\f\\v\\t\\\\", "\a\b\f\v\t\\", 6},
    {"digits end", "\\0009",
     "\0"
     "9",
     2},
    {"unknown", "\\q", NULL, 0},
    {"too large", "\\777", NULL, 0},
    {"at the end", "x\\", NULL, 0},
};

static void test_reject_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(character_cases) / sizeof(character_cases[0]); i++) {
        struct settings settings = {0};
        struct error err = ERROR_INIT;
        print_message("  %s\n", character_cases[i].name);
        sluice_status st = settings_parse_characters(character_cases[i].text, &settings, &err);
        if (character_cases[i].characters == NULL) {
            assert_int_equal(st, SLUICE_CONFIG);
            continue;
        }
        assert_int_equal(st, SLUICE_OK);
        assert_int_equal(settings.reject_character_count, character_cases[i].count);
        assert_memory_equal(settings.reject_characters, character_cases[i].characters,
                            character_cases[i].count);
    }
}

/* ---- stock ----------------------------------------------------------------------------------- */

static void test_stock(void **state)
{
    struct stock stock = {0};

    (void)state;
    assert_false(credit_try(&stock.credit, 1));
    stock_set(&stock, 100);
    assert_true(credit_try(&stock.credit, 60));
    assert_false(credit_try(&stock.credit, 41));
    stock_set(&stock, 50); /* 60 are out: 10 more than there may be */
    assert_false(credit_try(&stock.credit, 1));
    stock_give(&stock, 20);
    assert_true(credit_try(&stock.credit, 10));
    assert_false(credit_try(&stock.credit, 1));
    stock_set(&stock, 0); /* the giver is gone, 50 are out */
    stock_set(&stock, 70);
    assert_true(credit_try(&stock.credit, 20));
    assert_false(credit_try(&stock.credit, 1));
    stock_give(&stock, 70);
    assert_true(credit_try(&stock.credit, 70));
    assert_false(credit_try(&stock.credit, 1));
}

/* ---- parameters ------------------------------------------------------------------------------ */

static void test_mail_parameters(void **state)
{
    struct esmtp_mail mail;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL(""), 0, false, &mail, &err), SLUICE_OK);
    assert_int_equal(mail.size, 0);
    assert_int_equal(mail.ret, SLUICE_RET_DEFAULT);
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("  size=7\tBody=8bitmime Ret=Full ENVID=q+2B "),
                                      0, false, &mail, &err),
                     SLUICE_OK);
    assert_int_equal(mail.size, 7);
    assert_int_equal(mail.body, SLUICE_BODY_8BITMIME);
    assert_int_equal(mail.ret, SLUICE_RET_FULL);
    assert_true(span_equal(mail.envid, SPAN_LITERAL("q+2B")));
    assert_false(mail.is_verify);
    /* of local clients alone */
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("xverify"), 0, true, &mail, &err), SLUICE_OK);
    assert_true(mail.is_verify);
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("XVERIFY=1"), 0, true, &mail, &err), SLUICE_PERM);
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("XVERIFY"), 0, false, &mail, &err), SLUICE_PERM);
    assert_string_equal(err.text, "555 5.5.4 Unsupported option: XVERIFY");
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("XUNCHANGED"), 0, true, &mail, &err), SLUICE_OK);
    assert_true(mail.is_unchanged);
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("XUNCHANGED"), 0, false, &mail, &err),
                     SLUICE_PERM);
    /* no limit of ours, but one of the file system's */
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("SIZE=9223372036854775807"), 0, false, &mail, &err),
                     SLUICE_OK);
    assert_int_equal(esmtp_parse_mail(SPAN_LITERAL("SIZE=9223372036854775808"), 0, false, &mail, &err),
                     SLUICE_PERM);
    assert_string_equal(err.text, "552 5.3.4 Message size exceeds file system imposed limit");
}

static void test_rcpt_parameters(void **state)
{
    char text[ESMTP_ORCPT_MAX + 64];
    struct esmtp_rcpt rcpt;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(esmtp_parse_rcpt(SPAN_LITERAL("notify=never"), &rcpt, &err), SLUICE_OK);
    assert_int_equal(rcpt.notify, SLUICE_NOTIFY_NEVER);
    assert_int_equal(esmtp_parse_rcpt(SPAN_LITERAL("NOTIFY=DELAY,DELAY"), &rcpt, &err),
                     SLUICE_PERM);
    memset(text, 'x', sizeof(text));
    memcpy(text, "ORCPT=rfc822;", 13);
    struct sluice_span longest = {.ptr = text, .len = ESMTP_ORCPT_MAX + 6};
    assert_int_equal(esmtp_parse_rcpt(longest, &rcpt, &err), SLUICE_OK);
    assert_int_equal(rcpt.orcpt.len, ESMTP_ORCPT_MAX);
    longest.len++;
    assert_int_equal(esmtp_parse_rcpt(longest, &rcpt, &err), SLUICE_PERM);
}

static bool is_printable(struct sluice_span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '!' || value.ptr[i] > '~')
            return false;
    }
    return true;
}

#define FUZZ_ROUNDS 50000

/* Random words in which parameters occur: what is kept can be sent on as it is. */
static void test_random_parameters(void **state)
{
    static const char *const pieces[] = {
        "SIZE=",    "BODY=8BITMIME",
        "RET=",     "FULL",
        "HDRS",     "ENVID=",
        "NOTIFY=",  "NEVER",
        "SUCCESS,", "DELAY",
        "ORCPT=",   ";",
        "+",        "2B",
        "99",       "=",
        " ",        "\t",
        "rfc822",   "\r",
        "\x01",     "\xff",
        ",",        "-",
    };
    unsigned seed = 4;

    (void)state;
    for (int round = 0; round < FUZZ_ROUNDS; round++) {
        struct error err = ERROR_INIT;
        struct esmtp_mail mail;
        struct esmtp_rcpt rcpt;
        char text[256] = ""; /* more than the longest pieces need */
        size_t len = 0;

        for (int n = rand_r(&seed) % 9; n > 0; n--)
            len += (size_t)snprintf(
                text + len, sizeof(text) - len, "%s",
                pieces[(size_t)rand_r(&seed) % (sizeof(pieces) / sizeof(pieces[0]))]);
        if (esmtp_parse_mail(sluice_span_of(text), 1000, false, &mail, &err) == SLUICE_OK)
            assert_true(mail.size <= 1000 && is_printable(mail.envid));
        else
            assert_int_equal(err.text[0], '5');
        if (esmtp_parse_rcpt(sluice_span_of(text), &rcpt, &err) == SLUICE_OK)
            assert_true(is_printable(rcpt.orcpt) && ((rcpt.notify & SLUICE_NOTIFY_NEVER) == 0 ||
                                                     rcpt.notify == SLUICE_NOTIFY_NEVER));
        else
            assert_int_equal(err.text[0], '5');
    }
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Adds recipients until it is told to stop. */
static sluice_status fill(struct transaction *transaction, size_t *ret_count)
{
    static char long_orcpt[ESMTP_ORCPT_MAX];
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = {.transport = SPAN_LITERAL("relay"), .nexthop = SPAN_LITERAL("x.test")};
    struct esmtp_rcpt rcpt = {.orcpt = {.ptr = long_orcpt, .len = sizeof(long_orcpt)}};
    sluice_status st;

    assert_int_equal(mailbox_parse(SPAN_LITERAL("<user@customer.tld>"), &mailbox), SLUICE_OK);
    route.recipient = mailbox.address;
    *ret_count = 0;
    while ((st = transaction_add(transaction, &mailbox, &route, &rcpt)) == SLUICE_OK)
        ++*ret_count;
    mailbox_done(&mailbox);
    return st;
}

#define GREEDY_TRANSACTIONS 40

/* Greedy clients take what is shared, and leave to each other what is its own. */
static void test_transactions_share_memory(void **state)
{
    struct transaction *greedy[GREEDY_TRANSACTIONS];
    struct esmtp_mail mail = {0};
    struct mailbox sender = MAILBOX_INIT;
    size_t shared = 0;
    size_t count = 0;
    size_t kept = 0;

    (void)state;
    for (size_t i = 0; i < GREEDY_TRANSACTIONS; i++) {
        greedy[i] = transaction_new(&sender, &sender, &mail, &shared);
        assert_non_null(greedy[i]);
        sluice_status st = fill(greedy[i], &count);
        assert_int_equal(st, i == 0 ? SLUICE_PERM : st); /* one alone: its envelope is full */
        assert_true(count >= 10);
        assert_true(shared <= TRANSACTION_SHARED_MAX);
        kept += greedy[i]->memory;
    }
    assert_true(kept <= TRANSACTION_SHARED_MAX + GREEDY_TRANSACTIONS * TRANSACTION_OWN_MAX);
    assert_int_equal(fill(greedy[GREEDY_TRANSACTIONS - 1], &count), SLUICE_TEMP);
    for (size_t i = 0; i < GREEDY_TRANSACTIONS; i++)
        transaction_free(greedy[i]);
    assert_int_equal(shared, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reject_characters), cmocka_unit_test(test_stock),
        cmocka_unit_test(test_mail_parameters),   cmocka_unit_test(test_rcpt_parameters),
        cmocka_unit_test(test_random_parameters), cmocka_unit_test(test_transactions_share_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
