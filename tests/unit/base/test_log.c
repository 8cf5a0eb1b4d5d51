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
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_MAX (8 * 1024 * 1024)
#define WALL_MS INT64_C(1795312200123) /* 2026-11-22T01:50:00.123Z */

static const struct log_settings to_stderr = {.max_level = LOG_LEVEL_INFO};

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
    clock_set(0, WALL_MS);
    errno = ENOENT;
    log_info("before the start");
    log_start("queue", &to_stderr);
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
    assert_true(matches(out, "^2026-11-22T03:50:00\\.123\\+02:00 [^ ]+ sluice/main\\[[0-9]+\\]: "
                             "before the start$"));
    assert_true(matches(out, "^2026-11-22T03:50:00\\.123\\+02:00 [^ ]+ sluice/queue\\[[0-9]+\\]: "
                             "id=00AB status=7$"));
    assert_non_null(strstr(out, ": warning: evil?line??[2J? t\xc3\xb6st ?\n"));
    assert_non_null(strstr(out, ": fatal: after the stop\n"));
    free(out);
}

static void log_much_and_stop(void)
{
    log_start("receive", &to_stderr);
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
    log_start("receive", &to_stderr);
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
    log_start("check", &to_stderr);
    log_info("%s", text);
    log_info("next");
    log_stop();
    log_start("again", &(struct log_settings){.max_level = LOG_LEVEL_ERROR});
    log_info("not at this level");
    log_error("second start");
    log_stop();
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    char *out = output_of(log_long_line, READS_AT_ONCE);

    assert_int_equal(count_lines(out), 3);
    assert_true(matches(out, "^.{29} [^ ]+ sluice/check\\[[0-9]+\\]: yyy"));
    assert_int_equal(strchr(out, '\n') - strstr(out, "yyy"), 4095);
    assert_true(matches(out, "sluice/again\\[[0-9]+\\]: fatal: second start$"));
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
    assert_true(matches(out, "T02:00:00.*: table is down$"));
    assert_true(matches(out, "T02:01:00.*: table is down \\(and 5 more like this\\)$"));
    assert_true(matches(out, "T02:03:00.*11 more"));
    assert_true(matches(out, "T03:03:00.*more"));
    assert_true(matches(out, "T04:03:00.*359 more"));
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

/* ---- events ---------------------------------------------------------------------------------- */

static const struct log_event delivery = {
    .level = LOG_LEVEL_NOTICE,
    .component = "smtp",
    .name = "delivery",
    .text = "{queue_id}: to=<{to}>,{ orig_to=<|orig_to|>,} size={size}, delay={delay}, "
            "delays={delays} ({text})",
};

static void log_deliveries(void)
{
    int64_t delay_ms = 61234;
    int64_t delays_ms[] = {0, 50, 1234, -5};

    log_event(&delivery, log_id("queue_id", 0xAB), log_text("to", "a@b"),
              log_span_if("orig_to", SPAN_EMPTY), log_number("size", UINT64_MAX),
              log_seconds("delay", &delay_ms, 1), log_seconds("delays", delays_ms, 4),
              log_text("text", "said: \"no\\\" {to} \n|\xff"));
    log_event(&delivery, log_text("orig_to", "x@b"), log_text("text", ""));
}

static void log_events_as_text(void)
{
    log_start("qmgr", &to_stderr);
    log_deliveries();
    log_stop();
}

static void test_events_as_text(void **state)
{
    (void)state;
    char *out = output_of(log_events_as_text, READS_AT_ONCE);

    print_message("%s", out);
    assert_true(matches(out, " sluice/smtp\\[[0-9]+\\]: 00000000000000AB: to=<a@b>, "
                             "size=18446744073709551615, delay=61, delays=0/0\\.050/1\\.2/0 "
                             "\\(said: \"no\\\\\" \\{to\\} \\?\\|\\?\\)$"));
    assert_non_null(strstr(out, "]: : to=<>, orig_to=<x@b>, size=, delay=, delays= ()\n"));
    free(out);
}

static void log_events_as_json(void)
{
    clock_set(0, WALL_MS);
    log_start("qmgr", &(struct log_settings){.max_level = LOG_LEVEL_INFO,
                                             .format = LOG_AS_JSON,
                                             .name = "postfix"});
    log_deliveries();
    log_warning("say \"%s\"", "A");
    log_stop();
}

static void test_events_as_json(void **state)
{
    (void)state;
    char *out = output_of(log_events_as_json, READS_AT_ONCE);

    print_message("%s", out);
    assert_int_equal(count_lines(out), 3);
    assert_true(matches(out, "^\\{\"time\":\"2026-11-22T03:50:00\\.123\\+02:00\",\"host\":\"[^\"]+\","
                             "\"name\":\"postfix\",\"component\":\"smtp\",\"pid\":[0-9]+,"
                             "\"level\":\"notice\",\"event\":\"delivery\","));
    assert_non_null(strstr(out, "\"delivery\",\"queue_id\":\"00000000000000AB\",\"to\":\"a@b\","
                                "\"size\":18446744073709551615,\"delay\":61.234,"
                                "\"delays\":[0.000,0.050,1.234,0.000],"
                                "\"text\":\"said: \\\"no\\\\\\\" {to} ?|?\"}\n"));
    assert_non_null(strstr(out, "\"delivery\",\"orig_to\":\"x@b\",\"text\":\"\"}\n"));
    assert_non_null(strstr(out, "\"level\":\"warning\",\"message\":\"say \\\"A\\\"\"}\n"));
    free(out);
}

static void log_too_much(void)
{
    static char text[3000];
    static const struct log_event event = {
        .level = LOG_LEVEL_NOTICE, .name = "much", .text = "{a}{b}{c}{d}{e}"};

    memset(text, '"', sizeof(text) - 1);
    log_start("qmgr",
              &(struct log_settings){.max_level = LOG_LEVEL_INFO, .format = LOG_AS_JSON});
    log_event(&event, log_text("a", text), log_text("b", text), log_text("c", "fits"));
    log_stop();
}

/* Half an object would be no JSON: whole fields are missing. */
static void test_events_that_are_too_long(void **state)
{
    (void)state;
    char *out = output_of(log_too_much, READS_AT_ONCE);

    assert_non_null(strstr(out, "\"much\",\"a\":\"\\\"\\\""));
    assert_null(strstr(out, "\"b\":"));
    assert_non_null(strstr(out, "\\\"\",\"c\":\"fits\"}\n"));
    free(out);
}

/* ---- other targets --------------------------------------------------------------------------- */

static void test_journal(void **state)
{
    struct log_settings settings = {.target = LOG_TO_JOURNAL, .max_level = LOG_LEVEL_INFO};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[2][4096] = {"", ""};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    (void)state;
    (void)snprintf(settings.journal, sizeof(settings.journal), "/tmp/test-log-%ld", (long)getpid());
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", settings.journal);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    log_start("qmgr", &settings);
    log_deliveries();
    assert_true(recv(fd, got[0], sizeof(got[0]) - 1, 0) > 0);
    assert_true(recv(fd, got[1], sizeof(got[1]) - 1, 0) > 0);
    log_stop();
    (void)unlink(settings.journal);
    close(fd);
    print_message("%s", got[0]);
    assert_non_null(strstr(got[0], "PRIORITY=5\nSYSLOG_FACILITY=2\n"
                                   "SYSLOG_IDENTIFIER=sluice/smtp\nSYSLOG_PID="));
    assert_non_null(strstr(got[0], "\nMESSAGE=00000000000000AB: to=<a@b>, size=1"));
    assert_non_null(strstr(got[0], "\nSLUICE_EVENT=delivery\nSLUICE_QUEUE_ID=00000000000000AB\n"
                                   "SLUICE_TO=a@b\nSLUICE_SIZE=18446744073709551615\n"
                                   "SLUICE_DELAY=61\nSLUICE_DELAYS=0/0.050/1.2/0\n"));
}

static int open_file(char path[64], const char *name)
{
    (void)snprintf(path, 64, "/tmp/test-log-%ld-%s", (long)getpid(), name);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC, 0600);
    assert_int_not_equal(fd, -1);
    return fd;
}

