/* SPDX-License-Identifier: ISC */
/*
 * Values of declared options: what each type takes, what it says to the rest, and which tables are
 * refused.
 */
#include "config/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *find_parameter(void *user, struct sluice_span name, struct error *err)
{
    (void)user;
    if (name.len == 4 && memcmp(name.ptr, "name", 4) == 0)
        return "value";
    if (name.len == 4 && memcmp(name.ptr, "list", 4) == 0)
        return "one, two";
    (void)error_set(err, SLUICE_CONFIG, "there is no parameter $%.*s", (int)name.len, name.ptr);
    return NULL;
}

struct fixture {
    struct arena arena;
    struct report report;
    struct options options;
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->options = (struct options){.arena = &fixture->arena,
                                        .report = &fixture->report,
                                        .folder = "/start",
                                        .parameters = {.find = find_parameter}};
}

static void fixture_done(struct fixture *fixture)
{
    report_done(&fixture->report);
    arena_done(&fixture->arena);
}

static const char *report_of(struct fixture *fixture)
{
    return fixture->report.text.len > 0 ? buffer_text(&fixture->report.text) : "";
}

/* ---- units ---------------------------------------------------------------------------------- */

/* Postfix counts some times in hours or days, where the number has no unit. */
static void test_default_units(void **state)
{
    static const struct {
        uint32_t flags;
        const char *text;
        int64_t number;
    } units[] = {
        {0, "5", 5000},
        {OPTION_HOURS, "5", 5 * 3600000},
        {OPTION_DAYS, "5", 5 * 86400000},
        {OPTION_HOURS, "5s", 5000},
        {OPTION_DAYS, "2h", 2 * 3600000},
        {OPTION_DAYS, "0", 0},
    };
    const struct place place = {.file = "f", .line = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const struct sluice_option option = {"key", SLUICE_OPT_DURATION, units[i].flags,
                                             NULL,  "0s..",              ""};
        const struct setting setting = {
            .kind = SETTING_NUMBER, .number = units[i].text[0] - '0', .place = place};
        struct fixture fixture;
        struct value value;

        fixture_init(&fixture);
        assert_true(option_from_text(&fixture.options, &option, units[i].text, place, &value));
        assert_true(value.number == units[i].number);
        if (units[i].text[1] == '\0') {
            assert_true(option_from_setting(&fixture.options, &option, &setting, &value));
            assert_true(value.number == units[i].number);
        }
        fixture_done(&fixture);
    }
}

