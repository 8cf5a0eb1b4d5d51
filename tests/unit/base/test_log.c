/* SPDX-License-Identifier: ISC */
/*
 * The log, as its reader sees it; each case in a process of its own, since a process has one log.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_MAX (8 * 1024 * 1024)

/* When the parent begins to read what its child logs. */
enum reader {
    READS_AT_ONCE,
    READS_WHEN_TOLD,
    READS_AT_THE_END,
};

static int told[2];

static void tell_reader(void)
{
    if (write(told[1], "x", 1) != 1)
        _exit(1);
}

static void wait_until(enum reader reader, pid_t child, int *status)
{
    char byte;

    if (reader == READS_WHEN_TOLD)
        assert_int_equal(read(told[0], &byte, 1), 1);
    if (reader == READS_AT_THE_END)
        assert_int_equal(waitpid(child, status, 0), child);
}

/* Runs fn in a child whose standard error is a pipe. Returns what was written; the caller frees it. */
static char *output_of(void (*fn)(void), enum reader reader)
{
    char *out = calloc(1, OUTPUT_MAX + 1);
    size_t len = 0;
    ssize_t n;
    int fds[2];
    int status;

    assert_non_null(out);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        (void)alarm(60); /* a log that blocks fails the test */
        fn();
        _exit(0);
    }
    close(fds[1]);
    close(told[1]);
    wait_until(reader, child, &status);
    while (len < OUTPUT_MAX && (n = read(fds[0], out + len, OUTPUT_MAX - len)) > 0)
        len += (size_t)n;
    close(fds[0]);
    close(told[0]);
    if (reader != READS_AT_THE_END)
        assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return out;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
    bool is_match = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return is_match;
}

static unsigned count_lines(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n' ? 1 : 0;
    return count;
}

static void log_lines(void)
{
    clock_set(0, INT64_C(1795312200123)); /* 2026-11-22T01:50:00.123Z */
    errno = ENOENT;
    log_info("before the start");
    log_start("queue", LOG_TO_STDERR, LOG_LEVEL_INFO);
    log_notice("id=%s status=%d", "00AB", 7);
    log_debug("not this");
    log_warning("evil\nline\r\x1b[2J\x01 t\xc3\xb6st \xff");
    if (errno != ENOENT)
        _exit(1);
    log_stop();
    log_error("after the stop");
}

static void test_lines(void **state)
{
    (void)state;
    char *out = output_of(log_lines, READS_AT_ONCE);

    print_message("%s", out);
    assert_int_equal(count_lines(out), 4);
    assert_true(matches(out, "^2026-11-22T01:50:00\\.123Z sluice\\[[0-9]+\\]: before the start$"));
    assert_true(matches(out, "^2026-11-22T01:50:00\\.123Z sluice/queue\\[[0-9]+\\]: "
                             "id=00AB status=7$"));
    assert_non_null(strstr(out, ": evil?line??[2J? t\xc3\xb6st ?\n"));
    assert_non_null(strstr(out, ": after the stop\n"));
    free(out);
}

static void log_much_and_stop(void)
{
    log_start("receive", LOG_TO_STDERR, LOG_LEVEL_INFO);
    for (int i = 0; i < 10000; i++)
        log_info("line %d", i);
    log_stop();
}

/* Nobody reads until the process has gone: it must not wait for that. */
static void test_reader_that_does_not_read(void **state)
{
    (void)state;
    char *out = output_of(log_much_and_stop, READS_AT_THE_END);

    assert_true(matches(out, ": line 0$"));
    assert_false(matches(out, ": line 9999$"));
    free(out);
}

/* Fills ring and pipe, and lets the reader begin only then. */
static void log_with_loss(void)
{
    char text[900];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_start("receive", LOG_TO_STDERR, LOG_LEVEL_INFO);
    for (int i = 0; i < 20000; i++)
        log_info("%d %s", i, text);
    tell_reader();
    log_info("the last one");
    log_stop();
}

static void test_lost_lines_are_counted(void **state)
{
    (void)state;
    char *out = output_of(log_with_loss, READS_WHEN_TOLD);
    unsigned long long lost = 0;
    unsigned notices = 0;

    for (const char *at = out; (at = strstr(at, " lines of the log were lost")) != NULL; at++) {
        const char *number = at;
        while (number > out && number[-1] != ' ')
            number--;
        lost += strtoull(number, NULL, 10);
        notices++;
    }
    print_message("  %u lines, %llu lost\n", count_lines(out), lost);
    assert_true(lost > 10000); /* ring and pipe hold about 1,200 */
    assert_int_equal(count_lines(out) - notices + lost, 20001);
    free(out);
}

static void log_long_line(void)
{
    char text[5000];

    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_start("check", LOG_TO_STDERR, LOG_LEVEL_INFO);
    log_info("%s", text);
    log_info("next");
    log_stop();
    log_start("again", LOG_TO_STDERR, LOG_LEVEL_ERROR);
    log_info("not at this level");
    log_error("second start");
    log_stop();
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    char *out = output_of(log_long_line, READS_AT_ONCE);

    assert_int_equal(count_lines(out), 3);
    assert_true(matches(out, "^.{24} sluice/check\\[[0-9]+\\]: yyy"));
    assert_int_equal(strchr(out, '\n') - strchr(out, 'y'), 1023);
    assert_true(matches(out, "sluice/again\\[[0-9]+\\]: second start$"));
    free(out);
}

static void log_complaints(void)
{
    struct complaint complaint = {0};

    for (int64_t second = 0; second < 8 * 3600; second += 10) {
        clock_set(second * 1000, second * 1000);
        complain(&complaint, LOG_LEVEL_WARNING, "table is down");
    }
    complain_over(&complaint, "table is back");
    complain_over(&complaint, "table is back");
    complain(&complaint, LOG_LEVEL_WARNING, "table is down");
}

static void test_complaints_grow_rare(void **state)
{
    (void)state;
    char *out = output_of(log_complaints, READS_AT_ONCE);

    /* At 0, 1, 3, 7, 15, 31, 63 minutes, then each hour. */
    assert_true(matches(out, "T00:00:00.*: table is down$"));
    assert_true(matches(out, "T00:01:00.*: table is down \\(and 5 more like this\\)$"));
    assert_true(matches(out, "T00:03:00.*11 more"));
    assert_true(matches(out, "T01:03:00.*more"));
    assert_true(matches(out, "T02:03:00.*359 more"));
    assert_int_equal(count_lines(out), 7 + 6 + 2);
    free(out);
}

static void test_quote(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
        const char *want;
    } cases[] = {
        {"plain", "a b~", 64, "a b~"},
        {"controls", "a\r\n\t\x7f", 64, "a????"},
        {"utf-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7", 64,
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7"},
        {"latin-1", "\xe4x", 64, "?x"},
        {"overlong", "\xc0\x80\xe0\x80\x80", 64, "?????"},
        {"surrogate", "\xed\xa0\x80", 64, "???"},
        {"c1 control", "\xc2\x9b", 64, "??"},
        {"cut short", "\xe2\x82", 64, "??"},
        {"fits", "abc", 4, "abc"},
        {"cut to fit", "abcd", 4, "abc"},
        {"no half character", "ab\xc3\xa4", 4, "ab"},
        {"room for nothing", "abc", 1, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        print_message("  %s\n", cases[i].name);
        assert_string_equal(log_quote(sluice_span_of(cases[i].bytes), out, cases[i].size),
                            cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_reader_that_does_not_read),
        cmocka_unit_test(test_lost_lines_are_counted),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_complaints_grow_rare),
        cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