static char *read_file(const char *path)
{
    char *text = calloc(1, 4096);
    FILE *file = fopen(path, "r");

    assert_non_null(text);
    assert_non_null(file);
    assert_true(fread(text, 1, 4095, file) > 0 || feof(file) != 0);
    (void)fclose(file);
    return text;
}

static unsigned lines_of(const char *path)
{
    char *text = read_file(path);
    unsigned count = count_lines(text);

    free(text);
    return count;
}


/* Each line is in the form that counted when it was said. */
static void test_files_and_changes(void **state)
{
    char first[64];
    char second[64];
    struct log_settings settings = {
        .target = LOG_TO_FILE, .max_level = LOG_LEVEL_NOTICE, .file_fd = open_file(first, "first")};

    (void)state;
    log_start("qmgr", &settings);
    log_notice("one");
    log_info("unimportant");
    settings.format = LOG_AS_JSON;
    settings.max_level = LOG_LEVEL_INFO;
    settings.file_fd = -1;
    log_change(&settings);
    log_info("two");
    for (int i = 0; i < 10000 && lines_of(first) < 2; i++)
        (void)usleep(1000); /* until it is written */
    log_set_file(open_file(second, "second"));
    log_info("three");
    log_stop();
    log_start("qmgr", &to_stderr); /* closes it */

    char *text = read_file(first);
    assert_non_null(strstr(text, "]: one\n{"));
    assert_non_null(strstr(text, "\"message\":\"two\"}\n"));
    assert_int_equal(count_lines(text), 2);
    free(text);
    text = read_file(second);
    assert_int_equal(count_lines(text), 1);
    assert_non_null(strstr(text, "\"message\":\"three\"}\n"));
    free(text);
    (void)unlink(first);
    (void)unlink(second);
    log_stop();
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
        cmocka_unit_test(test_events_as_text),
        cmocka_unit_test(test_events_as_json),
        cmocka_unit_test(test_events_that_are_too_long),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_files_and_changes),
    };

    (void)setenv("TZ", "XYZ-2", 1); /* two hours east of Greenwich */
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
