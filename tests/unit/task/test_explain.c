/* SPDX-License-Identifier: ISC */
/*
 * Explanations: a tree of steps, of the running task alone, within its limits.
 */
#include "base/span.h"
#include "task/explain.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct explanation *explanation = NULL;

    if (task_loop_init() != SLUICE_OK || explanation_new(&explanation) != SLUICE_OK)
        return -1;
    *state = explanation;
    return 0;
}

static int tear_down(void **state)
{
    explanation_free(*state);
    task_loop_done();
    return 0;
}

/* Runs fn on a task with the explanation, beside one without. */
static void stranger(void *arg)
{
    (void)arg;
    explain_begin("other");
    task_yield();
    explain_text("name", "not ours");
    explain_end(SLUICE_OK, NULL);
    assert_null(task_explanation());
}

struct run {
    struct explanation *explanation;
    void (*fn)(void);
};

static void run(void *arg)
{
    const struct run *run = arg;

    task_set_explanation(run->explanation);
    run->fn();
}

/* What it comes to, as text; the caller frees it. */
static char *explain(void *explanation, void (*fn)(void))
{
    struct run ours = {.explanation = explanation, .fn = fn};

    assert_int_equal(task_start("ours", run, &ours, NULL), SLUICE_OK);
    assert_int_equal(task_start("other", stranger, NULL, NULL), SLUICE_OK);
    task_loop_run();
    assert_non_null(explanation_json(explanation));
    return json_dumps(explanation_json(explanation), JSON_COMPACT | JSON_SORT_KEYS);
}

static void a_tree(void)
{
    struct error err = ERROR_INIT;

    explain_text("address", "a@b");
    explain_begin("outer");
    explain_begin("first");
    explain_span("key", SPAN_LITERAL("k\xff\x1b[1m\n\x7f"));
    explain_end(SLUICE_NOT_FOUND, NULL);
    task_yield();
    explain_begin("second");
    explain_item("records", SPAN_LITERAL("one"));
    explain_item("records", SPAN_LITERAL("two"));
    explain_text("nothing", NULL);
    explain_flag("is_so", true);
    explain_flag("is_not", false);
    explain_number("number", 7);
    explain_end(error_set(&err, SLUICE_TEMP, "it broke"), &err);
    explain_end(SLUICE_OK, &err);
}

static void test_tree(void **state)
{
    char *text = explain(*state, a_tree);

    assert_string_equal(
        text, "{\"address\":\"a@b\",\"steps\":[{\"status\":\"OK\",\"step\":\"outer\",\"steps\":["
              "{\"key\":\"k??[1m??\",\"status\":\"NOT_FOUND\",\"step\":\"first\"},"
              "{\"is_so\":true,\"number\":7,\"records\":[\"one\",\"two\"],\"status\":\"TEMP\","
              "\"step\":\"second\",\"text\":\"it broke\"}]}]}");
    free(text);
}

static void a_part(void)
{
    json_t *noted = json_pack("{s:s, s:i, s:[{s:s}, {s:s}]}", "from", "search", "age", 3, "steps",
                              "step", "one", "step", "two");

    explain_take(NULL);
    explain_begin("table");
    explain_begin("before");
    explain_end(SLUICE_OK, NULL);
    explain_take(noted);
    explain_end(SLUICE_OK, NULL);
    json_decref(noted);
}

static void test_what_another_one_has(void **state)
{
    char *text = explain(*state, a_part);

    assert_string_equal(text, "{\"steps\":[{\"age\":3,\"from\":\"search\",\"status\":\"OK\",\"step\":"
                              "\"table\",\"steps\":[{\"status\":\"OK\",\"step\":\"before\"},"
                              "{\"step\":\"one\"},{\"step\":\"two\"}]}]}");
    free(text);
}

static void too_deep(void)
{
    for (int i = 0; i < EXPLAIN_DEPTH_MAX + 10; i++)
        explain_begin("down");
    explain_text("lost", "x");
    for (int i = 0; i < EXPLAIN_DEPTH_MAX + 10; i++)
        explain_end(SLUICE_OK, NULL);
    explain_begin("last");
    explain_end(SLUICE_OK, NULL);
}

static void test_depth(void **state)
{
    char *text = explain(*state, too_deep);

    assert_null(strstr(text, "lost"));
    assert_non_null(strstr(text, "{\"status\":\"OK\",\"step\":\"last\"}]}"));
    free(text);
}

static void too_many(void)
{
    char text[2000];

    memset(text, '"', sizeof(text)); /* two bytes of JSON each */
    for (int i = 0; i < 5000; i++) {
        explain_begin("step");
        explain_span("text", (struct sluice_span){.ptr = text, .len = sizeof(text)});
        explain_item("items", SPAN_LITERAL("item"));
        explain_end(SLUICE_OK, NULL);
    }
    explain_text("address", "a@b");
}

static void test_count(void **state)
{
    char *text = explain(*state, too_many);
    const json_t *json = explanation_json(*state);

    assert_in_range(json_array_size(json_object_get(json, "steps")), 100, 300);
    assert_in_range(strlen(text), EXPLAIN_BYTES_MAX, 4 * EXPLAIN_BYTES_MAX);
    assert_true(json_is_true(json_object_get(json, "is_cut")));
    assert_string_equal(json_string_value(json_object_get(json, "address")), "a@b");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_another_one_has, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
