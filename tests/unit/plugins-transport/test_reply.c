/* SPDX-License-Identifier: ISC */
/*
 * reply: replies line by line, good and bad; enhanced status codes.
 */
#include "reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Lines parted by '\n', each added in turn. */
static enum reply_progress feed(struct reply *reply, const char *lines)
{
    enum reply_progress progress = REPLY_MORE;

    reply_init(reply);
    while (progress == REPLY_MORE && *lines != '\0') {
        size_t len = strcspn(lines, "\n");

        progress = reply_add_line(reply, (struct sluice_span){lines, len});
        lines += len + (lines[len] == '\n');
    }
    return progress;
}

static const struct {
    const char *name, *lines;
    enum reply_progress progress;
    int code;
    const char *dsn;
} cases[] = {
    {"plain", "250 Ok", REPLY_DONE, 250, "2.0.0"},
    {"code alone", "250", REPLY_DONE, 250, "2.0.0"},
    {"code and a blank", "250 ", REPLY_DONE, 250, "2.0.0"},
    {"several lines", "250-a\n250-b\n250 c", REPLY_DONE, 250, "2.0.0"},
    {"not over yet", "250-a\n250-b", REPLY_MORE, 250, "2.0.0"},
    {"a last line without text", "250-a\n250", REPLY_DONE, 250, "2.0.0"},
    {"enhanced status", "550 5.1.1 unknown", REPLY_DONE, 550, "5.1.1"},
    {"enhanced status alone", "550 5.1.1", REPLY_DONE, 550, "5.1.1"},
    {"enhanced status, long", "550 5.123.456 x", REPLY_DONE, 550, "5.123.456"},
    {"enhanced status of the first line", "550-5.7.1 a\n550 5.7.2 b", REPLY_DONE, 550, "5.7.1"},
    {"of another class", "450 5.1.1 x", REPLY_DONE, 450, "4.0.0"},
    {"too many digits", "550 5.1234.1 x", REPLY_DONE, 550, "5.0.0"},
    {"two numbers only", "550 5.1 x", REPLY_DONE, 550, "5.0.0"},
    {"four numbers", "550 5.1.1.1 x", REPLY_DONE, 550, "5.0.0"},
    {"letters behind", "550 5.1.1x", REPLY_DONE, 550, "5.0.0"},
    {"an address", "550 5.0.0.1", REPLY_DONE, 550, "5.0.0"},
    {"a class without meaning", "150 x", REPLY_DONE, 150, "1.0.0"},
    {"a class that nobody knows", "999-9.2.1 x\n999 y", REPLY_DONE, 999, "9.2.1"},
    {"lowest code", "000 x", REPLY_DONE, 0, "0.0.0"},
    {"lowest code, several lines", "000-x\n000 x", REPLY_DONE, 0, "0.0.0"},
    {"code changes from the lowest", "000-x\n250 x", REPLY_BAD, 0, NULL},
    {"two digits", "25", REPLY_BAD, 0, NULL},
    {"four digits", "2500 x", REPLY_BAD, 0, NULL},
    {"words", "hello", REPLY_BAD, 0, NULL},
    {"leading blank", " 250 x", REPLY_BAD, 0, NULL},
    {"wrong separator", "250_x", REPLY_BAD, 0, NULL},
    {"code changes", "250-a\n550 b", REPLY_BAD, 0, NULL},
    {"text within", "250-a\nhello\n250 b", REPLY_BAD, 0, NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply reply;
        char dsn[REPLY_DSN_MAX];

        print_message("%s\n", cases[i].name);
        assert_int_equal(feed(&reply, cases[i].lines), cases[i].progress);
        assert_int_equal(reply.code, cases[i].code);
        if (cases[i].dsn == NULL)
            continue;
        reply_dsn(&reply, reply_class(&reply), dsn);
        assert_string_equal(dsn, cases[i].dsn);
    }
}

static void test_empty_line_is_bad(void **state)
{
    struct reply reply;

    (void)state;
    reply_init(&reply);
    assert_int_equal(reply_add_line(&reply, (struct sluice_span){NULL, 0}), REPLY_BAD);
}