/* ---- from a text ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t type;
    const char *range;
    const char *text;
    const char *report; /* "" for a good one */
    int64_t number;
    const char *result;
} texts[] = {
    {"text", SLUICE_OPT_STRING, NULL, "a b", "", 0, "a b"},
    {"empty text", SLUICE_OPT_STRING, NULL, "", "", 0, ""},
    {"reference", SLUICE_OPT_STRING, NULL, "$name-${name}.$(name)", "", 0, "value-value.value"},
    {"dollars", SLUICE_OPT_STRING, NULL, "$$name ^a$ $.", "", 0, "$name ^a$ $."},
    {"unknown reference", SLUICE_OPT_STRING, NULL, "$nothing",
     "f:1: key: there is no parameter $nothing\n", 0, NULL},
    {"open reference", SLUICE_OPT_STRING, NULL, "${name",
     "f:1: key: \"${name\" is no reference of the form ${name}\n", 0, NULL},
    {"integer", SLUICE_OPT_INTEGER, NULL, "-12", "", -12, NULL},
    {"no integer", SLUICE_OPT_INTEGER, NULL, "12x", "f:1: key: wants an integer, not \"12x\"\n", 0,
     NULL},
    {"largest", SLUICE_OPT_INTEGER, NULL, "9223372036854775807", "", INT64_MAX, NULL},
    {"too large", SLUICE_OPT_INTEGER, NULL, "9223372036854775808",
     "f:1: key: wants an integer, not \"9223372036854775808\"\n", 0, NULL},
    {"in range", SLUICE_OPT_INTEGER, "1..10", "10", "", 10, NULL},
    {"below range", SLUICE_OPT_INTEGER, "1..10", "0", "f:1: key: 0 is not in the range 1..10\n", 0,
     NULL},
    {"above range", SLUICE_OPT_INTEGER, "..10", "11", "f:1: key: 11 is not in the range ..10\n", 0,
     NULL},
    {"seconds", SLUICE_OPT_DURATION, NULL, "300", "", 300000, NULL},
    {"seconds with unit", SLUICE_OPT_DURATION, NULL, "300s", "", 300000, NULL},
    {"minutes", SLUICE_OPT_DURATION, NULL, "5m", "", 300000, NULL},
    {"hours", SLUICE_OPT_DURATION, NULL, "2h", "", 7200000, NULL},
    {"days", SLUICE_OPT_DURATION, NULL, "5d", "", 432000000, NULL},
    {"weeks", SLUICE_OPT_DURATION, NULL, "1W", "", 604800000, NULL},
    {"unknown unit", SLUICE_OPT_DURATION, NULL, "5y",
     "f:1: key: wants a duration such as \"5m\" or a number of seconds, not \"5y\"\n", 0, NULL},
    {"no duration", SLUICE_OPT_DURATION, NULL, "",
     "f:1: key: wants a duration such as \"5m\" or a number of seconds, not \"\"\n", 0, NULL},
    {"endless duration", SLUICE_OPT_DURATION, "1s..", "5300w",
     "f:1: key: 5300w is longer than a century\n", 0, NULL},
    {"duration out of range", SLUICE_OPT_DURATION, "1s..1h", "2h",
     "f:1: key: 2h is not in the range 1s..1h\n", 0, NULL},
    {"duration overflow", SLUICE_OPT_DURATION, NULL, "99999999999999999w",
     "f:1: key: wants a duration such as \"5m\" or a number of seconds, not "
     "\"99999999999999999w\"\n",
     0, NULL},
    {"bytes", SLUICE_OPT_SIZE, NULL, "10240000", "", 10240000, NULL},
    {"kilobytes", SLUICE_OPT_SIZE, NULL, "64K", "", 65536, NULL},
    {"megabytes", SLUICE_OPT_SIZE, NULL, "10M", "", 10485760, NULL},
    {"gigabytes", SLUICE_OPT_SIZE, NULL, "2g", "", 2147483648, NULL},
    {"yes", SLUICE_OPT_BOOLEAN, NULL, "yes", "", 1, NULL},
    {"FALSE", SLUICE_OPT_BOOLEAN, NULL, "FALSE", "", 0, NULL},
    {"maybe", SLUICE_OPT_BOOLEAN, NULL, "maybe", "f:1: key: wants yes or no, not \"maybe\"\n", 0,
     NULL},
    {"absolute path", SLUICE_OPT_PATH, NULL, "/etc/x", "", 0, "/etc/x"},
    {"relative path", SLUICE_OPT_PATH, NULL, "etc/x", "", 0, "/start/etc/x"},
    {"empty path", SLUICE_OPT_PATH, NULL, "", "", 0, ""},
    {"word", SLUICE_OPT_ENUM, "sub|one|base", "one", "", 0, "one"},
    {"word in another case", SLUICE_OPT_ENUM, "sub|one|base", "One", "", 0, "one"},
    {"part of a word", SLUICE_OPT_ENUM, "sub|one|base", "on",
     "f:1: key: \"on\" is not one of sub|one|base\n", 0, NULL},
    {"two words", SLUICE_OPT_ENUM, "sub|one|base", "sub|one",
     "f:1: key: \"sub|one\" is not one of sub|one|base\n", 0, NULL},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct sluice_option option = {"key", texts[i].type, 0, NULL, texts[i].range, "x"};
        struct fixture fixture;
        struct value value;
        bool is_good;

        fixture_init(&fixture);
        is_good = option_from_text(&fixture.options, &option, texts[i].text,
                                   (struct place){.file = "f", .line = 1}, &value);
        if (strcmp(report_of(&fixture), texts[i].report) != 0)
            print_error("case \"%s\"\n", texts[i].name);
        assert_string_equal(report_of(&fixture), texts[i].report);
        assert_int_equal(is_good, texts[i].report[0] == '\0');
        assert_int_equal(value.is_set, is_good);
        assert_true(value.number == texts[i].number);
        if (texts[i].result != NULL)
            assert_string_equal(value.text, texts[i].result);
        else
            assert_null(value.text);
        assert_string_equal(value.origin, "f:1");
        fixture_done(&fixture);
    }
}

/* ---- from settings of other kinds ----------------------------------------------------------- */

static const struct setting element_text = {.kind = SETTING_TEXT, .text = "a b", .place = {"f", 2}};
static const struct setting element_reference = {
    .kind = SETTING_TEXT, .text = "$list", .place = {"f", 2}};
