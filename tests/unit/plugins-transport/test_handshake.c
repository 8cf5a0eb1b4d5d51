/* SPDX-License-Identifier: ISC */
/*
 * handshake: what the reply to EHLO announces; and, over an io that plays the server, that our own
 * name on port 25 is a loop (the contract test has no port 25).
 */
#include "handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_ehlo(void **state)
{
    static const struct {
        const char *name;
        const char *lines[8];
        struct session_peer peer;
    } cases[] = {
        {"nothing", {"250 peer"}, {0}},
        {"all",
         {"250-peer", "250-PIPELINING", "250-SIZE 1000", "250-8BITMIME", "250-DSN", "250 SMTPUTF8"},
         {1, 1, 1, 1, 1, 1000}},
        {"lower case",
         {"250-peer", "250-pipelining", "250 size 12"},
         {.has_pipelining = 1, .has_size = 1, .size_limit = 12}},
        {"the first line is the name", {"250-PIPELINING", "250 X"}, {0}},
        {"a longer word", {"250-peer", "250 PIPELININGS"}, {0}},
        {"SIZE alone", {"250-peer", "250 SIZE"}, {.has_size = 1}},
        {"SIZE 0", {"250-peer", "250 SIZE 0"}, {.has_size = 1}},
        {"SIZE nonsense", {"250-peer", "250 SIZE 12x"}, {.has_size = 1}},
        {"SIZE largest",
         {"250-peer", "250 SIZE 18446744073709551615"},
         {.has_size = 1, .size_limit = UINT64_MAX}},
        {"SIZE that wraps", {"250-peer", "250 SIZE 18446744073709551616"}, {.has_size = 1}},
        {"blanks",
         {"250-peer", "250-  8BITMIME  ", "250 SIZE   7  "},
         {.has_8bitmime = 1, .has_size = 1, .size_limit = 7}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct session_peer peer;
        struct reply reply;

        print_message("%s\n", cases[i].name);
        reply_init(&reply);
        for (const char *const *line = cases[i].lines; *line != NULL; line++)
            (void)reply_add_line(&reply, sluice_span_of(*line));
        handshake_parse_ehlo(&reply, &peer);
        assert_memory_equal(&peer, &cases[i].peer, sizeof(peer));
    }
}

/* ---- a server that says its lines whatever it hears ------------------------------------------ */

struct sluice_stream {
    const char *lines;
};

static sluice_status play_read(struct sluice_stream *stream, void *buffer, size_t size,
                               int64_t deadline_ms, size_t *ret_len)
{
    size_t len = strcspn(stream->lines, "\n");

    (void)deadline_ms;
    len += stream->lines[len] == '\n';
    assert_true(len <= size);
    memcpy(buffer, stream->lines, len);
    stream->lines += len;
    *ret_len = len;
    return SLUICE_OK;
}

static sluice_status play_write(struct sluice_stream *stream, struct sluice_span data,
                                int64_t deadline_ms)
{
    (void)stream;
    (void)data;
    (void)deadline_ms;
    return SLUICE_OK;
}

static void play_close(struct sluice_stream *stream)
{
    (void)stream;
}

static int64_t play_now(const struct sluice_host *host)
{
    (void)host;
    return 1000;
}

static void test_loop(void **state)
{
    static const struct {
        const char *name, *lines;
        int loops_are_checked, is_backup;
        const char *dsn; /* NULL: it is fine */
    } cases[] = { /* spec R-54 */
        {"our name", "220 x\n250 MX.sluice.test hello\n", 1, 0, "5.4.6"},
        {"our name to HELO", "220 x\n500 no\n250 mx.sluice.test\n", 1, 0, "5.4.6"},
        {"our name, of a backup", "220 x\n250 mx.sluice.test\n", 1, 1, "4.4.6"},
        {"our name on another port", "220 x\n250 mx.sluice.test\n", 0, 0, NULL},
        {"our name in the greeting only", "220 mx.sluice.test\n250 y\n", 1, 0, NULL},
        {"a longer name", "220 x\n250 mx.sluice.test.example\n", 1, 0, NULL},
        {"no name", "220 x\n250\n", 1, 0, NULL},
    };
    static const struct sluice_io io = {
        .struct_size = sizeof(io), .read = play_read, .write = play_write, .close = play_close};
    static const struct sluice_clock clock = {.struct_size = sizeof(clock),
                                              .monotonic_ms = play_now};
    static char name[] = "mx.sluice.test";
    const struct sluice_transport transport = {.io = &io,
                                               .clock = &clock,
                                               .myhostname = name,
                                               .helo_name = name,
                                               .timeouts = {.helo_ms = 1000}};
    struct sluice_target target = {.struct_size = sizeof(target),
                                   .nexthop = sluice_span_of("customer.tld")};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sluice_stream stream = {cases[i].lines};
        struct sluice_connection *session = session_new(&transport, &target);
        struct session_verdict verdict = {.dsn = ""};

        sluice_status wanted = cases[i].dsn == NULL          ? SLUICE_OK
                               : cases[i].dsn[0] == '5' ? SLUICE_PERM
                                                        : SLUICE_TEMP;

        print_message("%s\n", cases[i].name);
        session->stream = &stream;
        target.is_backup = cases[i].is_backup;
        session_begin(session, INT64_MAX);
        assert_int_equal(handshake(session, &target, cases[i].loops_are_checked, &verdict), wanted);
        if (wanted != SLUICE_OK) {
            assert_string_equal(verdict.dsn, cases[i].dsn);
            assert_string_equal(verdict.text, "mail for customer.tld loops back to myself");
        }
        session_free(session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ehlo),
        cmocka_unit_test(test_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
