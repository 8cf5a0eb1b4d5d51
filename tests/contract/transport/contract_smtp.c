/* SPDX-License-Identifier: ISC */
/*
 * The SMTP client against a scripted server: every class of reply and every way to vanish at every
 * step, with and without PIPELINING; what the recipients and the host get to hear of it; and that
 * the bytes received are the bytes sent.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAIL "MAIL FROM:<sender@source.test>"

static const char *plugin_path; /* the program's first argument */

static const char small[] = "Subject: x\r\n\r\nbody\r\n";

/* ---- connect --------------------------------------------------------------------------------- */

static const char *const usual[] = {"myhostname", "mx.sluice.test", NULL};
static const char *const strict[] = {"myhostname", "mx.sluice.test", "smtp_skip_5xx_greeting",
                                     "false", NULL};
static const char *const hasty_helo[] = {"myhostname", "mx.sluice.test", "smtp_helo_timeout", "10s",
                                         NULL};
static const char *const named[] = {"myhostname", "mx.sluice.test", "smtp_helo_name",
                                    "out.sluice.test", NULL};

static const char *const lmtp[] = {"myhostname", "mx.sluice.test", "protocol", "lmtp", NULL};
/* For what a silent peer ends: a fifth of a second would be too little on a busy machine. */
static const char *const hasty_lmtp[] = {
    "myhostname", "mx.sluice.test",         "protocol", "lmtp", "smtp_data_done_timeout",
    "20s",        NULL};

static const struct {
    const char *name;
    const char *const *settings;
    struct peer_script script;
    sluice_status status;
    const char *dsn;
    const char *text; /* begins with it; or, with OK, the commands */
} connects[] = {
    {"friendly", usual, {NULL}, SLUICE_OK, "", "EHLO mx.sluice.test\n"},
    {"a name for EHLO", named, {NULL}, SLUICE_OK, "", "EHLO out.sluice.test\n"},
    {"greeting of several lines",
     usual,
     {.greeting = "220-peer\r\n220-and\r\n220 more\r\n"},
     SLUICE_OK,
     "",
     "EHLO mx.sluice.test\n"},
    {"bare line feeds",
     usual,
     {.greeting = "220-peer\n220 more\n"},
     SLUICE_OK,
     "",
     "EHLO mx.sluice.test\n"},
    {"EHLO unknown",
     usual,
     {.ehlo = "502 5.5.2 what?\r\n"},
     SLUICE_OK,
     "",
     "EHLO mx.sluice.test\nHELO mx.sluice.test\n"},
    {"greeting 4xx",
     usual,
     {.greeting = "450 4.3.2 later\r\n"},
     SLUICE_TEMP,
     "4.3.2",
     "host peer.test[127.0.0.1] refused to talk to me: 450 4.3.2 later"},
    {"greeting 421",
     usual,
     {.greeting = "421 too busy\r\n"},
     SLUICE_TEMP,
     "4.0.0",
     "host peer.test[127.0.0.1] refused to talk to me: 421 too busy"},
    {"greeting 5xx is taken as 4xx",
     usual,
     {.greeting = "554 5.7.1 go away\r\n"},
     SLUICE_TEMP,
     "4.7.1",
     "host peer.test[127.0.0.1] refused to talk to me: 554 5.7.1 go away"},
    {"greeting 5xx is final",
     strict,
     {.greeting = "554 5.7.1 go away\r\n"},
     SLUICE_PERM,
     "5.7.1",
     "host peer.test[127.0.0.1] refused to talk to me: 554 5.7.1 go away"},
    {"greeting 5xx of several lines",
     usual,
     {.greeting = "554-5.7.1 go\r\n554 5.7.1 away\r\n"},
     SLUICE_TEMP,
     "4.7.1",
     "host peer.test[127.0.0.1] refused to talk to me: 554-5.7.1 go 554 5.7.1 away"},
    {"greeting 3xx",
     usual,
     {.greeting = "354 what\r\n"},
     SLUICE_TEMP,
     "4.0.0",
     "host peer.test[127.0.0.1] refused to talk to me: 354 what"},
    {"EHLO 4xx",
     usual,
     {.ehlo = "451 4.7.1 greylisted\r\n"},
     SLUICE_TEMP,
     "4.7.1",
     "host peer.test[127.0.0.1] refused to talk to me: 451 4.7.1 greylisted"},
    {"HELO 4xx",
     usual,
     {.ehlo = "500 no\r\n", .helo = "450 later\r\n"},
     SLUICE_TEMP,
     "4.0.0",
     "host peer.test[127.0.0.1] refused to talk to me: 450 later"},
    {"HELO 5xx",
     usual,
     {.ehlo = "500 no\r\n", .helo = "550 never\r\n"},
     SLUICE_TEMP,
     "4.0.0",
     "host peer.test[127.0.0.1] refused to talk to me: 550 never"},
    {"no SMTP",
     usual,
     {.greeting = "SSH-2.0-OpenSSH\r\n"},
     SLUICE_TEMP,
     "4.5.0",
     "host peer.test[127.0.0.1] does not speak SMTP while receiving the initial server greeting: "
     "SSH-2.0-OpenSSH"},
    {"two codes in one reply",
     usual,
     {.ehlo = "250-a\r\n251 b\r\n"},
     SLUICE_TEMP,
     "4.5.0",
     "host peer.test[127.0.0.1] does not speak SMTP while performing the EHLO handshake: 251 b"},
    {"closed at once",
     usual,
     {.greeting = PEER_CLOSE},
     SLUICE_TEMP,
     "4.4.2",
     "lost connection with peer.test[127.0.0.1] while receiving the initial server greeting"},
    {"closed at EHLO",
     usual,
     {.ehlo = PEER_CLOSE},
     SLUICE_TEMP,
     "4.4.2",
     "lost connection with peer.test[127.0.0.1] while performing the EHLO handshake"},
    {"closed at HELO",
     usual,
     {.ehlo = "500 no\r\n", .helo = PEER_CLOSE},
     SLUICE_TEMP,
     "4.4.2",
     "lost connection with peer.test[127.0.0.1] while performing the HELO handshake"},
    {"closed within EHLO's reply",
     usual,
     {.ehlo = "250-peer\r\n250-SI", .helo = PEER_CLOSE},
     SLUICE_TEMP,
     "4.4.2",
     "conversation with peer.test[127.0.0.1] timed out"},
    {"silent",
     hasty_helo,
     {.greeting = PEER_SILENT},
     SLUICE_TEMP,
     "4.4.2",
     "conversation with peer.test[127.0.0.1] timed out while receiving the initial server "
     "greeting"},
    {"silent at EHLO",
     hasty_helo,
     {.ehlo = PEER_SILENT},
     SLUICE_TEMP,
     "4.4.2",
     "conversation with peer.test[127.0.0.1] timed out while performing the EHLO handshake"},
    {"LMTP", lmtp, {NULL}, SLUICE_OK, "", "LHLO mx.sluice.test\n"},
    {"LHLO unknown: no HELO",
     lmtp,
     {.ehlo = "500 5.5.1 what?\r\n"},
     SLUICE_TEMP,
     "4.5.1",
     "host peer.test[127.0.0.1] refused to talk to me: 500 5.5.1 what?"},
    {"closed at LHLO",
     lmtp,
     {.ehlo = PEER_CLOSE},
     SLUICE_TEMP,
     "4.4.2",
     "lost connection with peer.test[127.0.0.1] while performing the LHLO handshake"},
    {"our own name on another port is no loop",
     usual,
     {.ehlo = "250 mx.sluice.test\r\n"},
     SLUICE_OK,
     "",
     "EHLO mx.sluice.test\n"},
};