static const struct setting element_number = {.kind = SETTING_NUMBER, .place = {"f", 3}};
static const struct setting element_empty = {.kind = SETTING_TEXT, .text = "", .place = {"f", 4}};

static const struct {
    const char *name;
    int32_t type;
    const char *range;
    struct setting setting;
    const char *report;
    int64_t number;
    size_t count;
    const char *last;
} settings[] = {
    {"number", SLUICE_OPT_INTEGER, NULL, {.kind = SETTING_NUMBER, .number = 7}, "", 7, 0, NULL},
    {"text for an integer",
     SLUICE_OPT_INTEGER,
     NULL,
     {.kind = SETTING_TEXT, .text = "7"},
     "f:1: key: wants an integer, not a text\n",
     0,
     0,
     NULL},
    {"number of seconds",
     SLUICE_OPT_DURATION,
     NULL,
     {.kind = SETTING_NUMBER, .number = 7},
     "",
     7000,
     0,
     NULL},
    {"negative duration",
     SLUICE_OPT_DURATION,
     NULL,
     {.kind = SETTING_NUMBER, .number = -7},
     "f:1: key: -7 is not in the range 0..\n",
     0,
     0,
     NULL},
    {"duration that wraps",
     SLUICE_OPT_DURATION,
     NULL,
     {.kind = SETTING_NUMBER, .number = INT64_MAX / 10},
     "f:1: key: 922337203685477580 is too large\n",
     0,
     0,
     NULL},
    {"fraction",
     SLUICE_OPT_DURATION,
     NULL,
     {.kind = SETTING_FLOAT},
     "f:1: key: wants a duration such as \"5m\" or a number of seconds, not a number with a "
     "fraction\n",
     0,
     0,
     NULL},
    {"number for a text",
     SLUICE_OPT_STRING,
     NULL,
     {.kind = SETTING_NUMBER},
     "f:1: key: wants a text, not a number\n",
     0,
     0,
     NULL},
    {"group for a path",
     SLUICE_OPT_PATH,
     NULL,
     {.kind = SETTING_GROUP},
     "f:1: key: wants a path, not a group\n",
     0,
     0,
     NULL},
    {"true", SLUICE_OPT_BOOLEAN, NULL, {.kind = SETTING_FLAG, .number = 1}, "", 1, 0, NULL},
    {"false for a word that has no",
     SLUICE_OPT_ENUM,
     "yes|no|reject",
     {.kind = SETTING_FLAG, .number = 0},
     "",
     0,
     0,
     NULL},
    {"number for a word that is one",
     SLUICE_OPT_ENUM,
     "1|1/concurrency",
     {.kind = SETTING_NUMBER, .number = 1},
     "",
     0,
     0,
     NULL},
    {"number for another word",
     SLUICE_OPT_ENUM,
     "1|1/concurrency",
     {.kind = SETTING_NUMBER, .number = 2},
     "f:1: key: \"2\" is not one of 1|1/concurrency\n",
     0,
     0,
     NULL},
    {"number for a boolean",
     SLUICE_OPT_BOOLEAN,
     NULL,
     {.kind = SETTING_NUMBER, .number = 1},
     "f:1: key: wants true or false, not a number\n",
     0,
     0,
     NULL},
    {"list in Postfix's notation",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_TEXT, .text = " a, b\n\tc ,,d "},
     "",
     0,
     4,
     "d"},
    {"braces keep a list's items together",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_TEXT, .text = "hash:/a, inline:{k=v, {l = m {n}}} {x, y}z a}b"},
     "",
     0,
     4,
     "a}b"},
    {"empty list", SLUICE_OPT_LIST, NULL, {.kind = SETTING_TEXT, .text = ""}, "", 0, 0, NULL},
    {"array",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_ARRAY, .children = &element_text, .child_count = 1},
     "",
     0,
     1,
     "a b"},
    {"array with a reference to a list",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_ARRAY, .children = &element_reference, .child_count = 1},
     "",
     0,
     2,
     "two"},
    {"number in an array",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_ARRAY, .children = &element_number, .child_count = 1},
     "f:3: key: wants a list of texts; this is a number\n",
     0,
     0,
     NULL},
    {"empty element",
     SLUICE_OPT_LIST,
     NULL,
     {.kind = SETTING_ARRAY, .children = &element_empty, .child_count = 1},
     "f:4: key: an element is empty\n",
     0,
     0,
     NULL},
    {"array for a text",
     SLUICE_OPT_STRING,
     NULL,
     {.kind = SETTING_ARRAY},
     "f:1: key: wants a text, not a list\n",
     0,
     0,
     NULL},
};

