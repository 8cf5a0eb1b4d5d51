/* SPDX-License-Identifier: ISC */
/*
 * What scan and file make of texts: the report to the letter, and the tree.
 */
#include "config/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

struct reading {
    struct arena arena;
    struct report report;
    struct file file;
};

static void read_file(struct reading *reading, const char *path)
{
    *reading = (struct reading){0};
    file_read(path, &reading->arena, &reading->report, &reading->file);
}

static const char *report_of(struct reading *reading)
{
    return reading->report.text.len > 0 ? buffer_text(&reading->report.text) : "";
}

static void reading_done(struct reading *reading)
{
    report_done(&reading->report);
    arena_done(&reading->arena);
}

/* ---- mistakes ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text;
    const char *report;
} mistakes[] = {
    {"nothing wrong", "a = 1;\nb = \"x\" \"y\"; c = [ 1, 2 ] # x\n", ""},
    {"empty file", "", ""},
    {"only a comment", "/* a\n * b */ // c\n# d", ""},
    {"comment without end", "a = 1; /* x\ny",
     "t.conf:1: the comment that begins here does not end\n"},
    {"text without end", "a = 1;\nb = \"x;\n",
     "t.conf:2: the text that begins here does not end\n"},
    {"duplicate", "a = 1;\n\na = 2;\n", "t.conf:3: a is set already, at t.conf:1\n"},
    {"duplicates, all of them", "a = 1;\na = 2;\nb = 1;\nb = 2;\na = 3;\n",
     "t.conf:2: a is set already, at t.conf:1\n"
     "t.conf:4: b is set already, at t.conf:3\n"
     "t.conf:5: a is set already, at t.conf:1\n"},
    {"same name in another group", "a = { b = 1; };\nc = ( { b = 1; }, { b = 2; } );\nb = 3;\n",
     ""},
    {"duplicate in a group", "a = {\n b = 1;\n b = 2; };\n",
     "t.conf:3: b is set already, at t.conf:2\n"},
    {"32 bits", "a = 2147483647; b = -2147483648; c = 0x7fffffff;\n", ""},
    {"33 bits", "a = 1;\nb = 2147483648;\nc = -2147483649;\nd = 0xffffffff;\n",
     "t.conf:2: 2147483648 does not fit in 32 bits: write 2147483648L\n"
     "t.conf:3: -2147483649 does not fit in 32 bits: write -2147483649L\n"
     "t.conf:4: 0xffffffff does not fit in 32 bits: write 0xffffffffL\n"},
    {"long numbers", "a = 9223372036854775807L; b = 10000000000LL;\n", ""},
    {"65 bits", "a = 9223372036854775808L;\n",
     "t.conf:1: 9223372036854775808L does not fit in 64 bits\n"},
    {"bare duration", "a = 300s;\n",
     "t.conf:1: 300s: a text is written in quotes, and a setting as name = value\n"},
    {"bare word", "a = yes;\nb = no;\n",
     "t.conf:1: yes: a text is written in quotes, and a setting as name = value\n"
     "t.conf:2: no: a text is written in quotes, and a setting as name = value\n"},
    {"bare path", "a = /etc/x;\n",
     "t.conf:1: /etc/x: a text is written in quotes, and a setting as name = value\n"},
    {"booleans", "a = true; b = FALSE;\n", ""},
    {"dot in a name", "a.b = 1;\n", "t.conf:1: a.b cannot be the name of a setting\n"},
    {"digit before a name", "2bounce = 1;\n",
     "t.conf:1: 2bounce cannot be the name of a setting\n"},
    {"trailing commas", "a = [ 1,\n 2, ];\nb = ( 1 , # x\n );\n",
     "t.conf:2: a comma follows the last element\n"
     "t.conf:3: a comma follows the last element\n"},
    {"NUL escape", "a = \"x\\x00y\";\nb = \"\\\\x00\";\n",
     "t.conf:1: a text cannot contain a NUL character\n"},
    {"odd character", "a = 1;\n%b = 2;\n", "t.conf:2: '%' has no meaning here\n"},
    {"mixed array", "a = [\n 1,\n \"x\"\n];\n", "t.conf:3: mismatched element type in array\n"},
    {"missing bracket", "a = [ 1, 2;\nb = 3;\n", "t.conf:1: syntax error\n"},
    {"include without a name", "@include\na = 1;\n",
     "t.conf:1: @include wants the name of a file in quotes\n"},
    {"include of nothing", "a = 1;\n@include \"nowhere.conf\"\n",
     "t.conf:2: cannot read nowhere.conf: No such file or directory\n"},
    {"include of itself", "a = 1;\n@include \"t.conf\"\n", "t.conf:2: t.conf includes itself\n"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct reading reading;

        folder_write("t.conf", mistakes[i].text, strlen(mistakes[i].text));
        read_file(&reading, "t.conf");
        if (strcmp(report_of(&reading), mistakes[i].report) != 0)
            print_error("case \"%s\"\n", mistakes[i].name);
        assert_string_equal(report_of(&reading), mistakes[i].report);
        reading_done(&reading);
    }
}