static void check_connect(size_t i)
{
    const char *const *settings = connects[i].settings;
    struct fixture f;
    sluice_status st;

    print_message("connect: %s\n", connects[i].name);
    if (strstr(connects[i].name, "within") != NULL)
        settings = hasty_helo;
    fixture_open(&f, plugin_path, settings, &connects[i].script);
    st = fixture_connect(&f, 0, 1);
    assert_int_equal(st, connects[i].status);
    fixture_close(&f);
    if (st == SLUICE_OK) {
        assert_int_equal(f.errors.count, 0);
        assert_memory_equal(f.peer.transcript, connects[i].text, strlen(connects[i].text));
        assert_non_null(strstr(f.peer.transcript, "QUIT\n"));
    } else {
        assert_int_equal(f.errors.count, 1);
        assert_string_equal(f.errors.dsn, connects[i].dsn);
        assert_memory_equal(f.errors.text, connects[i].text, strlen(connects[i].text));
    }
    assert_int_equal(f.peer.early_count, 0);
    fixture_done(&f);
}

static void test_connect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(connects) / sizeof(connects[0]); i++)
        check_connect(i);
}

static void test_connection_refused(void **state)
{
    const struct peer_script script = {NULL};
    struct fixture f;
    char expected[128];
    uint16_t port;

    (void)state;
    fixture_open(&f, plugin_path, NULL, &script);
    port = f.peer.port;
    peer_stop(&f.peer); /* nobody listens there now */
    peer_done(&f.peer);
    f.has_peer = 0;
    assert_int_equal(fixture_connect(&f, port, 1), SLUICE_TEMP);
    (void)snprintf(expected, sizeof(expected),
                   "connect to peer.test[127.0.0.1]:%u: Connection refused", (unsigned)port);
    assert_string_equal(f.errors.dsn, "4.4.1");
    assert_string_equal(f.errors.text, expected);
    assert_int_equal(f.ops->port(f.transport), 25);
    fixture_close(&f);
    fixture_done(&f);
}

/* ---- deliver --------------------------------------------------------------------------------- */

static const char *const hasty[] = {"myhostname",
                                    "mx.sluice.test",
                                    "smtp_rcpt_timeout",
                                    "20s",
                                    "smtp_data_init_timeout",
                                    "20s",
                                    "smtp_data_done_timeout",
                                    "20s",
                                    NULL};
static const char *const hasty_mail[] = {"myhostname", "mx.sluice.test", "smtp_mail_timeout", "10s",
                                         NULL};