static void test_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const struct sluice_option option = {"key", settings[i].type,  0,
                                             NULL,  settings[i].range, "x"};
        struct setting setting = settings[i].setting;
        struct fixture fixture;
        struct value value;

        fixture_init(&fixture);
        setting.place = (struct place){.file = "f", .line = 1};
        (void)option_from_setting(&fixture.options, &option, &setting, &value);
        if (strcmp(report_of(&fixture), settings[i].report) != 0)
            print_error("case \"%s\"\n", settings[i].name);
        assert_string_equal(report_of(&fixture), settings[i].report);
        assert_int_equal(value.is_set, settings[i].report[0] == '\0');
        assert_true(value.is_named);
        assert_true(value.number == settings[i].number);
        assert_int_equal(value.item_count, settings[i].count);
        if (settings[i].last != NULL)
            assert_string_equal(value.items[value.item_count - 1], settings[i].last);
        fixture_done(&fixture);
    }
}

static void test_deprecated_and_secret(void **state)
{
    static const struct sluice_option old = {"key", SLUICE_OPT_STRING, SLUICE_OPT_DEPRECATED, NULL,
                                             NULL,  "use another"};
    static const struct sluice_option secret = {"key", SLUICE_OPT_STRING, SLUICE_OPT_SECRET, NULL,
                                                NULL,  "a password"};
    const struct setting setting = {
        .kind = SETTING_TEXT, .text = "pa$$word$nothing", .place = {"f", 1}};
    struct fixture fixture;
    struct value value;

    (void)state;
    fixture_init(&fixture);
    assert_true(option_from_setting(&fixture.options, &secret, &setting, &value));
    assert_string_equal(value.text, "pa$$word$nothing"); /* to the letter */
    assert_true(value.is_secret);
    assert_string_equal(report_of(&fixture), "");
    assert_false(option_from_setting(&fixture.options, &old, &setting, &value));
    assert_string_equal(report_of(&fixture), "f:1: warning: key is deprecated: use another\n"
                                             "f:1: key: there is no parameter $nothing\n");
    fixture_done(&fixture);
}

/* ---- tables --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct sluice_option options[2];
    size_t count;
    const char *text; /* "": it is sound */
} tables[] = {
    {"sound", {{"a", SLUICE_OPT_INTEGER, 0, "5", "1..10", "x"}}, 1, ""},
    {"no key", {{NULL, SLUICE_OPT_INTEGER, 0, NULL, NULL, "x"}}, 1, "option 0 has no key"},
    {"bad key",
     {{"a b", SLUICE_OPT_INTEGER, 0, NULL, NULL, "x"}},
     1,
     "option a b: the key is none that can be configured"},
    {"the host's key",
     {{"plugin", SLUICE_OPT_STRING, 0, NULL, NULL, "x"}},
     1,
     "option plugin: the key is none that can be configured"},
    {"unknown type", {{"a", 99, 0, NULL, NULL, "x"}}, 1, "option a: the type is unknown"},
    {"no summary",
     {{"a", SLUICE_OPT_STRING, 0, NULL, NULL, NULL}},
     1,
     "option a: the summary is missing"},
    {"no words",
     {{"a", SLUICE_OPT_ENUM, 0, NULL, NULL, "x"}},
     1,
     "option a: the words to choose from are missing"},
    {"bad range",
     {{"a", SLUICE_OPT_DURATION, 0, NULL, "1..x", "x"}},
     1,
     "option a: the range makes no sense"},
    {"default out of range",
     {{"a", SLUICE_OPT_DURATION, 0, "5m", "1s..10s", "x"}},
     1,
     "option default: a: 5m is not in the range 1s..10s"},
    {"declared twice",
     {{"a", SLUICE_OPT_STRING, 0, NULL, NULL, "x"}, {"a", SLUICE_OPT_LIST, 0, NULL, NULL, "y"}},
     2,
     "option a: it is declared twice"},
};

static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct error err = ERROR_INIT;
        sluice_status st = options_check_table(tables[i].options, tables[i].count, &err);

        if (strcmp(err.text, tables[i].text) != 0)
            print_error("case \"%s\"\n", tables[i].name);
        assert_string_equal(err.text, tables[i].text);
        assert_int_equal(st, tables[i].text[0] == '\0' ? SLUICE_OK : SLUICE_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_units),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_deprecated_and_secret),
        cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
