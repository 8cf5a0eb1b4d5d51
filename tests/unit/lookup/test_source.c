/* SPDX-License-Identifier: ISC */
/*
 * test_source: Postfix's notation of tables, rule by rule (T-20 to T-28 of the spec).
 */
#include "source.h"

#include "base/buffer.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TEXT(text) text, sizeof(text) - 1

/* want: "[key][value]" for each entry, and "!" with the text for each warning, in order. */
static const struct {
    const char *name;
    const char *text;
    size_t len;
    const char *want;
} cases[] = {
    {"nothing", TEXT(""), ""},
    {"an entry", TEXT("key value\n"), "[key][value]"},
    {"no final newline", TEXT("key value"), "[key][value]"},
    {"white space around the value", TEXT("key \t value  \t\n"), "[key][value]"},
    {"carriage returns", TEXT("key value\r\n"), "[key][value]"},
    {"white space in the value", TEXT("k smtp: a  b\n"), "[k][smtp: a  b]"},
    {"comments", TEXT("# c\n\n  \n   # indented\nk v\n#x y\nl w\n"), "[k][v][l][w]"},
    {"no comment behind a key", TEXT("key6 # x\n"), "[key6][# x]"},
    {"a backslash at the end means nothing", TEXT("k v\\\nl w\n"), "[k][v\\][l][w]"},
    {"continuation keeps its white space", TEXT("k a\n  b\n\tc\n"), "[k][a  b\tc]"},
    {"comments between continuations", TEXT("k a\n# c\n\n  # c\n  b\nl w\n"), "[k][a  b][l][w]"},
    {"value on the next line", TEXT("k\n v\n"), "[k][v]"},
    {"begins with a continuation", TEXT("# c\n  k v\n w\nl x\n"),
     "!F: logical line must not start with whitespace: \"  k v w\"[l][x]"},
    {"what cannot be printed", TEXT("\t\x01\xc3\xa4\n"),
     "!F: logical line must not start with whitespace: \"??\xc3\xa4\""},
    {"a long one", TEXT("  123456789 123456789 123456789 x\n"),
     "!F: logical line must not start with whitespace: \"  123456789 123456789 12345678...\""},
    {"no value", TEXT("k v\nalone\nl w\n"),
     "[k][v]!F, line 2: expected format: key whitespace value[l][w]"},
    {"lines are counted from where they begin", TEXT("#\nk v\n more\n\nalone\n"),
     "[k][v more]!F, line 5: expected format: key whitespace value"},
    {"an alias file", TEXT("key5: v\n"),
     "!F, line 1: record is in \"key: value\" format; is this an alias file?[key5:][v]"},
    {"a quoted key", TEXT("\"a b\"@c v\n"), "[\"a b\"@c][v]"},
    {"an escaped space", TEXT("a\\ b v\n"), "[a\\ b][v]"},
    {"an escaped quote", TEXT("a\\\"b v\n"), "[a\\\"b][v]"},
    {"an escape inside quotes", TEXT("\"a\\\" b\" v\n"), "[\"a\\\" b\"][v]"},
    {"quotes in the value are data", TEXT("k \"v\n"), "[k][\"v]"},
    {"an open quote", TEXT("\"a b v\nk v\n"),
     "!F, line 1: unbalanced '\"' in '\"a b v' -- ignoring this line[k][v]"},
    {"UTF-8", TEXT("k\xc3\xa4se \xe2\x82\xac\xf0\x9f\x98\x80\n"),
     "[k\xc3\xa4se][\xe2\x82\xac\xf0\x9f\x98\x80]"},
    {"not UTF-8", TEXT("k \xff\nl w\n"),
     "!F, line 1: non-UTF-8 input \"k ?\" -- ignoring this line[l][w]"},
    {"UTF-8 too long for its value", TEXT("k \xc0\xaf\n"),
     "!F, line 1: non-UTF-8 input \"k ??\" -- ignoring this line"},
    {"half a surrogate", TEXT("k \xed\xa0\x80\n"),
     "!F, line 1: non-UTF-8 input \"k ???\" -- ignoring this line"},
    {"UTF-8 cut off", TEXT("k \xe2\x82\n"),
     "!F, line 1: non-UTF-8 input \"k ??\" -- ignoring this line"},
    {"a NUL byte is no text", TEXT("k a\0b\nl w\n"),
     "!F, line 1: non-UTF-8 input \"k a\" -- ignoring this line[l][w]"},
};

