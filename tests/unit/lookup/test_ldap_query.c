/* SPDX-License-Identifier: ISC */
/*
 * test_ldap_query: whatever a key has in it stands for itself in a filter and in a DN (T-70 to T-72).
 */
#include "query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define KEY(text) {text, sizeof(text) - 1}

typedef sluice_status filler(const char *text, struct sluice_span key, char **ret_text);

/* want: NULL if the template asks for what the key does not have. */
static const struct {
    filler *fill;
    const char *text;
    struct sluice_span key;
    const char *want;
} cases[] = {
    {query_filter, "(mail=%s)", KEY("joe@a.tld"), "(mail=joe@a.tld)"},
    {query_filter, "(mail=%s)", KEY("*"), "(mail=\\2A)"},
    {query_filter, "(mail=%s)", KEY("a)(b=*"), "(mail=a\\29\\28b=\\2A)"},
    {query_filter, "(mail=%s)", KEY("back\\slash"), "(mail=back\\5Cslash)"},
    {query_filter, "(mail=%s)", KEY("nul\0l\n"), "(mail=nul\\00l\\0A)"},
    {query_filter, "(mail=%s)", KEY("\303\244"), "(mail=\\C3\\A4)"},
    {query_filter, "(mail=%u@%d)", KEY("joe@a.tld"), "(mail=joe@a.tld)"},
    {query_filter, "(mail=%u)", KEY("joe"), "(mail=joe)"},
    {query_filter, "(mail=%u)", KEY("@a.tld"), NULL},
    {query_filter, "(mail=%d)", KEY("joe"), NULL},
    {query_filter, "(dc=%1)(dc=%2)", KEY("joe@a.tld"), "(dc=tld)(dc=a)"},
    {query_filter, "(dc=%3)", KEY("joe@a.tld"), NULL},
    {query_filter, "(x=100%%)", KEY("joe"), "(x=100%)"},
    {query_base, "dc=%d,o=isp", KEY("joe@a.tld"), "dc=a.tld,o=isp"},
    {query_base, "ou=%s,o=isp", KEY("a,o=else"), "ou=a\\2Co\\3Delse,o=isp"},
    {query_base, "ou=%s,o=isp", KEY(" #\"+;<>\\ "), "ou=\\20\\23\\22\\2B\\3B\\3C\\3E\\5C\\20,o=isp"},
    {query_base, "ou=%s,o=isp", KEY("nul\0l"), "ou=nul\\00l,o=isp"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        sluice_status st = cases[i].fill(cases[i].text, cases[i].key, &text);

        if (cases[i].want == NULL) {
            assert_int_equal(st, SLUICE_NOT_FOUND);
            continue;
        }
        assert_int_equal(st, SLUICE_OK);
        assert_string_equal(text, cases[i].want);
        free(text);
    }
}

static void test_values_stay_as_they_are(void **state)
{
    const struct sluice_span value = KEY("(x)*\\@b.tld");
    const struct sluice_span key = KEY("joe@a.tld");
    size_t len;
    char *text;

    (void)state;
    assert_int_equal(query_result("%s %u %D", value, key, &text, &len), SLUICE_OK);
    assert_string_equal(text, "(x)*\\@b.tld (x)*\\ a.tld");
    assert_int_equal(len, strlen(text));
    free(text);
    assert_int_equal(query_result("%d", key, value, &text, &len), SLUICE_OK);
    free(text);
    assert_int_equal(query_result("%d", sluice_span_of("word"), key, &text, &len), SLUICE_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_values_stay_as_they_are),
    };

    return cmocka_run_group_tests_name("ldap-query", tests, NULL, NULL);
}