static const struct {
    const char *name;
    const char *const *settings;
    struct peer_script script;
    const char *recipients;
    const char *summary;
    const char *text; /* in the first result */
    int32_t fate;
    size_t message_count; /* that the peer took, the empty one of a lone dot too */
} deliveries[] = {
    {"all well",
     usual,
     {NULL},
     "a@x b@x c@x",
     "OK OK OK",
     "250 2.0.0 Ok: queued as 1234",
     SLUICE_FATE_REUSABLE,
     1},
    {"mixed answers",
     usual,
     {NULL},
     "a@x r550@x r450@x b@x r551@x",
     "OK PERM:5.2.1 TEMP:4.2.1 OK PERM:5.2.1",
     "250 2.0.0",
     SLUICE_FATE_REUSABLE,
     1},
    {"LMTP: each has a reply of its own",
     lmtp,
     {.dot = "250 2.1.5 one\r\n452 4.2.2 two\r\n550 5.2.1 three\r\n"},
     "a@x r450@x b@x c@x",
     "OK TEMP:4.2.1 TEMP:4.2.2 PERM:5.2.1",
     "250 2.1.5 one",
     SLUICE_FATE_REUSABLE,
     1},
    {"LMTP: the connection goes between the replies",
     lmtp,
     {.dot = "250 2.1.5 one\r\n", .after_message = PEER_CLOSE},
     "a@x b@x c@x",
     "OK TEMP:4.4.2 TEMP:4.4.2",
     "250 2.1.5 one",
     SLUICE_FATE_HOST_FAILED,
     1},
    {"LMTP: 421 is for all that follow",
     lmtp,
     {.dot = "550 5.2.1 one\r\n421 4.3.2 going down\r\n"},
     "a@x b@x c@x",
     "PERM:5.2.1 TEMP:4.3.2 TEMP:4.3.2",
     "host peer.test[127.0.0.1] said: 550 5.2.1 one (in reply to end of DATA command)",
     SLUICE_FATE_FINISHED,
     1},
    {"LMTP: a reply too few",
     hasty_lmtp,
     {.dot = "250 2.1.5 one\r\n"},
     "a@x b@x",
     "OK TEMP:4.4.2",
     "250 2.1.5 one",
     SLUICE_FATE_HOST_FAILED,
     1},
    {"LMTP: nonsense for one says nothing of the others",
     lmtp,
     {.dot = "250 2.1.5 one\r\n354 two\r\n250 2.1.5 three\r\n"},
     "a@x b@x c@x",
     "OK TEMP:4.0.0 TEMP:4.0.0",
     "250 2.1.5 one",
     SLUICE_FATE_FINISHED,
     1},
    {"251 and 252 are good",
     usual,
     {NULL},
     "r251@x r252@x",
     "OK OK",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
    {"no enhanced status",
     usual,
     {NULL},
     "p550@x p450@x a@x",
     "PERM:5.0.0 TEMP:4.0.0 OK",
     "host peer.test[127.0.0.1] said: 550 told so (in reply to RCPT TO command)",
     SLUICE_FATE_REUSABLE,
     1},
    {"552 after others: too many",
     usual,
     {NULL},
     "a@x p552@x",
     "OK TEMP:4.5.3",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
    {"552 first: a full mailbox",
     usual,
     {NULL},
     "p552@x a@x",
     "PERM:5.0.0 OK",
     "552",
     SLUICE_FATE_REUSABLE,
     1},
    {"552 5.2.1 is what it says",
     usual,
     {NULL},
     "a@x r552@x",
     "OK PERM:5.2.1",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
    {"552 5.5.3 is temporary",
     usual,
     {NULL},
     "q552@x a@x",
     "TEMP:4.5.3 OK",
     "552 5.5.3",
     SLUICE_FATE_REUSABLE,
     1},
    {"452 after others",
     usual,
     {NULL},
     "a@x r452@x",
     "OK TEMP:4.2.1",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
    {"MAIL 4xx",
     usual,
     {.mail = "451 4.7.1 later\r\n"},
     "a@x r550@x",
     "TEMP:4.7.1 TEMP:4.7.1",
     "host peer.test[127.0.0.1] said: 451 4.7.1 later (in reply to MAIL FROM command)",
     SLUICE_FATE_FINISHED,
     0},
    {"MAIL 5xx",
     usual,
     {.mail = "550 5.7.1 never\r\n", .data = "503 no\r\n"},
     "a@x b@x",
     "PERM:5.7.1 PERM:5.7.1",
     "550 5.7.1 never (in reply to MAIL FROM command)",
     SLUICE_FATE_REUSABLE,
     0},
    {"MAIL with a status of another class",
     usual,
     {.mail = "450 5.7.1 never\r\n", .data = "503 no\r\n"},
     "a@x",
     "TEMP:4.0.0",
     "450 5.7.1",
     SLUICE_FATE_REUSABLE,
     0},
    {"MAIL 421",
     usual,
     {.mail = "421 4.3.2 bye\r\n"},
     "a@x b@x",
     "TEMP:4.3.2 TEMP:4.3.2",
     "421",
     SLUICE_FATE_FINISHED,
     0},
    {"MAIL 354",
     usual,
     {.mail = "354 go\r\n"},
     "a@x",
     "TEMP:4.0.0",
     "354 go",
     SLUICE_FATE_FINISHED,
     0},
    {"MAIL of an unknown class",
     usual,
     {.mail = "999 what\r\n"},
     "a@x",
     "TEMP:4.0.0",
     "999 what (in reply to MAIL FROM command)",
     SLUICE_FATE_FINISHED,
     0},
    {"MAIL without a code",
     usual,
     {.mail = "what??\r\n"},
     "a@x",
     "TEMP:4.5.0",
     "does not speak SMTP",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"MAIL lost",
     usual,
     {.mail = PEER_CLOSE},
     "a@x b@x",
     "TEMP:4.4.2 TEMP:4.4.2",
     "lost connection with peer.test[127.0.0.1] while sending MAIL FROM",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"MAIL silent",
     hasty_mail,
     {.mail = PEER_SILENT},
     "a@x",
     "TEMP:4.4.2",
     "conversation with peer.test[127.0.0.1] timed out while sending MAIL FROM",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"RCPT 421 in the middle",
     usual,
     {NULL},
     "r550@x a@x r421@x b@x",
     "PERM:5.2.1 TEMP:4.2.1 TEMP:4.2.1 TEMP:4.2.1",
     "550",
     SLUICE_FATE_FINISHED,
     0},
    {"RCPT lost in the middle",
     usual,
     {NULL},
     "r550@x a@x close@x b@x",
     "PERM:5.2.1 TEMP:4.4.2 TEMP:4.4.2 TEMP:4.4.2",
     "550",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"RCPT silent",
     hasty,
     {NULL},
     "silent@x b@x",
     "TEMP:4.4.2 TEMP:4.4.2",
     "conversation with peer.test[127.0.0.1] timed out while sending RCPT TO",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"RCPT nonsense",
     usual,
     {NULL},
     "junk@x b@x",
     "TEMP:4.5.0 TEMP:4.5.0",
     "host peer.test[127.0.0.1] does not speak SMTP while sending RCPT TO: what??",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"RCPT 354",
     usual,
     {NULL},
     "a@x r354@x b@x",
     "OK TEMP:4.2.1 OK",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
    {"RCPT of unknown classes",
     usual,
     {NULL},
     "r999@x a@x r150@x r000@x b@x r600@x",
     "TEMP:4.2.1 OK TEMP:4.2.1 TEMP:4.2.1 OK TEMP:4.2.1",
     "host peer.test[127.0.0.1] said: 999 9.2.1 told so (in reply to RCPT TO command)",
     SLUICE_FATE_REUSABLE,
     1},
    {"RCPT of unknown classes only",
     usual,
     {.data = "554 5.5.1 no valid recipients\r\n"},
     "r999@x r150@x",
     "TEMP:4.2.1 TEMP:4.2.1",
     "999",
     SLUICE_FATE_REUSABLE,
     0},
    {"all RCPT refused, DATA too",
     usual,
     {.data = "554 5.5.1 no valid recipients\r\n"},
     "r550@x r450@x",
     "PERM:5.2.1 TEMP:4.2.1",
     "550",
     SLUICE_FATE_REUSABLE,
     0},
    {"DATA 4xx",
     usual,
     {.data = "451 4.3.0 later\r\n"},
     "a@x r550@x",
     "TEMP:4.3.0 PERM:5.2.1",
     "451 4.3.0 later (in reply to DATA command)",
     SLUICE_FATE_REUSABLE,
     0},
    {"DATA 5xx",
     usual,
     {.data = "554 5.3.0 no\r\n"},
     "a@x r450@x",
     "PERM:5.3.0 TEMP:4.2.1",
     "(in reply to DATA command)",
     SLUICE_FATE_REUSABLE,
     0},
    {"DATA 421",
     usual,
     {.data = "421 4.3.0 bye\r\n"},
     "a@x",
     "TEMP:4.3.0",
     "421",
     SLUICE_FATE_FINISHED,
     0},
    {"DATA 250",
     usual,
     {.data = "250 fine\r\n"},
     "a@x",
     "TEMP:4.0.0",
     "host peer.test[127.0.0.1] said: 250 fine (in reply to DATA command)",
     SLUICE_FATE_FINISHED,
     0},
    {"DATA lost",
     usual,
     {.data = PEER_CLOSE},
     "a@x",
     "TEMP:4.4.2",
     "while sending DATA command",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"DATA silent",
     hasty,
     {.data = PEER_SILENT},
     "a@x",
     "TEMP:4.4.2",
     "timed out while sending DATA command",
     SLUICE_FATE_HOST_FAILED,
     0},
    {"end 4xx",
     usual,
     {.dot = "452 4.3.1 full\r\n"},
     "a@x r550@x b@x",
     "TEMP:4.3.1 PERM:5.2.1 TEMP:4.3.1",
     "host peer.test[127.0.0.1] said: 452 4.3.1 full (in reply to end of DATA command)",
     SLUICE_FATE_REUSABLE,
     1},
    {"end 5xx",
     usual,
     {.dot = "550 5.7.1 spam\r\n"},
     "a@x r450@x",
     "PERM:5.7.1 TEMP:4.2.1",
     "(in reply to end of DATA command)",
     SLUICE_FATE_REUSABLE,
     1},
    {"end 421",
     usual,
     {.dot = "421 4.3.0 bye\r\n"},
     "a@x",
     "TEMP:4.3.0",
     "421",
     SLUICE_FATE_FINISHED,
     1},
    {"end 354",
     usual,
     {.dot = "354 more\r\n"},
     "a@x",
     "TEMP:4.0.0",
     "354",
     SLUICE_FATE_FINISHED,
     1},
    {"end lost",
     usual,
     {.dot = PEER_CLOSE},
     "a@x r550@x",
     "TEMP:4.4.2 PERM:5.2.1",
     "lost connection with peer.test[127.0.0.1] while sending end of data -- message may be sent "
     "more than once",
     SLUICE_FATE_HOST_FAILED,
     1},
    {"end silent",
     hasty,
     {.dot = PEER_SILENT},
     "a@x",
     "TEMP:4.4.2",
     "timed out while sending end of data",
     SLUICE_FATE_HOST_FAILED,
     1},
    {"end nonsense",
     usual,
     {.dot = "ok\r\n"},
     "a@x",
     "TEMP:4.5.0",
     "does not speak SMTP",
     SLUICE_FATE_HOST_FAILED,
     1},
    {"an address that cannot be sent",
     usual,
     {NULL},
     "a@x \x01@x",
     "OK PERM:5.1.3",
     "250",
     SLUICE_FATE_REUSABLE,
     1},
};

static void check_delivery(size_t i, int is_pipelining)
{
    struct peer_script script = deliveries[i].script;
    struct test_message message;
    struct fixture f;
    int32_t fate;

    print_message("deliver%s: %s\n", is_pipelining ? " (pipelining)" : "", deliveries[i].name);
    script.ehlo = is_pipelining ? PEER_EHLO_PIPELINING : PEER_EHLO;
    test_message_init(&message, small, sizeof(small) - 1);
    fixture_open(&f, plugin_path, deliveries[i].settings, &script);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    fate = fixture_deliver(&f, &message, deliveries[i].recipients);
    assert_string_equal(f.summary, deliveries[i].summary);
    if (strstr(f.results[0].text, deliveries[i].text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", deliveries[i].text, f.results[0].text);
    fixture_close(&f);
    /* Without pipelining a refused MAIL is not followed by anything: the session is in step. */
    if (!is_pipelining && strcmp(deliveries[i].name, "MAIL 4xx") == 0)
        assert_int_equal(fate, SLUICE_FATE_REUSABLE);
    else
        assert_int_equal(fate, deliveries[i].fate);
    assert_int_equal(f.peer.message_count, deliveries[i].message_count);
    assert_int_equal(f.peer.early_count, 0);
    assert_int_equal(f.peer.pipelined_count, is_pipelining);
    assert_int_equal(strstr(f.peer.transcript, "QUIT\n") != NULL, fate == SLUICE_FATE_REUSABLE);
    fixture_done(&f);
}

static void test_deliver(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deliveries) / sizeof(deliveries[0]); i++) {
        check_delivery(i, 0);
        check_delivery(i, 1);
    }
}

/* RFC 2920 3.1: a go-ahead although nobody was accepted is answered by a lone dot. */
static void test_lone_dot(void **state)
{
    const struct peer_script script = {.ehlo = PEER_EHLO_PIPELINING};
    struct test_message message;
    struct fixture f;

    (void)state;
    test_message_init(&message, small, sizeof(small) - 1);
    fixture_open(&f, plugin_path, NULL, &script);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    assert_int_equal(fixture_deliver(&f, &message, "r550@x r450@x"), SLUICE_FATE_REUSABLE);
    assert_string_equal(f.summary, "PERM:5.2.1 TEMP:4.2.1");
    assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
    assert_string_equal(f.summary, "OK");
    fixture_close(&f);
    assert_int_equal(f.peer.message_count, 2);
    assert_int_equal(f.peer.messages[0].len, 0);
    assert_int_equal(f.peer.messages[1].len, sizeof(small) - 1);
    assert_null(strstr(f.peer.transcript, "RSET"));
    fixture_done(&f);
}

/* ---- envelope -------------------------------------------------------------------------------- */

static void test_parameters(void **state)
{
    static const struct {
        const char *name;
        const char *ehlo;
        int32_t body;
        const char *content;
        const char *mail, *rcpt; /* the whole commands */
        uint32_t flags;
    } cases[] = {
        {"nothing announced", "250 peer\r\n", SLUICE_BODY_8BITMIME, "a\xe4\r\n", MAIL,
         "RCPT TO:<u+x@y.test>"},
        {"SIZE", "250-peer\r\n250 SIZE\r\n", SLUICE_BODY_7BIT, "ab\r\n", MAIL " SIZE=4",
         "RCPT TO:<u+x@y.test>"},
        {"8BITMIME, announced", "250-peer\r\n250 8bitmime\r\n", SLUICE_BODY_8BITMIME, "a\r\n",
         MAIL " BODY=8BITMIME", "RCPT TO:<u+x@y.test>"},
        {"8BITMIME, found", "250-peer\r\n250 8BITMIME\r\n", SLUICE_BODY_7BIT, "a\r\n\r\n\xe4\r\n",
         MAIL " BODY=8BITMIME", "RCPT TO:<u+x@y.test>"},
        {"8BITMIME, not needed", "250-peer\r\n250 8BITMIME\r\n", SLUICE_BODY_7BIT, "a\r\n", MAIL,
         "RCPT TO:<u+x@y.test>"},
        {"8BITMIME, not looked for: the host has", "250-peer\r\n250 8BITMIME\r\n", SLUICE_BODY_7BIT,
         "\xe4\r\n", MAIL, "RCPT TO:<u+x@y.test>", SLUICE_MESSAGE_7BIT},
        {"DSN", "250-peer\r\n250 DSN\r\n", SLUICE_BODY_7BIT, "a\r\n", MAIL " RET=HDRS ENVID=e+2B1",
         "RCPT TO:<u+x@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u+2Bx@y.test"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct peer_script script = {.ehlo = cases[i].ehlo};
        struct sluice_recipient recipient = {
            .struct_size = sizeof(recipient),
            .notify = SLUICE_NOTIFY_SUCCESS | SLUICE_NOTIFY_DELAY,
            .address = sluice_span_of("u+x@y.test"),
        };
        struct test_message message;
        struct fixture f;
        char expected[512];

        print_message("parameters: %s\n", cases[i].name);
        test_message_init(&message, cases[i].content, strlen(cases[i].content));
        message.message.body = cases[i].body;
        message.message.flags = cases[i].flags;
        message.message.ret = SLUICE_RET_HDRS;
        message.message.envid = sluice_span_of("e+2B1");
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        f.count = 1;
        assert_int_equal(f.ops->deliver(f.transport, f.connection, &message.message, &recipient, 1,
                                        sizeof(recipient), INT64_MAX, &f.report),
                         SLUICE_FATE_REUSABLE);
        assert_int_equal(f.results[0].status, SLUICE_OK);
        fixture_close(&f);
        (void)snprintf(expected, sizeof(expected), "EHLO mx.sluice.test\n%s\n%s\nDATA\nQUIT\n",
                       cases[i].mail, cases[i].rcpt);
        assert_string_equal(f.peer.transcript, expected);
        fixture_done(&f);
    }
}

static void test_what_the_peer_cannot_take(void **state)
{
    static const struct {
        const char *name;
        const char *ehlo, *policy, *content;
        int is_smtputf8;
        const char *summary;
    } cases[] = {
        {"too large", "250-peer\r\n250 SIZE 5\r\n", "send", "abcd\r\n", 0, "PERM:5.3.4"},
        {"just fits", "250-peer\r\n250 SIZE 6\r\n", "send", "abcd\r\n", 0, "OK"},
        {"SIZE 0 is no limit", "250-peer\r\n250 SIZE 0\r\n", "send", "abcd\r\n", 0, "OK"},
        {"8-bit is sent", "250 peer\r\n", "send", "\xe4\r\n", 0, "OK"},
        {"8-bit is refused", "250 peer\r\n", "reject", "\xe4\r\n", 0, "PERM:5.6.3"},
        {"8-bit is welcome", "250-peer\r\n250 8BITMIME\r\n", "reject", "\xe4\r\n", 0, "OK"},
        {"7-bit is not refused", "250 peer\r\n", "reject", "a\r\n", 0, "OK"},
        {"SMTPUTF8 not needed", "250 peer\r\n", "send", "a: b\r\n\r\n\xe4\r\n", 1, "OK"},
        {"SMTPUTF8 needed", "250 peer\r\n", "send", "a: \xc3\xa4\r\n\r\nb\r\n", 1, "PERM:5.6.7"},
        {"SMTPUTF8 offered", "250-peer\r\n250 SMTPUTF8\r\n", "send", "a: \xc3\xa4\r\n", 1, "OK"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const settings[] = {"myhostname", "mx.sluice.test",
                                        "smtp_8bit_without_8bitmime", cases[i].policy, NULL};
        const struct peer_script script = {.ehlo = cases[i].ehlo};
        struct test_message message;
        struct fixture f;

        print_message("peer cannot: %s\n", cases[i].name);
        test_message_init(&message, cases[i].content, strlen(cases[i].content));
        message.message.is_smtputf8 = cases[i].is_smtputf8;
        fixture_open(&f, plugin_path, settings, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
        assert_string_equal(f.summary, cases[i].summary);
        fixture_close(&f);
        assert_int_equal(f.peer.message_count, strcmp(cases[i].summary, "OK") == 0);
        fixture_done(&f);
    }
}

/* More than one group of commands. */
static void test_many_recipients(void **state)
{
    char *recipients = calloc(FIXTURE_RECIPIENTS_MAX, 64);
    size_t len = 0;

    (void)state;
    for (int i = 0; i < FIXTURE_RECIPIENTS_MAX; i++)
        len += (size_t)sprintf(recipients + len, "%s%s-%040d@x", i > 0 ? " " : "",
                               i % 3 == 1   ? "r550"
                               : i % 3 == 2 ? "r450"
                                            : "ok",
                               i);
    for (int is_pipelining = 0; is_pipelining < 2; is_pipelining++) {
        const struct peer_script script = {.ehlo =
                                               is_pipelining ? PEER_EHLO_PIPELINING : PEER_EHLO};
        struct test_message message;
        struct fixture f;

        test_message_init(&message, small, sizeof(small) - 1);
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, recipients), SLUICE_FATE_REUSABLE);
        for (size_t i = 0; i < f.count; i++)
            assert_int_equal(f.results[i].status, i % 3 == 1   ? SLUICE_PERM
                                                  : i % 3 == 2 ? SLUICE_TEMP
                                                               : SLUICE_OK);
        fixture_close(&f);
        assert_int_equal(f.peer.message_count, 1);
        assert_int_equal(f.peer.early_count, 0);
        fixture_done(&f);
    }
    free(recipients);
}

/* ---- content --------------------------------------------------------------------------------- */

/* What must follow DATA: written as plainly as can be. */
static size_t model(const char *content, size_t len, char *out)
{
    size_t used = 0;
    int is_start = 1;

    for (size_t i = 0; i < len; i++) {
        if (is_start && content[i] == '.')
            out[used++] = '.';
        out[used++] = content[i];
        is_start = content[i] == '\n';
    }
    if (!is_start) {
        out[used++] = '\r';
        out[used++] = '\n';
    }
    return used;
}

static void check_content(const char *name, const char *content, size_t len, size_t read_max,
                          const char *ehlo)
{
    const struct peer_script script = {.ehlo = ehlo};
    char *expected = malloc(2 * len + 2);
    size_t expected_len = model(content, len, expected);
    struct test_message message;
    struct fixture f;

    print_message("content: %s, %zu bytes, %zu a read\n", name, len, read_max);
    test_message_init(&message, content, len);
    message.read_max = read_max;
    fixture_open(&f, plugin_path, NULL, &script);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
    assert_string_equal(f.summary, "OK");
    fixture_close(&f);
    assert_int_equal(f.peer.message_count, 1);
    assert_int_equal(f.peer.messages[0].len, expected_len);
    if (expected_len > 0)
        assert_memory_equal(f.peer.messages[0].raw, expected, expected_len);
    fixture_done(&f);
    free(expected);
}

/* Dots, line ends and 8-bit bytes in no order, in whole lines. */
static char *make_content(size_t len)
{
    static const char *const parts[] = {".", "..", "\r\n", "\r\n.\r\n", "a", "bcdefgh", "\xff\xfe"};
    char *content = malloc(len + 16);
    uint32_t seed = 12345;
    size_t used = 0;

    assert_non_null(content);
    while (used < len) {
        seed = seed * 1103515245 + 12345;
        used += (size_t)sprintf(content + used, "%s", parts[(seed >> 16) % 7]);
    }
    memcpy(content + len - 2, "\r\n", 2);
    return content;
}

static void test_content(void **state)
{
    static const char *const contents[] = {
        "",
        ".\r\n",
        "..\r\n",
        ".a\r\n\r\n.\r\n.\r\n..b\r\n",
        "\r\n",
        "\r\n.\r\n",
        "no final line end",
        "a\r\nno final line end",
        ".",
        "a\r\n.",
        "\x80\xff 8-bit \xe4\r\n",
        "QUIT\r\nRSET\r\n",
    };
    size_t large_len = 1500000;
    char *large = make_content(large_len), *line = malloc(100000);

    (void)state;
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        check_content("small", contents[i], strlen(contents[i]), 0, PEER_EHLO);
        check_content("small", contents[i], strlen(contents[i]), 1, PEER_EHLO_PIPELINING);
    }
    check_content("chunk and output sizes", large, 32768, 0, PEER_EHLO);
    check_content("chunk and output sizes", large, 65536, 0, PEER_EHLO);
    check_content("large", large, large_len, 0, PEER_EHLO_PIPELINING);
    check_content("large", large, large_len, 4093, PEER_EHLO);
    /* Under the peer's buffer: one line that is longer than any of the client's. */
    memset(line, 'x', 50000);
    memcpy(line + 50000 - 2, "\r\n", 2);
    check_content("a long line", line, 50000, 0, PEER_EHLO);
    free(large);
    free(line);
}

static void test_line_length_limit(void **state)
{
    static const char *const settings[] = {"myhostname", "mx.sluice.test", "smtp_line_length_limit",
                                           "5", NULL};
    static const char content[] = "12345\r\n123456789\r\n.1234\r\n.12345\r\n";
    static const char expected[] = "12345\r\n12345\r\n 6789\r\n..1234\r\n..1234\r\n 5\r\n";
    const struct peer_script script = {NULL};
    struct test_message message;
    struct fixture f;

    (void)state;
    test_message_init(&message, content, sizeof(content) - 1);
    fixture_open(&f, plugin_path, settings, &script);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
    fixture_close(&f);
    assert_int_equal(f.peer.messages[0].len, sizeof(expected) - 1);
    assert_memory_equal(f.peer.messages[0].raw, expected, sizeof(expected) - 1);
    fixture_done(&f);
}

/* A message that cannot be read to its end must not arrive cut. */
static void test_unreadable_content(void **state)
{
    static const struct {
        const char *name;
        size_t fails_at;
        int32_t body;
        int32_t fate;
    } cases[] = {
        {"before anything was said", 40000, SLUICE_BODY_7BIT, SLUICE_FATE_REUSABLE},
        {"in the middle", 40000, SLUICE_BODY_8BITMIME, SLUICE_FATE_FINISHED},
    };
    char *content = make_content(100000);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct peer_script script = {NULL};
        struct test_message message;
        struct fixture f;

        print_message("unreadable: %s\n", cases[i].name);
        memset(content, 'a', 100000);
        test_message_init(&message, content, 100000);
        message.fails_at = cases[i].fails_at;
        message.message.body = cases[i].body;
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "a@x r550@x"), cases[i].fate);
        assert_string_equal(f.summary, cases[i].fate == SLUICE_FATE_FINISHED
                                           ? "TEMP:4.3.0 PERM:5.2.1"
                                           : "TEMP:4.3.0 TEMP:4.3.0");
        fixture_close(&f);
        assert_int_equal(f.peer.message_count, 0);
        fixture_done(&f);
    }
    free(content);
}

/* A server may refuse, or go, before all the content is there. */
static void test_interrupted_content(void **state)
{
    static const struct {
        const char *reply, *summary, *text;
        int32_t fate;
    } cases[] = {
        {PEER_CLOSE, "TEMP:4.4.2 PERM:5.2.1",
         "lost connection with peer.test[127.0.0.1] while sending message body",
         SLUICE_FATE_HOST_FAILED},
        {"552 5.3.4 too big\r\n", "PERM:5.3.4 PERM:5.2.1",
         "host peer.test[127.0.0.1] said: 552 5.3.4 too big (in reply to DATA command)",
         SLUICE_FATE_FINISHED},
        {"421 4.3.0 bye\r\n", "TEMP:4.3.0 PERM:5.2.1",
         "host peer.test[127.0.0.1] said: 421 4.3.0 bye (in reply to DATA command)",
         SLUICE_FATE_FINISHED},
    };
    size_t len = 20000000; /* more than the sockets hold */
    char *content = make_content(len);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct peer_script script = {
            .ehlo = "250-peer\r\n250 8BITMIME\r\n",
            .content_max = 100,
            .content_reply = cases[i].reply,
        };
        struct test_message message;
        struct fixture f;

        test_message_init(&message, content, len);
        message.message.body = SLUICE_BODY_8BITMIME;
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "a@x r550@x"), cases[i].fate);
        assert_string_equal(f.summary, cases[i].summary);
        assert_string_equal(f.results[0].text, cases[i].text);
        fixture_close(&f);
        assert_int_equal(f.peer.message_count, 0);
        fixture_done(&f);
    }
    free(content);
}

