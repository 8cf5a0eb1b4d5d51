/* SPDX-License-Identifier: ISC */
/*
 * test_ldap_sync_plan: which entries a table has, and under which keys, as the filter of its searches tells;
 * what it does not tell for certain is refused.
 */
#include "sync_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* want: NULL if it is refused. */
static const struct {
    const char *query, *want, *keys, *part;
} cases[] = {
    {"(mail=%s)", "(mail=*)", "mail", "%s"},
    {"(mail=%S)", "(mail=*)", "mail", "%s"},
    {"mail=%s", "(mail=*)", "mail", "%s"},
    {"(&(objectClass=person)(mail=%s))", "(&(objectClass=person)(mail=*))", "mail", "%s"},
    {"(|(mail=%s)(alias=%s))", "(|(mail=*)(alias=*))", "mail alias", "%s"},
    {"(&(|(mail=%s)(alias=%s))(!(off=TRUE)))", "(&(|(mail=*)(alias=*))(!(off=TRUE)))", "mail alias",
     "%s"},
    {"(|(mail=%s)(|(a=%s)(b=%s)))", "(|(mail=*)(|(a=*)(b=*)))", "mail a b", "%s"},
    {"( & (x=1) (mail=%s) )", "(&(x=1)(mail=*))", "mail", "%s"},
    {"(&(mail=%s)(share=50%%))", "(&(mail=*)(share=50%))", "mail", "%s"},
    {"(&(&(mail=%s)))", "(&(&(mail=*)))", "mail", "%s"},
    {"(&(|(x=a*)(y>=3))(2.5.4.3=%s))", "(&(|(x=a*)(y>=3))(2.5.4.3=*))", "2.5.4.3", "%s"},
    {"(&(on=1)(associatedDomain=%d))", "(&(on=1)(associatedDomain=*))", "associatedDomain", "%d"},
    {"(|(uid=%U)(alias=%u))", "(|(uid=*)(alias=*))", "uid alias", "%u"},
    {"(|(mail=%s)(domain=%d))", NULL, NULL, NULL},
    {"(dc=%1)", NULL, NULL, NULL},
    {"(mail=%u@%d)", NULL, NULL, NULL},
    {"(mail=x%s)", NULL, NULL, NULL},
    {"(mail=%s*)", NULL, NULL, NULL},
    {"(mail~=%s)", NULL, NULL, NULL},
    {"(mail>=%s)", NULL, NULL, NULL},
    {"(mail:caseExactMatch:=%s)", NULL, NULL, NULL},
    {"(!(mail=%s))", NULL, NULL, NULL},
    {"(&(mail=%s)(alias=%s))", NULL, NULL, NULL},
    {"(&(mail=%s)(dc=%d))", NULL, NULL, NULL},
    {"(|(mail=%s)(x=1))", NULL, NULL, NULL},
    {"(|(mail=%s)(&(alias=%s)(on=1)))", NULL, NULL, NULL},
    {"(|(&(mail=%s)(on=1))(&(alias=%s)(on=1)))", NULL, NULL, NULL},
    {"(x=1)", NULL, NULL, NULL},
    {"(mail=%s", NULL, NULL, NULL},
    {"(mail=%s))", NULL, NULL, NULL},
    {"(mail=%s)(x=1)", NULL, NULL, NULL},
    {"(&)", NULL, NULL, NULL},
    {"", NULL, NULL, NULL},
    {"((((((((((((((((((((mail=%s))))))))))))))))))))", NULL, NULL, NULL},
};

static char explained[512];

static void keep(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)errors;
    (void)dsn;
    (void)snprintf(explained, sizeof(explained), "%s", text);
}

static const struct sluice_errors errors = {.struct_size = sizeof(errors), .explain = keep};

/* Settings of which a plan reads these. */
static void fill(struct settings *settings)
{
    static char none[] = "";

    *settings = (struct settings){.number[SHARED] = 1};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        settings->text[i] = none;
}

static void test_cases(void **state)
{
    static char name[] = "maildrop";
    const struct attributes attributes = {.names = {name}};
    struct settings settings;

    (void)state;
    fill(&settings);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sync_plan plan;
        char query[128], keys[128] = "";
        size_t count = 0;

        print_message("%s\n", cases[i].query);
        (void)snprintf(query, sizeof(query), "%s", cases[i].query);
        settings.text[QUERY_FILTER] = query;
        if (cases[i].want == NULL) {
            assert_int_equal(sync_plan_read(&plan, &settings, &attributes, &errors), SLUICE_CONFIG);
            assert_non_null(strstr(explained, "query_filter does not tell"));
            continue;
        }
        assert_int_equal(sync_plan_read(&plan, &settings, &attributes, &errors), SLUICE_OK);
        assert_string_equal(plan.filter, cases[i].want);
        for (; plan.keys[count] != NULL; count++)
            (void)snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%s%s",
                           count > 0 ? " " : "", plan.keys[count]);
        assert_string_equal(keys, cases[i].keys);
        assert_string_equal(plan.part, cases[i].part);
        assert_string_equal(plan.attributes[count], "maildrop");
        assert_null(plan.attributes[count + 1]);
        sync_plan_done(&plan);
    }
}

static void test_as_it_is_told(void **state)
{
    static char mail[] = "mail", filter[] = "(a=b)", names[] = "MAIL, other";
    const struct attributes attributes = {.names = {mail}};
    struct settings settings;
    struct sync_plan plan;

    (void)state;
    fill(&settings);
    settings.text[SYNC_FILTER] = filter;
    assert_int_equal(sync_plan_read(&plan, &settings, &attributes, &errors), SLUICE_CONFIG);
    settings.text[SYNC_KEY_ATTRIBUTE] = names;
    assert_int_equal(sync_plan_read(&plan, &settings, &attributes, &errors), SLUICE_OK);
    assert_string_equal(plan.filter, "(a=b)");
    assert_string_equal(plan.attributes[0], "MAIL"); /* once */
    assert_string_equal(plan.attributes[1], "other");
    assert_null(plan.attributes[2]);
    sync_plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_as_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
