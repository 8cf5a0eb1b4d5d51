/* SPDX-License-Identifier: ISC */
/* Reports as texts: what must be in them, and what strangers cannot bring into them. */
#include "deliver/report.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct report_origin origin = {
    .myhostname = "mx.isp.example", .myorigin = "isp.example", .mail_name = "Sluice"};

/* Composes a report on one recipient into out, which is the caller's. */
static void compose(enum report_kind kind, const struct envelope *envelope,
                    const struct envelope_recipient *recipient, const char *returned, bool is_whole,
                    struct buffer *out)
{
    const struct envelope_recipient *const recipients[] = {recipient};
    const struct report_subject subject = {
        .kind = kind,
        .message_id = 0x1234,
        .new_id = 0x5678,
        .now_ms = 1700000000000,
        .expires_ms = 1700000600000,
        .to = envelope->sender,
        .envelope = envelope,
        .recipients = recipients,
        .recipient_count = 1,
        .returned = sluice_span_of(returned),
        .is_whole = is_whole,
    };

    report_compose(&origin, &subject, out);
    assert_false(buffer_failed(out));
    assert_non_null(buffer_text(out));
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;

    while ((text = strstr(text, what)) != NULL) {
        found++;
        text += strlen(what);
    }
    return found;
}

static void expect(const struct buffer *out, const char *what)
{
    if (strstr(out->ptr, what) == NULL)
        fail_msg("not there: %s\nin:\n%s", what, out->ptr);
}

/* Every line ends in CRLF and is one that may travel. */
static void expect_lines(const struct buffer *out)
{
    size_t len = 0;

    for (size_t i = 0; i < out->len; i++) {
        if (out->ptr[i] == '\n') {
            assert_true(i > 0 && out->ptr[i - 1] == '\r');
            assert_true(len <= 998);
            len = 0;
        } else {
            assert_true(out->ptr[i] != '\r' || out->ptr[i + 1] == '\n');
            len += out->ptr[i] != '\r';
        }
    }
    assert_int_equal(len, 0);
}

static struct envelope an_envelope(void)
{
    return (struct envelope){
        .sender = SPAN_LITERAL("s@isp.example"),
        .envid = SPAN_LITERAL("a+2Bb+"),
        .arrival_ms = 1699999999000,
    };
}

static struct envelope_recipient a_recipient(void)
{
    return (struct envelope_recipient){
        .address = SPAN_LITERAL("r@customer.tld"),
        .orcpt = SPAN_LITERAL("rfc822;R+3DR@customer.tld"),
        .state = RECIPIENT_FAILED,
        .dsn = SPAN_LITERAL("5.1.1"),
        .text = SPAN_LITERAL("host h said: 550 no (in reply to RCPT TO command)"),
        .reply = SPAN_LITERAL("550 no"),
        .remote = SPAN_LITERAL("h"),
    };
}

static void test_a_failure(void **state)
{
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer out = BUFFER_INIT;

    (void)state;
    compose(REPORT_FAILURE, &envelope, &recipient, "Subject: x\r\n\r\nbody\r\n", true, &out);
    expect_lines(&out);
    expect(&out, "\r\nTo: s@isp.example\r\n");
    expect(&out, "\r\n\tid 0000000000005678; ");
    expect(&out, "\r\n\r\n<r@customer.tld>: host h said: 550 no (in reply to RCPT TO command)\r\n");
    expect(&out, "\r\nReporting-MTA: dns; mx.isp.example\r\n"
                 "Original-Envelope-Id: a+b+\r\n"
                 "X-Sluice-Queue-ID: 0000000000001234\r\n"
                 "X-Sluice-Sender: rfc822; s@isp.example\r\n"
                 "Arrival-Date: ");
    expect(&out, "\r\n\r\nOriginal-Recipient: rfc822;R=R@customer.tld\r\n"
                 "Final-Recipient: rfc822; r@customer.tld\r\n"
                 "Action: failed\r\nStatus: 5.1.1\r\n"
                 "Remote-MTA: dns; h\r\nDiagnostic-Code: smtp; 550 no\r\n\r\n--");
    expect(&out, "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody\r\n\r\n--");
    assert_null(strstr(out.ptr, "8bit"));
    buffer_done(&out);
}

static void test_kinds(void **state)
{
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer out = BUFFER_INIT;

    (void)state;
    recipient.reply = recipient.remote = recipient.orcpt = SPAN_EMPTY;
    compose(REPORT_DELAY, &envelope, &recipient, "Subject: x\r\n", false, &out);
    expect(&out, "\r\nSubject: Delayed Mail (still being retried)\r\n");
    expect(&out, "\r\nAction: delayed\r\n");
    expect(&out, "\r\nDiagnostic-Code: X-Sluice; host h said");
    expect(&out, "\r\nWill-Retry-Until: ");
    expect(&out, "\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--");
    assert_null(strstr(out.ptr, "Original-Recipient"));
    buffer_clear(&out);
    recipient.state = RECIPIENT_ARRIVED;
    compose(REPORT_SUCCESS, &envelope, &recipient, "", false, &out);
    expect(&out, "\r\nAction: delivered\r\n");
    buffer_clear(&out);
    recipient.state = RECIPIENT_RELAYED;
    compose(REPORT_SUCCESS, &envelope, &recipient, "", false, &out);
    expect(&out, "\r\nAction: relayed\r\n");
    buffer_done(&out);
}