/* ---- reuse ----------------------------------------------------------------------------------- */

static void test_reuse_after_a_failed_message(void **state)
{
    static const char *const ehlos[] = {PEER_EHLO, PEER_EHLO_PIPELINING};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct peer_script script = {.ehlo = ehlos[i], .data = "354 go\r\n"};
        struct test_message message;
        struct fixture f;

        test_message_init(&message, small, sizeof(small) - 1);
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "r550@x"), SLUICE_FATE_REUSABLE);
        assert_string_equal(f.summary, "PERM:5.2.1");
        for (int n = 0; n < 3; n++) {
            assert_int_equal(fixture_deliver(&f, &message, "a@x r450@x"), SLUICE_FATE_REUSABLE);
            assert_string_equal(f.summary, "OK TEMP:4.2.1");
        }
        fixture_close(&f);
        assert_int_equal(f.peer.connection_count, 1);
        assert_int_equal(f.peer.early_count, 0);
        assert_int_equal(f.peer.message_count, i == 0 ? 3 : 4); /* the lone dot's */
        /* RSET only where a transaction was left open, and never between good messages. */
        if (i == 0)
            assert_non_null(strstr(f.peer.transcript, "RCPT TO:<r550@x> ORCPT=rfc822;r550@x\n"
                                                      "RSET\nMAIL"));
        assert_int_equal(strstr(f.peer.transcript, "DATA\nRSET") != NULL, 0);
        fixture_done(&f);
    }
}

