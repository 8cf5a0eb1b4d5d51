/* SPDX-License-Identifier: ISC */
/*
 * submission: what becomes of a header, whatever the portions that it comes in.
 */
#include "receive/submission.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct settings settings = {
    .drop_headers = {"bcc", "return-path"},
    .drop_header_count = 2,
};

static const struct submission_facts facts = {
    .sender = {.ptr = "me@isp.example", .len = 14},
    .full_name = {.ptr = "Me+20Myself", .len = 11},
    .myhostname = "mx.isp.example",
    .myorigin = "isp.example",
    .id = "00000000000000FF",
    .arrival_ms = 1795301760000,
};

#define ADDED_ID "Message-Id: <20261121225600.00000000000000FF@mx.isp.example>\r\n"
#define ADDED_DATE "Date: Sat, 21 Nov 2026 22:56:00 +0000 (UTC)\r\n"
#define ADDED_FROM "From: Me Myself <me@isp.example>\r\n"
#define ADDED ADDED_ID ADDED_DATE ADDED_FROM
#define RESENT "Resent-" ADDED_ID "Resent-" ADDED_DATE "Resent-" ADDED_FROM

/* What comes out of in up to its end, in portions of so many bytes; window: what fits at a time. */
static void run(const char *in, size_t portion, size_t window, const struct submission_facts *from,
                struct buffer *out)
{
    struct submission submission = {.settings = &settings};
    size_t end = strlen(in);
    size_t come = 0;

    for (size_t at = 0; at < end;) {
        size_t len = 0;
        size_t there = come - at;
        struct sluice_span next = {.ptr = in + at, .len = there < window ? there : window};
        enum submission_step step = SUBMISSION_MORE;
        if (submission.is_over) {
            buffer_add_text(out, in + at);
            return;
        }
        if (there > 0)
            step = submission_look(&submission, next, next.len == window, &len);
        if (step == SUBMISSION_MORE) {
            assert_true(come < end);
            come = end - come < portion ? end : come + portion;
        } else if (step == SUBMISSION_END) {
            submission_format(&submission, from, out);
        } else {
            len = len > 1 ? len - len / 2 : len; /* who has little room takes a part */
            submission_took(&submission, len);
            at += len;
            if (step == SUBMISSION_KEEP)
                buffer_add(out, next.ptr, len);
        }
    }
}

static const struct {
    const char *name;
    const char *in;
    const char *want;
} headers[] = {
    {"complete", "From: a\r\nDate: b\r\nMessage-ID: c\r\n\r\nx: y\r\n",
     "From: a\r\nDate: b\r\nMessage-ID: c\r\n\r\nx: y\r\n"},
    {"nothing is there", "\r\nbody\r\n", ADDED "\r\nbody\r\n"},
    {"bare line feeds", "Subject: x\n\nbody\n", "Subject: x\n" ADDED "\nbody\n"},
    {"no header", "body\r\n", ADDED "\r\nbody\r\n"},
    {"no header, indented", " body: x\r\n", ADDED "\r\n body: x\r\n"},
    {"a line that is none", "Subject: x\r\nbody text: x\r\n",
     "Subject: x\r\n" ADDED "\r\nbody text: x\r\n"},
    {"the end of data", "Subject: x\r\n.\r\n", "Subject: x\r\n" ADDED "\r\n.\r\n"},
    {"blanks before the colon", "from \t: a\r\nDATE : b\r\n\r\n",
     "from \t: a\r\nDATE : b\r\n" ADDED_ID "\r\n"},
    {"dropped", "Bcc: a,\r\n b\r\n\tc\r\nSubject: x\r\nRETURN-PATH: y\r\n\r\n",
     "Subject: x\r\n" ADDED "\r\n"},
    {"not dropped", "Bcca: a\r\nX-Bcc: b\r\nSubject: x\r\n bcc: y\r\n\r\n",
     "Bcca: a\r\nX-Bcc: b\r\nSubject: x\r\n bcc: y\r\n" ADDED "\r\n"},
    {"resent", "From: a\r\nResent-To: b\r\n\r\n", "From: a\r\nResent-To: b\r\n" RESENT "\r\n"},
    {"resent, in part", "Resent-From: a\r\nDate: x\r\nResent-Date: b\r\n\r\n",
     "Resent-From: a\r\nDate: x\r\nResent-Date: b\r\nResent-" ADDED_ID "\r\n"},
};

static void headers_in_portions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        for (size_t portion = 1; portion < 60; portion = portion * 2 + 1) {
            struct buffer out = BUFFER_INIT;
            run(headers[i].in, portion, 1000, &facts, &out);
            if (strcmp(buffer_text(&out), headers[i].want) != 0)
                fail_msg("%s, %zu bytes at a time:\n%s", headers[i].name, portion, out.ptr);
            buffer_done(&out);
        }
    }
}

/* Lines longer than what there is room for. */
static void long_lines(void **state)
{
    struct buffer out = BUFFER_INIT;

    (void)state;
    run("To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
        "Bcc: bbbbbbbbbbbbbbbb: bbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nSubject: x\r\n\r\n",
        100, 12, &facts, &out);
    assert_string_equal(buffer_text(&out), "To: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
                                           "Subject: x\r\n" ADDED "\r\n");
    buffer_done(&out);
}

static const struct {
    const char *sender;
    const char *name;
    const char *want;
} senders[] = {
    {"a@x", "", "From: a@x\r\n"},
    {"", "Somebody", "From: Mail Delivery System <MAILER-DAEMON@isp.example>\r\n"},
    {"a@x", "A+2E+20\"B\"+5C", "From: \"A. \\\"B\\\"\\\\\" <a@x>\r\n"},
    {"a@x", "J+C3+B6rg+20M", "From: =?utf-8?Q?J=C3=B6rg_M?= <a@x>\r\n"},
    {"a@x", "+0D+0Aa+20", "From: a <a@x>\r\n"},
    {"a@x",
     "+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6+C3+B6",
     "From: =?utf-8?Q?=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6?= =?utf-8?Q?"
     "=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6?= =?utf-8?Q?=C3=B6=C3=B6=C3=B6?= <a@x>\r\n"},
};

static void senders_in_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        struct submission_facts from = facts;
        struct buffer out = BUFFER_INIT;
        from.sender = sluice_span_of(senders[i].sender);
        from.full_name = sluice_span_of(senders[i].name);
        run("Date: x\r\nMessage-Id: y\r\n\r\n", 100, 1000, &from, &out);
        const char *text = buffer_text(&out) + strlen("Date: x\r\nMessage-Id: y\r\n");
        if (strncmp(text, senders[i].want, strlen(senders[i].want)) != 0)
            fail_msg("%s: %s", senders[i].name, text);
        buffer_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_in_portions),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(senders_in_from),
    };

    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
