/* SPDX-License-Identifier: ISC */
/*
 * output: what is written into the pipe comes out as lines of the log, however it is cut.
 */
#include "base/span.h"
#include "master/output.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define LOG_SIZE 16384

/* Standard error, which the log goes to before log_start, as a file. */
static FILE *log_file;
static int kept_stderr;

static int redirect(void **state)
{
    (void)state;
    log_file = tmpfile();
    kept_stderr = dup(STDERR_FILENO);
    return log_file != NULL && kept_stderr != -1 ? 0 : -1;
}

static int restore(void **state)
{
    (void)state;
    (void)close(kept_stderr);
    return fclose(log_file);
}

/* Feeds the pieces and returns what was logged; the caller frees it. */
static char *logged(const struct sluice_span *pieces, size_t count)
{
    char *text = calloc(1, LOG_SIZE);
    int fd;

    assert_non_null(text);
    assert_int_equal(ftruncate(fileno(log_file), 0), 0);
    assert_int_equal(lseek(fileno(log_file), 0, SEEK_SET), 0);
    (void)dup2(fileno(log_file), STDERR_FILENO);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(output_open("deliver 1", &fd, NULL), SLUICE_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(write(fd, pieces[i].ptr, pieces[i].len), pieces[i].len);
    (void)close(fd);
    task_loop_run(); /* until the task has seen the end */
    task_loop_done();
    (void)dup2(kept_stderr, STDERR_FILENO);
    assert_true(pread(fileno(log_file), text, LOG_SIZE - 1, 0) >= 0);
    return text;
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        found++;
    return found;
}

static void lines(void **state)
{
    struct sluice_span pieces[] = {SPAN_LITERAL("first line\nsec"), SPAN_LITERAL("ond line\n\n\n"),
                                   SPAN_LITERAL("no end")};

    (void)state;
    char *text = logged(pieces, 3);
    assert_non_null(strstr(text, "role deliver 1 says: first line\n"));
    assert_non_null(strstr(text, "role deliver 1 says: second line\n"));
    assert_non_null(strstr(text, "role deliver 1 says: no end\n"));
    assert_int_equal(count(text, "says:"), 3); /* none for empty lines */
    free(text);
}

static void long_lines_are_cut(void **state)
{
    char bytes[2500];
    struct sluice_span piece = {bytes, sizeof(bytes)};

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    char *text = logged(&piece, 1);
    assert_int_equal(count(text, "says:"), 3);
    assert_int_equal(count(text, "x"), 2500);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(long_lines_are_cut),
    };

    return cmocka_run_group_tests(tests, redirect, restore);
}