static void test_nul_byte(void **state)
{
    static const char text[] = "a = \"x\0y\";\n\0b = 2;\n";
    struct reading reading;

    (void)state;
    folder_write("t.conf", text, sizeof(text) - 1);
    read_file(&reading, "t.conf");
    assert_string_equal(report_of(&reading),
                        "t.conf:1: a text cannot contain a NUL character\n"
                        "t.conf:2: a character of code 0 has no meaning here\n");
    reading_done(&reading);
}

static void test_no_file(void **state)
{
    struct reading reading;

    (void)state;
    read_file(&reading, "t.conf");
    assert_string_equal(report_of(&reading),
                        "t.conf: cannot read t.conf: No such file or directory\n");
    assert_int_equal(reading.file.root->child_count, 0);
    reading_done(&reading);
}

/* ---- includes ------------------------------------------------------------------------------- */

static void put(const char *name, const char *text)
{
    folder_write(name, text, strlen(text));
}

static void test_includes(void **state)
{
    struct reading reading;

    (void)state;
    /* Relative to the file that includes, three deep, with a mistake in each. */
    put("t.conf", "a = 1;\n@include \"sub/one.conf\"\nlast = 1;\nlast = 2;\n");
    put("sub/one.conf", "\nb = 2;\nb = 3;\n@include \"two.conf\"\n");
    put("sub/two.conf", "c = {\n@include \"../three.conf\"\n};\na = 4;\n");
    put("three.conf", "d = 5;\n# x\ne = 4294967296;\n");
    read_file(&reading, "t.conf");
    assert_string_equal(report_of(&reading),
                        "sub/one.conf:3: b is set already, at sub/one.conf:2\n"
                        "sub/../three.conf:3: 4294967296 does not fit in 32 bits: write "
                        "4294967296L\n"
                        "sub/two.conf:4: a is set already, at t.conf:1\n"
                        "t.conf:4: last is set already, at t.conf:3\n");
    assert_int_equal(reading.file.path_count, 4);
    assert_string_equal(reading.file.paths[3], "sub/../three.conf");
    reading_done(&reading);
}

static void test_include_loop(void **state)
{
    struct reading reading;

    (void)state;
    put("t.conf", "@include \"sub/one.conf\"\na = 1;\n");
    put("sub/one.conf", "b = 1;\n@include \"../t.conf\"\n");
    read_file(&reading, "t.conf");
    assert_string_equal(report_of(&reading), "sub/one.conf:2: sub/../t.conf includes itself\n");
    assert_non_null(setting_find(reading.file.root, "a")); /* the rest is read all the same */
    reading_done(&reading);
}

/* ---- the tree ------------------------------------------------------------------------------- */

static void test_tree(void **state)
{
    struct reading reading;
    const struct setting *setting;

    (void)state;
    put("t.conf", "list =\n [\n  \"one\",\n  \"two\"\n  \"three\"\n ];\n"
                  "groups = ( { n = 5; },\n  { x = 1.5; } );\n"
                  "text = \"a\nb\"; flag = true;\n long = 5000000000L;\n");
    read_file(&reading, "t.conf");
    assert_string_equal(report_of(&reading), "");
    setting = setting_find(reading.file.root, "list");
    assert_int_equal(setting->kind, SETTING_ARRAY);
    assert_int_equal(setting->place.line, 1);
    assert_int_equal(setting->child_count, 2);
    assert_string_equal(setting->children[0].text, "one");
    assert_int_equal(setting->children[0].place.line, 3);
    assert_string_equal(setting->children[1].text, "twothree");
    assert_int_equal(setting->children[1].place.line, 5); /* where the text ends */
    setting = setting_find(reading.file.root, "groups");
    assert_int_equal(setting->child_count, 2);
    assert_int_equal(setting->children[1].kind, SETTING_GROUP);
    assert_int_equal(setting->children[1].place.line, 8);
    assert_int_equal(setting_find(&setting->children[0], "n")->number, 5);
    assert_int_equal(setting_find(&setting->children[1], "x")->kind, SETTING_FLOAT);
    assert_string_equal(setting_find(reading.file.root, "text")->text, "a\nb");
    assert_int_equal(setting_find(reading.file.root, "flag")->kind, SETTING_FLAG);
    setting = setting_find(reading.file.root, "long");
    assert_int_equal(setting->number, 5000000000);
    assert_int_equal(setting->place.line, 11); /* behind a text of two lines */
    assert_null(setting_find(reading.file.root, "nothing"));
    reading_done(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mistakes, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_nul_byte, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_no_file, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_includes, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_include_loop, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_tree, folder_enter, folder_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
