/* SPDX-License-Identifier: ISC */
/*
 * BDAT (spec M-55): messages in chunks, chunks that are refused, and bytes that look like commands.
 */
#include "fixture.h"

#define STRANGER "192.0.2.1"
#define OK_MAIL "MAIL FROM:<a@b>\r\n"
#define OK_RCPT "RCPT TO:<u@relay.test>\r\n"
#define MAIL_RCPT OK_MAIL OK_RCPT
#define SAID_OK "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
#define QUEUED(bytes) "250 2.0.0 Ok: " bytes " bytes queued as 0000000000000010\r\n"

/* One dialogue on a connection of its own, everything in one write. */
static const struct {
    const char *name;
    const char *send;
    const char *want;
    const char *content; /* of the message that came; NULL: none */
} cases[] = {
    {"one chunk", MAIL_RCPT "BDAT 10 LAST\r\nX: y\r\n\r\nz\r", SAID_OK QUEUED("10"),
     "X: y\r\n\r\nz \r\n"},
    {"lower case, and a blank too many", MAIL_RCPT "bdat 6  last\r\nX: y\r\n", SAID_OK QUEUED("6"),
     "X: y\r\n"},
    {"two chunks, cut within a line's end", MAIL_RCPT "BDAT 5\r\nX: y\rBDAT 4 LAST\r\n\n\r\nz",
     SAID_OK "250 2.0.0 Ok: 5 bytes\r\n" QUEUED("9"), "X: y\r\n\r\nz\r\n"},
    {"an empty last chunk", MAIL_RCPT "BDAT 3\r\na\r\nBDAT 0 LAST\r\n",
     SAID_OK "250 2.0.0 Ok: 3 bytes\r\n" QUEUED("3"), "a\r\n"},
    {"nothing at all", MAIL_RCPT "BDAT 0 LAST\r\n", SAID_OK QUEUED("0"), ""},
    {"dots are text", MAIL_RCPT "BDAT 15 LAST\r\n.\r\n..\r\n.x\r\n.\r\n.", SAID_OK QUEUED("15"),
     ".\r\n..\r\n.x\r\n.\r\n.\r\n"},
    {"bare line ends are mended", MAIL_RCPT "BDAT 11 LAST\r\na\n.\nb\r.\r\nc\n",
     SAID_OK QUEUED("11"), "a\r\n.\r\nb .\r\nc\r\n"},
    {"commands are text", MAIL_RCPT "BDAT 12 LAST\r\nRSET\r\nQUIT\r\n", SAID_OK QUEUED("12"),
     "RSET\r\nQUIT\r\n"},
    {"an end of data is text", MAIL_RCPT "BDAT 15 LAST\r\na\r\n.\r\nRSET\r\nb\r\nNOOP\r\n",
     SAID_OK QUEUED("15") "250 2.0.0 Ok\r\n", "a\r\n.\r\nRSET\r\nb\r\n"},
    {"another message behind it", MAIL_RCPT "BDAT 3 LAST\r\na\r\n" OK_MAIL "RSET\r\n",
     SAID_OK QUEUED("3") "250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n", "a\r\n"},
    {"no MAIL: the bytes are read all the same",
     "BDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
     "503 5.5.1 Error: need RCPT command\r\n"
     "551 5.0.0 Discarded 6 bytes after earlier error\r\n250 2.0.0 Ok\r\n",
     NULL},
    {"no MAIL: other commands wait for the last chunk, too",
     "BDAT 6\r\nRSET\r\n" OK_MAIL "RSET\r\n" OK_MAIL,
     "503 5.5.1 Error: need RCPT command\r\n503 5.5.1 Error: MAIL after BDAT\r\n"
     "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n",
     NULL},
    {"no RCPT", OK_MAIL "BDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n" OK_RCPT,
     "250 2.1.0 Ok\r\n554 5.5.1 Error: no valid recipients\r\n"
     "551 5.0.0 Discarded 6 bytes after earlier error\r\n503 5.5.1 Error: need MAIL command\r\n",
     NULL},
    {"a null chunk", MAIL_RCPT "BDAT 0\r\nBDAT 3 LAST\r\na\r\n",
     SAID_OK
     "551 5.7.1 Bad null BDAT request\r\n551 5.0.0 Discarded 3 bytes after earlier error\r\n",
     NULL},
    {"others between chunks", MAIL_RCPT "BDAT 3\r\na\r\n" OK_MAIL OK_RCPT "BDAT 0 LAST\r\n",
     SAID_OK "250 2.0.0 Ok: 3 bytes\r\n503 5.5.1 Error: nested MAIL command\r\n"
             "503 5.5.1 Error: RCPT after BDAT\r\n" QUEUED("3"),
     "a\r\n"},
    {"DATA between chunks", MAIL_RCPT "BDAT 3\r\na\r\nDATA\r\n",
     SAID_OK "250 2.0.0 Ok: 3 bytes\r\n503 5.5.1 Error: DATA after BDAT\r\n", NULL},
    {"RSET between chunks", MAIL_RCPT "BDAT 3\r\na\r\nRSET\r\nBDAT 3 LAST\r\nb\r\n",
     SAID_OK "250 2.0.0 Ok: 3 bytes\r\n250 2.0.0 Ok\r\n503 5.5.1 Error: need RCPT command\r\n",
     NULL},
    {"larger than a message may be",
     MAIL_RCPT
     "BDAT 90\r\n"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "BDAT 20\r\n12345678901234567890BDAT 2 LAST\r\na\n" OK_MAIL,
     SAID_OK "250 2.0.0 Ok: 90 bytes\r\n552 5.3.4 Chunk exceeds message size limit\r\n"
             "551 5.0.0 Discarded 2 bytes after earlier error\r\n250 2.1.0 Ok\r\n",
     NULL},
    {"NUL", MAIL_RCPT "BDAT 3 LAST\r\n\1\r\n", SAID_OK "550 5.7.1 disallowed character\r\n", NULL},
};

