/* SPDX-License-Identifier: ISC */
/*
 * envelope: MAIL and RCPT for peers of all abilities; what cannot be sent.
 */
#include "envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NONE                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
#define ALL                                                                                        \
    {                                                                                              \
        .has_8bitmime = 1, .has_dsn = 1, .has_smtputf8 = 1, .has_size = 1                          \
    }

static void test_mail(void **state)
{
    static const struct {
        const char *name;
        struct session_peer peer;
        const char *sender, *envid;
        int32_t ret, is_smtputf8;
        int is_8bit;
        const char *expected;
    } cases[] = {
        {"plain", NONE, "a@b.test", "", 0, 0, 0, "MAIL FROM:<a@b.test>\r\n"},
        {"null sender", NONE, "", "", 0, 0, 0, "MAIL FROM:<>\r\n"},
        {"nothing that the peer does not know", NONE, "a@b.test", "e", SLUICE_RET_FULL, 1, 1,
         "MAIL FROM:<a@b.test>\r\n"},
        {"everything", ALL, "a@b.test", "e+3D", SLUICE_RET_FULL, 1, 1,
         "MAIL FROM:<a@b.test> SIZE=42 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e+3D\r\n"},
        {"able, but not needed", ALL, "a@b.test", "", SLUICE_RET_DEFAULT, 0, 0,
         "MAIL FROM:<a@b.test> SIZE=42\r\n"},
        {"RET=HDRS", ALL, "", "", SLUICE_RET_HDRS, 0, 0, "MAIL FROM:<> SIZE=42 RET=HDRS\r\n"},
        {"ENVID that would be a command", ALL, "", "e\r\nRSET", 0, 0, 0,
         "MAIL FROM:<> SIZE=42\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sluice_message message = {
            .struct_size = sizeof(message),
            .sender = sluice_span_of(cases[i].sender),
            .envid = sluice_span_of(cases[i].envid),
            .ret = cases[i].ret,
            .is_smtputf8 = cases[i].is_smtputf8,
            .size = 42,
        };
        char out[ENVELOPE_COMMAND_MAX];
        size_t len = envelope_mail(&cases[i].peer, &message, cases[i].is_8bit, out);

        print_message("%s\n", cases[i].name);
        assert_int_equal(len, strlen(cases[i].expected));
        assert_memory_equal(out, cases[i].expected, len);
    }
}

static void test_rcpt(void **state)
{
    static const struct {
        const char *name;
        struct session_peer peer;
        const char *address, *orcpt;
        uint32_t notify;
        const char *expected;
    } cases[] = {
        {"plain", NONE, "a@b.test", "", 0, "RCPT TO:<a@b.test>\r\n"},
        {"no DSN: nothing of it", NONE, "a@b.test", "rfc822;x@y", SLUICE_NOTIFY_NEVER,
         "RCPT TO:<a@b.test>\r\n"},
        {"ORCPT made up", ALL, "a@b.test", "", 0, "RCPT TO:<a@b.test> ORCPT=rfc822;a@b.test\r\n"},
        {"ORCPT in xtext", ALL, "\"a+b=c d\"@b.test", "", 0,
         "RCPT TO:<\"a+b=c d\"@b.test> ORCPT=rfc822;\"a+2Bb+3Dc+20d\"@b.test\r\n"},
        {"ORCPT handed on", ALL, "a@b.test", "rfc822;x+2By@z.test", 0,
         "RCPT TO:<a@b.test> ORCPT=rfc822;x+2By@z.test\r\n"},
        {"no ORCPT for what is not ASCII", ALL, "\xc3\xa4@b.test", "", 0,
         "RCPT TO:<\xc3\xa4@b.test>\r\n"},
        {"NOTIFY=NEVER", ALL, "a@b", "rfc822;a", SLUICE_NOTIFY_NEVER,
         "RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a\r\n"},
        {"NOTIFY of all", ALL, "a@b", "rfc822;a",
         SLUICE_NOTIFY_SUCCESS | SLUICE_NOTIFY_FAILURE | SLUICE_NOTIFY_DELAY,
         "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;a\r\n"},
        {"NEVER stands alone", ALL, "a@b", "rfc822;a", SLUICE_NOTIFY_NEVER | SLUICE_NOTIFY_DELAY,
         "RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sluice_recipient recipient = {
            .struct_size = sizeof(recipient),
            .notify = cases[i].notify,
            .address = sluice_span_of(cases[i].address),
            .orcpt = sluice_span_of(cases[i].orcpt),
        };
        char out[ENVELOPE_COMMAND_MAX];
        size_t len = envelope_rcpt(&cases[i].peer, &recipient, out);

        print_message("%s\n", cases[i].name);
        assert_int_equal(len, strlen(cases[i].expected));
        assert_memory_equal(out, cases[i].expected, len);
    }
}

/* The longest of everything stays within a command; the sanitizer watches the buffer. */
static void test_longest(void **state)
{
    static const struct session_peer peer = ALL;
    struct sluice_message message = {.struct_size = sizeof(message), .size = UINT64_MAX};
    struct sluice_recipient recipient = {.struct_size = sizeof(recipient)};
    char *address = malloc(ENVELOPE_ADDRESS_MAX + 1), *out = malloc(ENVELOPE_COMMAND_MAX);

    (void)state;
    memset(address, '+', ENVELOPE_ADDRESS_MAX + 1); /* each takes three in xtext */
    message.sender = (struct sluice_span){address, ENVELOPE_ADDRESS_MAX};
    message.envid = (struct sluice_span){address, ENVELOPE_ENVID_MAX};
    message.ret = SLUICE_RET_FULL;
    message.is_smtputf8 = 1;
    recipient.notify = SLUICE_NOTIFY_SUCCESS | SLUICE_NOTIFY_FAILURE | SLUICE_NOTIFY_DELAY;
    assert_in_range(envelope_mail(&peer, &message, 1, out), 1, ENVELOPE_COMMAND_MAX);
    for (size_t len = 0; len <= ENVELOPE_ADDRESS_MAX; len++) {
        recipient.address = (struct sluice_span){address, len};
        recipient.orcpt.len = 0;
        assert_in_range(envelope_rcpt(&peer, &recipient, out), 1, ENVELOPE_COMMAND_MAX);
        recipient.orcpt = recipient.address;
        assert_in_range(envelope_rcpt(&peer, &recipient, out), 1, ENVELOPE_COMMAND_MAX);
    }
    assert_true(envelope_is_sendable(recipient.address));
    recipient.address.len++;
    assert_false(envelope_is_sendable(recipient.address));
    free(address);
    free(out);
}

static void test_control_characters_are_not_sent(void **state)
{
    (void)state;
    assert_true(envelope_is_sendable(sluice_span_of("\"a b\"@c.test")));
    assert_true(envelope_is_sendable(sluice_span_of("\xc3\xa4@b.test")));
    assert_false(envelope_is_sendable(sluice_span_of("a@b>\r\nRSET")));
    assert_false(envelope_is_sendable(sluice_span_of("a\t@b")));
    assert_false(envelope_is_sendable(sluice_span_of("a\x7f@b")));
    assert_false(envelope_is_sendable((struct sluice_span){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_control_characters_are_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