static void test_reset_refused(void **state)
{
    static const char *const replies[] = {"500 what\r\n", "421 bye\r\n", PEER_CLOSE};

    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        const struct peer_script script = {.rset = replies[i]};
        struct test_message message;
        struct fixture f;

        test_message_init(&message, small, sizeof(small) - 1);
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "r550@x"), SLUICE_FATE_REUSABLE);
        assert_int_equal(fixture_deliver(&f, &message, "a@x b@x"), SLUICE_FATE_FINISHED);
        assert_int_equal(f.results[0].status, SLUICE_TEMP);
        assert_int_equal(f.results[1].status, SLUICE_TEMP);
        fixture_close(&f);
        assert_int_equal(f.peer.message_count, 0);
        fixture_done(&f);
    }
}

/* A kept connection that the server closed says nothing against the host. */
static void test_kept_connection_is_gone(void **state)
{
    static const char *const farewells[] = {PEER_CLOSE, "421 4.4.2 idle\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(farewells) / sizeof(farewells[0]); i++) {
        const struct peer_script script = {.after_message = farewells[i]};
        struct test_message message;
        struct fixture f;

        test_message_init(&message, small, sizeof(small) - 1);
        fixture_open(&f, plugin_path, NULL, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
        peer_stop(&f.peer); /* so that it is closed for certain */
        assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_FINISHED);
        assert_string_equal(f.summary, "TEMP:4.4.2");
        f.has_peer = 0;
        fixture_close(&f);
        peer_done(&f.peer);
        fixture_done(&f);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *const *settings;
    struct peer_script script;
    const char *recipients;
    const char *summary;
    const char *text; /* in the first result */
    int32_t fate;
} questions[] = {
    {"each has an answer", usual, {NULL}, "a@x r550@x r450@x", "OK PERM:5.2.1 TEMP:4.2.1",
     "250 2.1.5", SLUICE_FATE_REUSABLE},
    {"LMTP", lmtp, {NULL}, "a@x r550@x", "OK PERM:5.2.1", "250 2.1.5", SLUICE_FATE_REUSABLE},
    {"nobody", usual, {NULL}, "r550@x", "PERM:5.2.1", "550 5.2.1", SLUICE_FATE_REUSABLE},
    {"MAIL 5xx", usual, {.mail = "550 5.7.1 not you\r\n"}, "a@x b@x", "PERM:5.7.1 PERM:5.7.1",
     "550 5.7.1 not you", SLUICE_FATE_REUSABLE},
    {"421 in the middle: what was said stands", usual, {NULL}, "a@x r421@x b@x",
     "OK TEMP:4.2.1 TEMP:4.2.1", "250 2.1.5", SLUICE_FATE_FINISHED},
    {"lost in the middle", usual, {NULL}, "a@x close@x b@x", "OK TEMP:4.4.2 TEMP:4.4.2",
     "250 2.1.5", SLUICE_FATE_HOST_FAILED},
    {"RSET 5xx says nothing of them", usual, {.rset = "500 what\r\n"}, "a@x", "OK", "250 2.1.5",
     SLUICE_FATE_FINISHED},
    {"lost at RSET", usual, {.rset = PEER_CLOSE}, "a@x r550@x", "OK PERM:5.2.1", "250 2.1.5",
     SLUICE_FATE_HOST_FAILED},
    {"an address that cannot be sent", usual, {NULL}, "a@x \x01@x", "OK PERM:5.1.3", "250",
     SLUICE_FATE_REUSABLE},
};

/* The peer never sees DATA, and takes a real message over the same connection afterwards. */
static void check_question(size_t i, int is_pipelining)
{
    struct peer_script script = questions[i].script;
    struct test_message message;
    struct fixture f;

    print_message("verify%s: %s\n", is_pipelining ? " (pipelining)" : "", questions[i].name);
    script.ehlo = is_pipelining ? PEER_EHLO_PIPELINING : PEER_EHLO;
    test_message_init(&message, small, sizeof(small) - 1);
    message.message.flags = SLUICE_MESSAGE_VERIFY;
    fixture_open(&f, plugin_path, questions[i].settings, &script);
    assert_true((f.ops->flags & SLUICE_TRANSPORT_VERIFIES) != 0);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    assert_int_equal(fixture_deliver(&f, &message, questions[i].recipients), questions[i].fate);
    assert_string_equal(f.summary, questions[i].summary);
    assert_non_null(strstr(f.results[0].text, questions[i].text));
    int can_go_on = questions[i].fate == SLUICE_FATE_REUSABLE && script.mail == NULL;
    if (can_go_on) {
        message.message.flags = 0;
        assert_int_equal(fixture_deliver(&f, &message, "b@x"), SLUICE_FATE_REUSABLE);
    }
    fixture_close(&f);
    const char *data = strstr(f.peer.transcript, "DATA\n");
    const char *second = strstr(f.peer.transcript, "RSET\nMAIL");
    assert_true(can_go_on ? second != NULL && data > second : data == NULL);
    assert_int_equal(f.peer.message_count, can_go_on);
    assert_int_equal(f.peer.early_count, 0);
    fixture_done(&f);
}

static void test_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        check_question(i, 0);
        check_question(i, 1);
    }
}