static struct stream *begin(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    f->queue.commits = 0;
    f->queue.links = 0;
    link_queue(f); /* ids begin anew */
    settle();
    return stream;
}

/* What was sent to us, below our own field. */
static struct sluice_span without_trace(const struct fixture *f)
{
    struct sluice_span content = {.ptr = f->queue.content, .len = f->queue.content_len};

    do
        content = span_skip(content, span_find(content, '\n') + 1);
    while (content.len > 0 && (content.ptr[0] == '\t' || content.ptr[0] == ' '));
    return content;
}

static void cases_body(struct fixture *f)
{
    f->receiver.settings.message_size_limit = 100;
    f->receiver.settings.reject_characters[0] = '\1';
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && f->failure[0] == '\0'; i++) {
        struct stream *stream;

        print_message("  %s\n", cases[i].name);
        f->receiver.settings.message_size_limit = 10240000; /* as EHLO announces it */
        stream = begin(f);
        f->receiver.settings.message_size_limit = 100;
        talk(f, stream, cases[i].send, cases[i].want);
        check(f, f->queue.commits == (cases[i].content != NULL ? 1u : 0u), "%u messages",
              f->queue.commits);
        if (cases[i].content != NULL)
            check(f, span_equal(without_trace(f), sluice_span_of(cases[i].content)),
                  "content \"%.*s\"", (int)f->queue.content_len, f->queue.content);
        stream_close(stream);
        settle();
    }
}

static void test_cases(void **state)
{
    run_on_loop(*state, cases_body);
}

/* Nobody knows where the next command begins. */
static const char *const nonsense[] = {
    "BDAT\r\nRSET\r\n",      "BDAT x\r\nRSET\r\n",       "BDAT -1\r\nRSET\r\n",
    "BDAT 5 FIRST\r\nRSET",  "BDAT 5 LAST 6\r\nRSET",    "BDAT 99999999999999999999\r\nRSET\r\n",
    "BDAT 0x5 LAST\r\nRSET", "BDAT 5LAST\r\nRSET\r\n",   "BDAT 9223372036854775808\r\nRSET\r\n",
    "BDAT LAST\r\nRSET\r\n", "BDAT +5 LAST\r\nRSET\r\n",
};

static void nonsense_body(struct fixture *f)
{
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct stream *stream = begin(f);

        talk(f, stream, MAIL_RCPT, SAID_OK);
        talk(f, stream, nonsense[i], "521 5.5.4 Syntax: BDAT count [LAST]\r\n");
        stream_close(stream);
        settle();
    }
}

static void test_nonsense(void **state)
{
    run_on_loop(*state, nonsense_body);
}

