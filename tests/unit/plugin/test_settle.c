/* SPDX-License-Identifier: ISC */
/*
 * A configuration with plugins: their options at the top and in groups, and plugins that are not
 * there.
 */
#include "plugin/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../config/folder.h"
#include "plugins.h"

/* No plugin but the tests' own is needed. */
static void read_tables(struct draft *draft, const char *text)
{
    folder_write("t.conf", text, strlen(text));
    draft_init(draft);
    draft_read(draft, "t.conf");
    for (size_t i = 0; i < draft->instance_count; i++)
        draft->instances[i].is_missing = strncmp(draft->instances[i].plugin, "test/", 5) != 0;
    settle_instances(draft);
}

static const struct {
    const char *name;
    const char *text;
    const char *report;
} cases[] = {
    {"good ones",
     "tables = ( { name = \"a\"; plugin = \"test/base\"; greeting = \"x\"; },\n"
     " { name = \"b\"; plugin = \"test/changed-twice\"; own = \"y\"; limit = 10; } );\n",
     ""},
    {"mistakes in options",
     "tables = ( { name = \"a\"; plugin = \"test/base\"; limit = 11; },\n"
     " { name = \"b\"; plugin = \"test/plain\";\n  limit = \"x\";\n  greting = \"y\"; } );\n",
     "t.conf:1: limit: 11 is not in the range 1..10\n"
     "t.conf:3: limit: wants an integer, not a text\n"
     "t.conf:4: plain:b: plugin test/plain has no option greting\n"},
    {"less memory than what is kept needs",
     "tables = ( { name = \"a\"; plugin = \"test/plain\"; isolate = true; isolate_memory = \"92M\";\n"
     "  cache_bytes = \"60M\"; },\n"
     " { name = \"b\"; plugin = \"test/plain\"; isolate = true;\n  isolate_memory = \"91M\"; cache_bytes = \"60M\"; },\n"
     " { name = \"c\"; plugin = \"test/plain\"; shared = true; cache_bytes = \"1G\"; } );\n",
     "t.conf:4: plain:b: isolate_memory must be larger than cache_bytes by 32 MB at least\n"},
    {"plugins that are not there or not good",
     "tables = ( { name = \"a\"; plugin = \"test/nowhere\"; },\n"
     " { name = \"b\"; plugin = \"test/undefined\"; },\n"
     " { name = \"c\"; plugin = \"test/no-base\"; } );\n",
     "t.conf:1: nowhere:a: plugin test/nowhere: its file is not there\n"
     "t.conf:2: undefined:b: plugin test/undefined: undefined symbol: test_function_of_nobody\n"
     "t.conf:3: no-base:c: plugin test/no-base: plugin test/nowhere: its file is not there\n"},
};

static void test_reports(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct draft draft;
        const char *report;

        read_tables(&draft, cases[i].text);
        report = draft.report.text.len > 0 ? buffer_text(&draft.report.text) : "";
        if (strcmp(report, cases[i].report) != 0)
            print_error("case \"%s\"\n", cases[i].name);
        assert_string_equal(report, cases[i].report);
        draft_done(&draft);
    }
}

/* Shared ones are together, isolated ones alone; check says so to who asks them. */
static void test_homes(void **state)
{
    static const struct {
        const char *name;
        unsigned home;
        uint32_t roles;
    } tables[] = {
        {"plain:alone", 0, DRAFT_HOME(0)},
        {"plain:one", 1, DRAFT_HOME(1)},
        {"plain:both", 2, DRAFT_HOME(2)},
        {"plain:two", 1, DRAFT_HOME(1)},
        {"plain:own", HOME_NONE, DRAFT_RECEIVE | DRAFT_DELIVER},
    };
    struct draft draft;

    (void)state;
    read_tables(&draft,
                "tables = ( { name = \"alone\"; plugin = \"test/plain\"; isolate = true; },\n"
                " { name = \"one\"; plugin = \"test/plain\"; shared = true; },\n"
                " { name = \"both\"; plugin = \"test/plain\"; isolate = true; shared = true; },\n"
                " { name = \"two\"; plugin = \"test/plain\"; shared = true; },\n"
                " { name = \"own\"; plugin = \"test/plain\"; } );\n");
    assert_int_equal(draft.report.error_count, 0);
    assert_int_equal(draft.home_count, 3);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct draft_instance *table =
            draft_instance_find(&draft, "sluice.lookup/1", tables[i].name);

        assert_int_equal(table->home, tables[i].home);
        assert_int_equal(table->roles, tables[i].roles);
        assert_int_equal(table->askers,
                         table->home == HOME_NONE ? 0 : DRAFT_RECEIVE | DRAFT_DELIVER);
    }
    draft_done(&draft);
}

static void test_too_many_homes(void **state)
{
    struct buffer text = BUFFER_INIT;
    struct draft draft;

    (void)state;
    buffer_printf(&text, "tables = (");
    for (int i = 1; i <= HOMES_MAX + 1; i++)
        buffer_printf(&text, "%s\n{ name = \"t%d\"; plugin = \"test/plain\"; isolate = true; }",
                      i > 1 ? "," : "", i);
    buffer_printf(&text, " );\n");
    read_tables(&draft, buffer_text(&text));
    assert_int_equal(draft.home_count, HOMES_MAX);
    assert_string_equal(buffer_text(&draft.report.text),
                        "t.conf:18: plain:t17: there cannot be more than 16 lookup processes\n");
    draft_done(&draft);
    buffer_done(&text);
}

static void test_plugins_of_an_instance(void **state)
{
    struct draft draft;
    const struct draft_instance *instance;

    (void)state;
    read_tables(&draft, cases[0].text);
    instance = draft_instance_find(&draft, "sluice.lookup/1", "changed-twice:b");
    assert_int_equal(instance->plugin_count, 3);
    assert_string_equal(instance->plugins[0], "test/changed-twice");
    assert_string_equal(instance->plugins[2], "test/base");
    assert_int_equal(instance->value_count, 13); /* with those of every table */
    draft_done(&draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reports, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_homes, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_too_many_homes, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_plugins_of_an_instance, folder_enter, folder_leave),
    };

    plugin_set_finder(plugins_find);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