static void test_class_is_forced(void **state)
{
    struct reply reply;
    char dsn[REPLY_DSN_MAX];

    (void)state;
    assert_int_equal(feed(&reply, "554 5.7.1 no"), REPLY_DONE);
    reply_dsn(&reply, 4, dsn);
    assert_string_equal(dsn, "4.7.1");
    assert_true(reply_has_dsn(&reply));
    assert_int_equal(feed(&reply, "554 no"), REPLY_DONE);
    assert_false(reply_has_dsn(&reply));
}

static void test_text(void **state)
{
    struct reply reply;
    struct sluice_span line;

    (void)state;
    assert_int_equal(feed(&reply, "250-a\tb\x1b[2J\x7f\n250-\n250 c \xe4"), REPLY_DONE);
    assert_string_equal(reply.text, "250-a b?[2J?\n250-\n250 c \xe4");
    line = reply_line(&reply, 0);
    assert_int_equal(line.len, 8);
    assert_memory_equal(line.ptr, "a b?[2J?", 8);
    assert_int_equal(reply_line(&reply, 1).len, 0);
    assert_int_equal(reply_line(&reply, 2).len, 3);
    assert_int_equal(reply_line(&reply, 3).len, 0);
}

static void test_limits(void **state)
{
    struct reply reply;
    char line[REPLY_LINE_MAX];
    int added = 0;

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    reply_init(&reply);
    while (reply_add_line(&reply, (struct sluice_span){line, sizeof(line)}) == REPLY_MORE) {
        added++;
        assert_true(reply.text_len <= REPLY_TEXT_MAX);
    }
    assert_int_equal(added, REPLY_LINES_MAX);
}

/* Half of "SIZE 10000000" would be another limit. */
static void test_no_line_is_cut(void **state)
{
    struct reply reply;
    char line[1500];

    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    reply_init(&reply);
    for (int i = 0; i < 2; i++)
        assert_int_equal(reply_add_line(&reply, (struct sluice_span){line, 1500}), REPLY_MORE);
    assert_int_equal(reply_add_line(&reply, (struct sluice_span){line, 1084}), REPLY_MORE);
    assert_int_equal(reply_add_line(&reply, sluice_span_of("250 SIZE 1000")), REPLY_DONE);
    assert_int_equal(reply.line_count, 4);
    assert_int_equal(reply_line(&reply, 2).len, 1080);
    assert_int_equal(reply_line(&reply, 3).len, 0);
}

#define FUZZ_ROUNDS 20000

/* A xorshift generator: the same bytes in every run. */
static unsigned next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)(*state >> 32);
}

/* Whatever comes, the text is bounded, printable and parted into as many lines as it says. */
static void test_random_lines(void **state)
{
    static const char bytes[] = "0123456789-- \t.\0\x1b\xff"
                                "250-250 5.1.1 SIZE x";
    uint64_t random = 20240601;

    (void)state;
    for (int round = 0; round < FUZZ_ROUNDS; round++) {
        enum reply_progress progress = REPLY_MORE;
        struct reply reply;
        char dsn[REPLY_DSN_MAX];

        reply_init(&reply);
        for (int n = 0; n < 8 && progress == REPLY_MORE; n++) {
            char line[64] = "250-";
            size_t len = next_random(&random) % sizeof(line);

            for (size_t i = next_random(&random) % 5; i < len; i++)
                line[i] = bytes[next_random(&random) % (sizeof(bytes) - 1)];
            progress = reply_add_line(&reply, (struct sluice_span){line, len});
        }
        assert_true(reply.code >= 0 && reply.code <= 999);
        assert_int_equal(strlen(reply.text), reply.text_len);
        reply_dsn(&reply, 4, dsn);
        assert_int_equal(dsn[0], '4');
        assert_int_equal(strspn(dsn, "0123456789."), strlen(dsn));
        for (size_t i = 0; i <= reply.line_count; i++)
            assert_true(reply_line(&reply, i).len <= reply.text_len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),           cmocka_unit_test(test_empty_line_is_bad),
        cmocka_unit_test(test_class_is_forced), cmocka_unit_test(test_text),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_no_line_is_cut),
        cmocka_unit_test(test_random_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