/* However the bytes are cut on their way, the message is the same. */
static void bytes_body(struct fixture *f)
{
    static const char chunks[] = "BDAT 7\r\na\r\n.\r\nbBDAT 6 LAST\r\n\r\n..\r\nNOOP\r\n";
    struct stream *stream = begin(f);

    talk(f, stream, MAIL_RCPT, SAID_OK);
    for (size_t i = 0; i < sizeof(chunks) - 1; i++) {
        say(f, stream, chunks + i, 1);
        task_yield();
    }
    hear(f, stream, "250 2.0.0 Ok: 7 bytes\r\n" QUEUED("13") "250 2.0.0 Ok\r\n");
    check(f, span_equal(without_trace(f), SPAN_LITERAL("a\r\n.\r\nb\r\n..\r\n")), "content");
    stream_close(stream);
}

static void test_byte_by_byte(void **state)
{
    run_on_loop(*state, bytes_body);
}

/* The time for a message is the time for all of its chunks, and for what is between them. */
static void slow_body(struct fixture *f)
{
    struct stream *stream = begin(f);

    f->receiver.settings.limits[0].timeout_ms = 300;
    f->receiver.settings.limits[0].has_request_deadline = true;
    talk(f, stream, MAIL_RCPT, SAID_OK);
    for (int i = 0; i < 100 && f->receiver.session_count > 0; i++) {
        say(f, stream, "BDAT 1\r\nx", 9);
        (void)task_sleep_until(clock_monotonic_ms() + 50);
    }
    check(f, f->receiver.session_count == 0, "it goes on");
    check(f, f->queue.commits == 0, "a message");
    stream_close(stream);
}

static void test_slow_chunks(void **state)
{
    run_on_loop(*state, slow_body);
}

/* What came of a message is thrown away with its client, and its credit comes back. */
static void vanish_body(struct fixture *f)
{
    struct stream *stream = begin(f);

    talk(f, stream, MAIL_RCPT "BDAT 3\r\na\r\n", SAID_OK "250 2.0.0 Ok: 3 bytes\r\n");
    say(f, stream, "BDAT 9 LAST\r\nb", 14);
    stream_close(stream);
    settle();
    check(f, f->receiver.session_count == 0, "the session is still there");
    check(f, f->queue.commits == 0, "half a message");
    check(f, intake_pay(f->receiver.intake, 1024 * 1024), "credit is missing");
    intake_pay_back(f->receiver.intake, 1024 * 1024);
}

static void test_vanishes(void **state)
{
    run_on_loop(*state, vanish_body);
}

/* Without a queue: told at once, and the bytes are read. */
static void no_queue_body(struct fixture *f)
{
    struct stream *stream = connect_esmtp(f, STRANGER);

    talk(f, stream, MAIL_RCPT "BDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
         SAID_OK "451 4.3.0 Error: queue file write error\r\n"
                 "551 5.0.0 Discarded 6 bytes after earlier error\r\n250 2.0.0 Ok\r\n");
    stream_close(stream);
}

static void test_no_queue(void **state)
{
    run_on_loop(*state, no_queue_body);
}

/* After HELO: the chunk's own bytes are no pipelining. */
static void helo_body(struct fixture *f)
{
    struct stream *stream = connect_from(f, STRANGER);

    link_queue(f);
    talk(f, stream, "HELO x\r\n", "250 mx.test\r\n");
    talk(f, stream, OK_MAIL, "250 2.1.0 Ok\r\n");
    talk(f, stream, OK_RCPT, "250 2.1.5 Ok\r\n");
    talk(f, stream, "BDAT 3 LAST\r\na\r\n", QUEUED("3"));
    stream_close(stream);
}

static void test_after_helo(void **state)
{
    run_on_loop(*state, helo_body);
}

static void bare_body(struct fixture *f)
{
    struct stream *stream = begin(f);

    refuse_bare_newlines(f);
    talk(f, stream, MAIL_RCPT "BDAT 2\r\na\nBDAT 3 LAST\r\nb\r\n",
         SAID_OK "250 2.0.0 Ok: 2 bytes\r\n550 5.5.2 mx.test Error: bare <LF> received\r\n");
    stream_close(stream);
}

static void test_bare_newlines(void **state)
{
    run_on_loop(*state, bare_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cases),    TEST(test_nonsense),   TEST(test_byte_by_byte),  TEST(test_vanishes),
        TEST(test_no_queue), TEST(test_after_helo), TEST(test_bare_newlines),
        TEST(test_slow_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
