/* SPDX-License-Identifier: ISC */
/* A setting is changed where it stands, and nothing else is touched. */
#include "config/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void buffer_of(struct buffer *buffer, const char *text)
{
    *buffer = (struct buffer)BUFFER_INIT;
    buffer_add_text(buffer, text);
}

static void expect(struct buffer *buffer, const char *name, const char *want)
{
    if (strcmp(buffer_text(buffer), want) != 0)
        fail_msg("%s:\n%s\ninstead of:\n%s", name, buffer->ptr, want);
    buffer_done(buffer);
}

static const struct {
    const char *name;
    const char *before;
    const char *set, *removed, *commented; /* the setting a: to 9, away, as a comment */
} cases[] = {
    {"alone", "a = 1;\n", "a = 9;\n", "", "#a = 1;\n"},
    {"none", "b = 1;\n", "b = 1;\na = 9;\n", "b = 1;\n", "b = 1;\n"},
    {"no line feed", "b = 1;", "b = 1;\na = 9;\n", "b = 1;", "b = 1;"},
    {"empty", "", "a = 9;\n", "", ""},
    {"no semicolon", "a = 1\nb = 2\n", "a = 9\nb = 2\n", "b = 2\n", "#a = 1\nb = 2\n"},
    {"colon, blanks", "  a :  \"x\" ;\n", "  a :  9 ;\n", "", "#  a :  \"x\" ;\n"},
    {"comments stay", "# a = 0;\n/* a = 0; */ a = 1; # why a = 2;\n// a\n",
     "# a = 0;\n/* a = 0; */ a = 9; # why a = 2;\n// a\n",
     "# a = 0;\n/* a = 0; */  # why a = 2;\n// a\n",
     "# a = 0;\n/* a = 0; */ \n#a = 1; # why a = 2;\n// a\n"},
    {"a comment stays with it", "a = 1; # why\nb = 2;\n", "a = 9; # why\nb = 2;\n",
     " # why\nb = 2;\n", "#a = 1; # why\nb = 2;\n"},
    {"others on its line", "b = 1; a = 2; c = 3;\n", "b = 1; a = 9; c = 3;\n", "b = 1;  c = 3;\n",
     "b = 1; \n#a = 2;\n c = 3;\n"},
    {"a list", "a = [ \"x\", # ]\n      \"y\" ];\nb = 1;\n", "a = 9;\nb = 1;\n", "b = 1;\n",
     "#a = [ \"x\", # ]\n#      \"y\" ];\nb = 1;\n"},
    {"a text in parts", "a = \"x = \\\"\" /* ; */\n  \"a = 2\";\nb = 1;\n", "a = 9;\nb = 1;\n",
     "b = 1;\n", "#a = \"x = \\\"\" /* ; */\n#  \"a = 2\";\nb = 1;\n"},
    {"of a group", "t = ( { a = 1; }, { a = 2; } );\na = 3;\n",
     "t = ( { a = 1; }, { a = 2; } );\na = 9;\n", "t = ( { a = 1; }, { a = 2; } );\n",
     "t = ( { a = 1; }, { a = 2; } );\n#a = 3;\n"},
    {"in texts and names", "ba = \"a = 1\"; a_ = 2;\na = 3;", "ba = \"a = 1\"; a_ = 2;\na = 9;",
     "ba = \"a = 1\"; a_ = 2;\n", "ba = \"a = 1\"; a_ = 2;\n#a = 3;"},
    {"an include", "@include \"a = 1\"\na = 1;\n", "@include \"a = 1\"\na = 9;\n",
     "@include \"a = 1\"\n", "@include \"a = 1\"\n#a = 1;\n"},
    {"cut off", "a = [ \"x\"", "a = 9", "", "#a = [ \"x\""},
    {"nonsense", "= ; ] a = \"x", NULL, NULL, NULL},
    {"no value", "a =", "a =9", "", "#a ="},
};

static void test_edits(void **state)
{
    struct buffer text;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].removed == NULL) { /* it ends, and nothing else is promised */
            buffer_of(&text, cases[i].before);
            edit_set(&text, "a", "9");
            buffer_done(&text);
            continue;
        }
        buffer_of(&text, cases[i].before);
        edit_set(&text, "a", "9");
        expect(&text, cases[i].name, cases[i].set);
        buffer_of(&text, cases[i].before);
        edit_remove(&text, "a");
        expect(&text, cases[i].name, cases[i].removed);
        buffer_of(&text, cases[i].before);
        edit_comment_out(&text, "a");
        expect(&text, cases[i].name, cases[i].commented);
    }
}

static void test_quotes(void **state)
{
    struct buffer text = BUFFER_INIT;

    (void)state;
    edit_quote(&text, "a \"b\" \\c\t$d \xc3\xa9");
    expect(&text, "quotes", "\"a \\\"b\\\" \\\\c\\x09$d \xc3\xa9\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
