/* SPDX-License-Identifier: ISC */
/*
 * Spans, buffers, codec, ids, errors: what is made of bytes.
 */
#include "base/buffer.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/id.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- spans ----------------------------------------------------------------------------------- */

static void test_span_compare(void **state)
{
    static const struct {
        const char *name;
        const char *a;
        const char *b;
        bool equal, equal_case, starts, ends;
    } cases[] = {
        {"same", "abc", "abc", true, true, true, true},
        {"case", "aBc", "AbC", false, true, true, true},
        {"start", "abc", "AB", false, false, true, false},
        {"end", "abc", "BC", false, false, false, true},
        {"longer", "bc", "abc", false, false, false, false},
        {"both empty", "", "", true, true, true, true},
        {"one empty", "a", "", false, false, true, true},
        {"beside the letters", "[", "{", false, false, false, false},
        {"not ASCII", "\xc3\x84", "\xc3\xa4", false, false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sluice_span a = sluice_span_of(cases[i].a);
        struct sluice_span b = sluice_span_of(cases[i].b);

        print_message("  %s\n", cases[i].name);
        assert_int_equal(span_equal(a, b), cases[i].equal);
        assert_int_equal(span_equal_case(a, b), cases[i].equal_case);
        assert_int_equal(span_starts_case(a, b), cases[i].starts);
        assert_int_equal(span_ends_case(a, b), cases[i].ends);
    }
    assert_true(span_equal(SPAN_EMPTY, SPAN_LITERAL("")));
}

static void test_span_parts(void **state)
{
    struct sluice_span text = SPAN_LITERAL("a@b@c");
    char folded[] = "A-Z[\xc4";

    (void)state;
    assert_int_equal(span_find(text, '@'), 1);
    assert_int_equal(span_find_last(text, '@'), 3);
    assert_int_equal(span_find(text, 'x'), 5);
    assert_int_equal(span_find_last(SPAN_EMPTY, 'x'), 0);
    assert_true(span_equal(span_skip(text, 2), SPAN_LITERAL("b@c")));
    assert_int_equal(span_skip(text, 99).len, 0);
    assert_true(span_equal(span_first(text, 1), SPAN_LITERAL("a")));
    assert_int_equal(span_first(text, 99).len, 5);
    assert_true(span_equal(span_trim(SPAN_LITERAL(" \ta b \t")), SPAN_LITERAL("a b")));
    assert_int_equal(span_trim(SPAN_LITERAL(" \t ")).len, 0);
    span_fold(folded, sizeof(folded) - 1);
    assert_string_equal(folded, "a-z[\xc4");
    char *copy = span_dup(SPAN_EMPTY);
    assert_string_equal(copy, "");
    free(copy);
}

static void test_span_to_u64(void **state)
{
    static const struct {
        const char *text;
        bool want;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t number = 0;
        print_message("  \"%s\"\n", cases[i].text);
        assert_int_equal(span_to_u64(sluice_span_of(cases[i].text), &number), cases[i].want);
        assert_int_equal(number, cases[i].number);
    }
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void test_buffer(void **state)
{
    struct buffer buffer = BUFFER_INIT;

    (void)state;
    assert_string_equal(buffer_text(&buffer), "");
    buffer_add_text(&buffer, "one");
    buffer_add_byte(&buffer, ' ');
    buffer_add_span(&buffer, SPAN_EMPTY);
    buffer_printf(&buffer, "%d-%s", 2, "three");
    assert_string_equal(buffer_text(&buffer), "one 2-three");
    assert_int_equal(buffer.len, 11);
    for (int i = 0; i < 1000; i++)
        buffer_printf(&buffer, "%0100d", i);
    assert_int_equal(buffer.len, 11 + 100000);
    buffer_consume(&buffer, 4);
    assert_memory_equal(buffer.ptr, "2-three", 7);
    buffer_consume(&buffer, 1000000);
    assert_int_equal(buffer.len, 0);
    buffer_done(&buffer);
    assert_null(buffer.ptr);
}

static void test_buffer_remembers_failure(void **state)
{
    struct buffer buffer = BUFFER_INIT;

    (void)state;
    buffer_add_text(&buffer, "kept");
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer_failed(&buffer));
    buffer_add_text(&buffer, "not added");
    assert_int_equal(buffer.len, 4);
    assert_null(buffer_text(&buffer));
    buffer_clear(&buffer);
    assert_false(buffer_failed(&buffer));
    buffer_done(&buffer);
}

/* ---- codec ----------------------------------------------------------------------------------- */

static void test_varints(void **state)
{
    static const struct {
        uint64_t number;
        size_t len;
    } cases[] = {{0, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {UINT64_MAX, 10}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer buffer = BUFFER_INIT;
        uint64_t number = 1;

        codec_put_varint(&buffer, cases[i].number);
        assert_int_equal(buffer.len, cases[i].len);
        struct sluice_span rest = buffer_span(&buffer);
        assert_int_equal(codec_varint(&rest, &number), SLUICE_OK);
        assert_int_equal(rest.len, 0);
        assert_true(number == cases[i].number);
        for (size_t cut = 0; cut < buffer.len; cut++) {
            rest = span_first(buffer_span(&buffer), cut);
            assert_int_equal(codec_varint(&rest, &number), SLUICE_PERM);
        }
        buffer_done(&buffer);
    }
}

static void test_bad_varints(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
    } cases[] = {
        {"65 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
        {"eleven bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11},
        {"nothing", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sluice_span rest = {cases[i].bytes, cases[i].len};
        uint64_t number = 7;

        print_message("  %s\n", cases[i].name);
        assert_int_equal(codec_varint(&rest, &number), SLUICE_PERM);
        assert_int_equal(rest.len, cases[i].len);
        assert_int_equal(number, 7);
        assert_int_equal(codec_number(rest), 0);
    }
}

static void test_fields(void **state)
{
    struct buffer buffer = BUFFER_INIT;
    struct codec_field field;

    (void)state;
    codec_put_field(&buffer, 1, SPAN_LITERAL("sender"));
    codec_put_number(&buffer, 300, 70000);
    codec_put_field(&buffer, 2, SPAN_EMPTY);
    struct sluice_span rest = buffer_span(&buffer);
    assert_int_equal(codec_next(&rest, &field), SLUICE_OK);
    assert_int_equal(field.tag, 1);
    assert_true(span_equal(field.bytes, SPAN_LITERAL("sender")));
    assert_int_equal(codec_next(&rest, &field), SLUICE_OK);
    assert_int_equal(field.tag, 300);
    assert_int_equal(codec_number(field.bytes), 70000);
    assert_int_equal(codec_next(&rest, &field), SLUICE_OK);
    assert_int_equal(field.bytes.len, 0);
    assert_int_equal(codec_next(&rest, &field), SLUICE_NOT_FOUND);
    rest = span_first(buffer_span(&buffer), 5); /* cut in the first field */
    assert_int_equal(codec_next(&rest, &field), SLUICE_PERM);
    assert_int_equal(rest.len, 5);
    buffer_done(&buffer);
}

static void test_zigzag(void **state)
{
    static const int64_t cases[] = {0, -1, 1, -2, 1234567, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(codec_unzigzag(codec_zigzag(cases[i])) == cases[i]);
    assert_int_equal(codec_zigzag(-1), 1);
    assert_int_equal(codec_zigzag(1), 2);
}

/* ---- ids ------------------------------------------------------------------------------------- */

static void test_ids(void **state)
{
    static const struct {
        const char *text;
        bool want;
        uint64_t id;
    } cases[] = {
        {"0000000000000000", true, 0},
        {"FFFFFFFFFFFFFFFF", true, UINT64_MAX},
        {"0123456789ABCDEF", true, 0x0123456789abcdef},
        {"0123456789abcdef", true, 0x0123456789abcdef},
        {"123456789ABCDEF", false, 0},
        {"00123456789ABCDEF", false, 0},
        {"0123456789ABCDEG", false, 0},
        {"0x23456789ABCDEF", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[ID_TEXT_SIZE];
        uint64_t id = 0;

        print_message("  \"%s\"\n", cases[i].text);
        assert_int_equal(id_parse(sluice_span_of(cases[i].text), &id), cases[i].want);
        assert_true(id == cases[i].id);
        if (cases[i].want)
            assert_true(span_equal_case(sluice_span_of(id_format(id, text)),
                                        sluice_span_of(cases[i].text)));
    }
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set_dsn(&err, SLUICE_TEMP, "4.4.1", "port %d", 25), SLUICE_TEMP);
    error_prefix(&err, "connect to %s", "mx");
    assert_string_equal(err.text, "connect to mx: port 25");
    assert_string_equal(err.dsn, "4.4.1");
    assert_int_equal(err.status, SLUICE_TEMP);
    assert_int_equal(error_set(&err, SLUICE_PERM, "again %s", err.text), SLUICE_PERM);
    assert_string_equal(err.text, "again connect to mx: port 25");
    assert_string_equal(err.dsn, "");
    assert_int_equal(error_set(NULL, SLUICE_CONFIG, "nowhere"), SLUICE_CONFIG);
}

static void test_error_text_is_cut(void **state)
{
    struct error err = ERROR_INIT;
    char much[2000];

    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    (void)error_set_dsn(&err, SLUICE_TEMP, "5.7.1000000000", "%s", much);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    assert_int_equal(strlen(err.dsn), ERROR_DSN_MAX - 1);
    error_prefix(&err, "%s", much);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void test_unknown_status_is_temp(void **state)
{
    (void)state;
    assert_int_equal(status_known(SLUICE_UNSUPPORTED), SLUICE_UNSUPPORTED);
    assert_int_equal(status_known(SLUICE_UNSUPPORTED + 1), SLUICE_TEMP);
    assert_int_equal(status_known(-1), SLUICE_TEMP);
    assert_string_equal(status_name(SLUICE_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(status_name(4711), "TEMP");
}

static void test_error_sink(void **state)
{
    struct error err = ERROR_INIT;
    struct error_sink sink;

    (void)state;
    error_sink_init(&sink, &err);
    sink.sdk.explain(&sink.sdk, "4.3.0", "plugin's words");
    assert_string_equal(err.text, "plugin's words");
    assert_string_equal(err.dsn, "4.3.0");
    assert_int_equal(err.status, SLUICE_TEMP);
    sink.sdk.explain(&sink.sdk, NULL, NULL);
    assert_string_equal(err.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_compare),
        cmocka_unit_test(test_span_parts),
        cmocka_unit_test(test_span_to_u64),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_buffer_remembers_failure),
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_bad_varints),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_zigzag),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_text_is_cut),
        cmocka_unit_test(test_unknown_status_is_temp),
        cmocka_unit_test(test_error_sink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