/* The answer to a question: who asks has sent nothing that could come back. */
static void test_an_answer(void **state)
{
    static const struct {
        enum recipient_state state;
        const char *dsn;
        const char *action;
    } cases[] = {
        {RECIPIENT_RELAYED, "2.1.5", "\r\nAction: deliverable\r\nStatus: 2.1.5\r\n"},
        {RECIPIENT_ARRIVED, "2.1.5", "\r\nAction: deliverable\r\nStatus: 2.1.5\r\n"},
        {RECIPIENT_FAILED, "5.1.1", "\r\nAction: undeliverable\r\nStatus: 5.1.1\r\n"},
        {RECIPIENT_UNVERIFIED, "4.2.1", "\r\nAction: delayed\r\nStatus: 4.2.1\r\n"},
    };
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer out = BUFFER_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        recipient.state = cases[i].state;
        recipient.dsn = sluice_span_of(cases[i].dsn);
        compose(REPORT_VERIFY, &envelope, &recipient, "X: \xfc\r\n", false, &out);
        expect_lines(&out);
        expect(&out, "\r\nSubject: Mail Delivery Status Report\r\n");
        expect(&out, cases[i].action);
        assert_null(strstr(out.ptr, "X: "));
        assert_null(strstr(out.ptr, "8bit"));
        assert_null(strstr(out.ptr, "rfc822-headers"));
        assert_null(strstr(out.ptr, "Will-Retry-Until"));
        buffer_clear(&out);
    }
    buffer_done(&out);
}

/* No field, no part and no line of a stranger's making. */
static void test_what_strangers_say(void **state)
{
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer out = BUFFER_INIT;
    char reply[1900];

    (void)state;
    memset(reply, 'x', sizeof(reply) - 1);
    reply[sizeof(reply) - 1] = '\0';
    recipient.reply = sluice_span_of(reply);
    recipient.text = SPAN_LITERAL("one\r\nAction: delivered\r\n\r\n--two\x01\xc3\xbc");
    recipient.orcpt = SPAN_LITERAL("rfc822;a+0D+0AAction:+20delivered");
    recipient.dsn = SPAN_LITERAL("nonsense");
    compose(REPORT_FAILURE, &envelope, &recipient, "", true, &out);
    expect_lines(&out);
    assert_int_equal(count(out.ptr, "\r\nAction: "), 1);
    expect(&out, "one?\?Action: delivered?\?\?\?--two?\?\?\r\n");
    expect(&out, "rfc822;a?\?Action: delivered\r\n");
    expect(&out, "\r\nStatus: 5.0.0\r\n");
    buffer_done(&out);
}

static void test_the_boundary_is_in_no_part(void **state)
{
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer first = BUFFER_INIT;
    struct buffer second = BUFFER_INIT;

    (void)state;
    compose(REPORT_FAILURE, &envelope, &recipient, "x\r\n", true, &first);
    assert_int_equal(count(first.ptr, "0000000000005678.1700000000.0/mx.isp.example"), 5);
    compose(REPORT_FAILURE, &envelope, &recipient, first.ptr, true, &second); /* a report in a report */
    assert_int_equal(count(second.ptr, "0000000000005678.1700000000.1/mx.isp.example"), 5);
    buffer_done(&first);
    buffer_done(&second);
}

static void test_8_bit_and_smtputf8(void **state)
{
    struct envelope envelope = an_envelope();
    struct envelope_recipient recipient = a_recipient();
    struct buffer out = BUFFER_INIT;

    (void)state;
    compose(REPORT_FAILURE, &envelope, &recipient, "X: \xfc\r\n", false, &out);
    assert_int_equal(count(out.ptr, "Content-Transfer-Encoding: 8bit"), 2); /* the whole, and that */
    buffer_clear(&out);
    envelope.is_smtputf8 = true;
    recipient.address = SPAN_LITERAL("\xc3\xbc@customer.tld");
    recipient.text = SPAN_LITERAL("\xc3\xbc\xff");
    compose(REPORT_FAILURE, &envelope, &recipient, "X: y\r\n\r\n", true, &out);
    expect(&out, "\r\nContent-Type: message/global-delivery-status\r\n");
    expect(&out, "\r\nContent-Type: message/global\r\n");
    expect(&out, "\r\nFinal-Recipient: utf-8; \xc3\xbc@customer.tld\r\n");
    expect(&out, "charset=utf-8");
    expect(&out, ": \xc3\xbc?\r\n"); /* what is no UTF-8 does not become part of it */
    buffer_done(&out);
}

static void test_headers_end(void **state)
{
    static const struct {
        const char *content;
        size_t len;
    } cases[] = {
        {"A: b\r\n\r\nbody\r\n", 6}, {"A: b\r\nC: d\r\n", 12}, {"\r\nbody\r\n", 0},
        {"A: b\r\nC: cut", 6},       {"", 0},                  {"A: b\n\nbody\n", 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(report_header_len(sluice_span_of(cases[i].content)), cases[i].len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_what_strangers_say),
        cmocka_unit_test(test_the_boundary_is_in_no_part),
        cmocka_unit_test(test_8_bit_and_smtputf8),
        cmocka_unit_test(test_headers_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
