/* SPDX-License-Identifier: ISC */
/* server_host's words become URLs, and what libldap cannot use is named. */
#include "urls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define LONG_LABEL "a-label-of-some-sixty-characters-is-as-long-as-any-can-be-here."
#define LONG_HOST LONG_LABEL LONG_LABEL "tld "
#define FOUR(text) text text text text

static const struct {
    const char *words;
    const char *urls; /* NULL: */
    const char *text;
} cases[] = {
    {"localhost", "ldap://localhost:389 ", NULL},
    {" a, b:390,,[::1] [::1]:390\n", "ldap://a:389 ldap://b:390 ldap://[::1]:389 ldap://[::1]:390 ",
     NULL},
    {"ldap://a ldaps://b:637/ LDAPI://%2Frun%2Fx ldap:///",
     "ldap://a ldaps://b:637/ LDAPI://%2Frun%2Fx ldap:/// ", NULL},
    {"ldap://a http://b", NULL,
     "here: server_host: \"http://b\" is neither a host nor an LDAP URL"},
    {"ldap://a:x", NULL, "here: server_host: \"ldap://a:x\" is neither a host nor an LDAP URL"},
    {"a ldap//b", NULL, "here: server_host: \"ldap//b\" is neither a host nor an LDAP URL"},
    {"ldap:/b", NULL, "here: server_host: \"ldap:/b\" is neither a host nor an LDAP URL"},
    {"::1", NULL, "here: server_host: \"::1\" is neither a host nor an LDAP URL"},
    {"a:65536", NULL, "here: server_host: \"a:65536\" is neither a host nor an LDAP URL"},
    {"a:-1", NULL, "here: server_host: \"a:-1\" is neither a host nor an LDAP URL"},
    {" , ", NULL, "here: server_host is empty"},
    {FOUR(FOUR("a ")), FOUR(FOUR("ldap://a:389 ")), NULL},
    {FOUR(FOUR("a ")) "b", NULL, "here: server_host is too long"},
    {FOUR(FOUR(LONG_HOST)), NULL, "here: server_host is too long"},
};

struct errors {
    struct sluice_errors sdk;
    char *text;
};

static void keep(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    (void)dsn;
    (void)snprintf(((const struct errors *)(const void *)errors)->text, URLS_MAX, "%s", text);
}

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char urls[URLS_MAX], text[URLS_MAX] = "";
        struct errors errors = {.sdk = {.struct_size = sizeof(errors.sdk), .explain = keep},
                                .text = text};
        sluice_status st = urls_read(cases[i].words, 389, "here", &errors.sdk, urls);

        print_message("%.60s\n", cases[i].words);
        assert_int_equal(st, cases[i].urls != NULL ? SLUICE_OK : SLUICE_CONFIG);
        if (cases[i].urls != NULL)
            assert_string_equal(urls, cases[i].urls);
        else
            assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