/* ---- what else a result says ----------------------------------------------------------------- */

static void test_result_flags(void **state)
{
    static const struct {
        const char *const *settings;
        const char *ehlo;
        uint32_t flags;
    } cases[] = {
        {usual, PEER_EHLO, SLUICE_RESULT_DSN_PASSED},
        {usual, "250 peer.test\r\n", 0},
        {lmtp, "250 peer.test\r\n", SLUICE_RESULT_FINAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct peer_script script = {.ehlo = cases[i].ehlo};
        struct test_message message;
        struct fixture f;

        test_message_init(&message, small, sizeof(small) - 1);
        fixture_open(&f, plugin_path, cases[i].settings, &script);
        assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        assert_int_equal(fixture_deliver(&f, &message, "a@x"), SLUICE_FATE_REUSABLE);
        assert_string_equal(f.summary, "OK");
        assert_int_equal(f.results[0].flags, cases[i].flags);
        fixture_close(&f);
        fixture_done(&f);
    }
}

/* A host of 1.0 takes results without what 1.1 added to them, and asks no questions. */
static void test_an_older_host(void **state)
{
    const struct peer_script script = {NULL};
    struct test_message message;
    struct fixture f;

    (void)state;
    test_message_init(&message, small, sizeof(small) - 1);
    message.message.struct_size = offsetof(struct sluice_message, flags);
    message.message.flags = SLUICE_MESSAGE_VERIFY; /* is not there */
    fixture_open(&f, plugin_path, NULL, &script);
    f.report.struct_size = offsetof(struct sluice_report, result);
    assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
    assert_int_equal(fixture_deliver(&f, &message, "a@x r550@x"), SLUICE_FATE_REUSABLE);
    assert_string_equal(f.summary, "OK PERM:5.2.1");
    assert_int_equal(f.results[0].flags, 0);
    fixture_close(&f);
    assert_int_equal(f.peer.message_count, 1);
    fixture_done(&f);
}

/* ---- options --------------------------------------------------------------------------------- */

/* Spec: an empty value is a value. */
static void test_fallback(void **state)
{
    static const struct {
        const char *const settings[7];
        const char *fallback;
    } rows[] = {
        {{"myhostname", "mx.test", NULL}, ""},
        {{"myhostname", "mx.test", "fallback_relay", "[a.test] b.test:26", NULL},
         "[a.test],b.test:26"},
        {{"myhostname", "mx.test", "smtp_fallback_relay", "[a.test]", NULL}, "[a.test]"},
        {{"myhostname", "mx.test", "fallback_relay", "[a.test]", "smtp_fallback_relay", "[b.test]",
          NULL},
         "[b.test]"},
        {{"myhostname", "mx.test", "fallback_relay", "[a.test]", "smtp_fallback_relay", "", NULL},
         ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sluice_span fallback;
        struct fixture f;

        fixture_open(&f, plugin_path, rows[i].settings, NULL);
        fallback = f.ops->fallback(f.transport);
        assert_int_equal(fallback.len, strlen(rows[i].fallback));
        assert_memory_equal(fallback.ptr, rows[i].fallback, fallback.len);
        fixture_close(&f);
        fixture_done(&f);
    }
}

static void test_bad_options(void **state)
{
    static const char *const bad[][5] = {
        {"myhostname", "", NULL},
        {"myhostname", "mx example", NULL},
        {"myhostname", "mx.test", "smtp_helo_name", "a\r\nb", NULL},
        {"myhostname", "mx.test", "smtp_line_length_limit", "1", NULL},
    };
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);
    const struct sluice_transport_ops *ops = test_plugin_interface(desc, SLUICE_TRANSPORT_ID);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sluice_config *config = test_config_new(desc, bad[i]);
        struct sluice_transport *transport = NULL;
        struct test_errors errors;
        struct net_host host;

        net_host_init(&host, desc->name, NULL);
        test_errors_init(&errors);
        assert_int_equal(ops->open(&host.test.sdk, config, &errors.sdk, &transport), SLUICE_CONFIG);
        assert_int_equal(errors.count, 1);
        assert_null(transport);
        test_config_free(config);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_deliver),
        cmocka_unit_test(test_lone_dot),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_what_the_peer_cannot_take),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_line_length_limit),
        cmocka_unit_test(test_unreadable_content),
        cmocka_unit_test(test_interrupted_content),
        cmocka_unit_test(test_reuse_after_a_failed_message),
        cmocka_unit_test(test_reset_refused),
        cmocka_unit_test(test_kept_connection_is_gone),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_result_flags),
        cmocka_unit_test(test_an_older_host),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_bad_options),
    };

    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PLUGIN.so\n", argv[0]);
        return 64;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
