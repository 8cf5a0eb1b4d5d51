/* SPDX-License-Identifier: ISC */
/*
 * References in values, and what only looks like one.
 */
#include "config/expand.h"

#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *find(void *user, struct sluice_span name, struct error *err)
{
    (void)user;
    if (span_equal(name, SPAN_LITERAL("full")))
        return "x";
    if (span_equal(name, SPAN_LITERAL("empty")))
        return "";
    (void)error_set(err, SLUICE_CONFIG, "no %.*s", SPAN_ARGS(name));
    return NULL;
}

static const struct {
    const char *text;
    const char *want; /* NULL: an error */
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"$full", "x"},
    {"a${full}b$(full)c$empty-d", "axbxc-d"},
    {"$$full 5$ $- $", "$full 5$ $- $"},
    {"${full?{10}:{300}}s", "10s"},
    {"${empty?{10}:{300}}s", "300s"},
    {"${full?y}|${empty?y}|${full:n}|${empty:n}", "y|||n"},
    {"${full?{y}}|${empty?{y}}|${empty:{n}}", "y||n"},
    {"${full?{$full${empty:{deep}}}:{$none}}", "xdeep"},
    {"${full?{a{b}c}}", "a{b}c"},
    {"${full?}", ""},
    {"${empty?${none}}", ""},
    {"${ full ? {y} : {n} }|${empty ?{y}:{ n }}|${full?y : n}", "y| n |y : n"},
    {"${{$full} == {x} ? {y} : {n}}|${{$full}!={x}?{y}:{n}}|${{$full} == {x}}", "y|n|true"},
    {"${{10} > {9}?{y}:{n}}|${{a10} > {a9}?{y}:{n}}|${{ab} < {abc}?y}", "y|n|y"},
    {"${{3.10} >=level {3.6}?{y}:{n}}|${{3} <level {3.0.1}?{y}:{n}}|${{2} >level {x}?{y}:{n}}",
     "y|y|y"},
    {"${{} == {$empty}?{y}:{n}}|${{1} <= {1}?y}|${{ x} == {x}?{y}:{n}}", "y|y|n"},
    {"${{x} =~ {x}?y}", NULL},
    {"${{x} == x?y}", NULL},
    {"${{x}}", NULL},
    {"${{$none} == {x}?y}", NULL},
    {"$none", NULL},
    {"${full", NULL},
    {"${full?{y}", NULL},
    {"${full?{y}n}", NULL},
    {"${full!}", NULL},
    {"${}", NULL},
    {"$(full}", NULL},
    {"${full?${full?${full?${full?${full?${full?${full?${full?${full?${full?${full?${full?x}}}}}}}}"
     "}}}}",
     NULL},
};

static void test_expand(void **state)
{
    const struct expand_source source = {.find = find};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = BUFFER_INIT;
        struct error err = ERROR_INIT;
        print_message("  %s\n", cases[i].text);
        sluice_status st = expand(cases[i].text, &source, &out, &err);
        assert_int_equal(st, cases[i].want != NULL ? SLUICE_OK : SLUICE_CONFIG);
        if (cases[i].want != NULL)
            assert_string_equal(buffer_text(&out), cases[i].want);
        else
            assert_true(err.text[0] != '\0');
        buffer_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_expand)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