static void take_warning(void *user, const char *text)
{
    struct buffer *got = user;

    buffer_add_byte(got, '!');
    buffer_add_text(got, text);
}

static sluice_status read_all(const char *text, size_t len, struct buffer *got, struct error *err)
{
    struct source source;
    struct sluice_span key, value;
    struct error_sink sink;
    char *copy = malloc(len + 1);
    FILE *file;
    sluice_status st;

    assert_non_null(copy);
    memcpy(copy, text, len);
    file = fmemopen(copy, len + 1, "w+"); /* + 1: it wants at least one */
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    rewind(file);
    error_sink_init(&sink, err);
    source_init(&source, file, "F", take_warning, got);
    while ((st = source_entry(&source, &sink.sdk, &key, &value)) == SLUICE_OK) {
        buffer_add_byte(got, '[');
        buffer_add_span(got, key);
        buffer_add_text(got, "][");
        buffer_add_span(got, value);
        buffer_add_byte(got, ']');
    }
    source_done(&source);
    (void)fclose(file);
    free(copy);
    return st;
}

static void test_notation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer got = BUFFER_INIT;
        struct error err = ERROR_INIT;

        print_message("%s\n", cases[i].name);
        assert_int_equal(read_all(cases[i].text, cases[i].len, &got, &err), SLUICE_NOT_FOUND);
        assert_string_equal(buffer_text(&got), cases[i].want);
        buffer_done(&got);
    }
}

/* One entry that never ends, in continuations. */
static void test_limit(void **state)
{
    struct buffer text = BUFFER_INIT, got = BUFFER_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    buffer_add_text(&text, "key value\n");
    while (text.len <= SOURCE_LINE_MAX)
        buffer_add_text(&text, " 0123456789012345678901234567890123456789012345678901234567890\n");
    assert_int_equal(read_all(text.ptr, text.len, &got, &err), SLUICE_NOT_FOUND);
    buffer_clear(&got);
    while (text.len <= 2 * SOURCE_LINE_MAX)
        buffer_add_text(&text, " 0123456789012345678901234567890123456789012345678901234567890\n");
    assert_int_equal(read_all(text.ptr, text.len, &got, &err), SLUICE_TEMP);
    assert_string_equal(err.text, "F, line 1: longer than 1048576 bytes");
    buffer_done(&text);
    buffer_done(&got);
}

static void test_read_error(void **state)
{
    struct source source;
    struct sluice_span key, value;
    struct buffer got = BUFFER_INIT;
    struct error err = ERROR_INIT;
    FILE *folder = fopen("/", "r");
    struct error_sink sink;

    (void)state;
    assert_non_null(folder);
    error_sink_init(&sink, &err);
    source_init(&source, folder, "F", take_warning, &got);
    assert_int_equal(source_entry(&source, &sink.sdk, &key, &value), SLUICE_TEMP);
    assert_string_equal(err.text, "read F: Is a directory");
    source_done(&source);
    (void)fclose(folder);
    buffer_done(&got);
}

static void test_settings(void **state)
{
    char text[] = "# of a directory\nserver_host = ldap://a\n  ldap://b\nfilter\t=(a=%s)\nempty =\nnone\n";
    struct buffer got = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct error_sink sink;
    struct source source;
    const char *name, *value;
    FILE *file = fmemopen(text, strlen(text), "r");

    (void)state;
    assert_non_null(file);
    error_sink_init(&sink, &err);
    source_init(&source, file, "F", take_warning, &got);
    assert_int_equal(source_setting(&source, &sink.sdk, &name, &value), SLUICE_OK);
    assert_string_equal(name, "server_host");
    assert_string_equal(value, "ldap://a  ldap://b");
    assert_int_equal(source_setting(&source, &sink.sdk, &name, &value), SLUICE_OK);
    assert_string_equal(name, "filter");
    assert_string_equal(value, "(a=%s)");
    assert_int_equal(source_setting(&source, &sink.sdk, &name, &value), SLUICE_OK);
    assert_string_equal(name, "empty");
    assert_string_equal(value, "");
    assert_int_equal(source_setting(&source, &sink.sdk, &name, &value), SLUICE_CONFIG);
    assert_string_equal(err.text, "F, line 6: wants NAME = VALUE");
    source_done(&source);
    (void)fclose(file);
    buffer_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notation),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
