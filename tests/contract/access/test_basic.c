/* SPDX-License-Identifier: ISC */
/*
 * test_basic: what each restriction of access/basic says, to whom, and with which code.
 */
#include "host.h"
#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RCPT SLUICE_STAGE_RCPT
#define ETRN SLUICE_STAGE_ETRN
#define NETS SLUICE_FACT_MYNETWORKS
#define OURS SLUICE_FACT_AUTH_DESTINATION
#define NONE SLUICE_VERDICT_NONE
#define PERMIT SLUICE_VERDICT_PERMIT
#define REJECT SLUICE_VERDICT_REJECT
#define DEFER SLUICE_VERDICT_DEFER

#define RELAY_DENIED "Relay access denied"
#define DENIED "Access denied"
#define LATER "Try again later"

static const char *plugin_path; /* from the command line */

static const char *const defaults[] = {NULL};
static const char *const other_codes[] = {
    "relay_domains_reject_code", "551", "reject_code", "450", "defer_code", "421", NULL};

static const struct {
    const char *name;
    const char *const *options;
    const char *word;
    int32_t stage;
    uint64_t facts;
    int32_t verdict, code;
    const char *dsn, *text;
} cases[] = {
    {"own network", defaults, "permit_mynetworks", RCPT, NETS, PERMIT, 0, "", ""},
    {"stranger", defaults, "permit_mynetworks", RCPT, OURS, NONE, 0, "", ""},
    {"own network, ETRN", defaults, "permit_mynetworks", ETRN, NETS, PERMIT, 0, "", ""},
    {"ours", defaults, "reject_unauth_destination", RCPT, OURS, NONE, 0, "", ""},
    {"foreign", defaults, "reject_unauth_destination", RCPT, 0, REJECT, 554, "5.7.1", RELAY_DENIED},
    {"foreign, own network", defaults, "reject_unauth_destination", RCPT, NETS, REJECT, 554,
     "5.7.1", RELAY_DENIED},
    {"no destination at ETRN", defaults, "reject_unauth_destination", ETRN, 0, NONE, 0, "", ""},
    {"ours, defer", defaults, "defer_unauth_destination", RCPT, OURS, NONE, 0, "", ""},
    {"foreign, defer", defaults, "defer_unauth_destination", RCPT, 0, DEFER, 454, "4.7.1",
     RELAY_DENIED},
    {"permit", defaults, "permit", RCPT, 0, PERMIT, 0, "", ""},
    {"reject", defaults, "reject", RCPT, NETS | OURS, REJECT, 554, "5.7.1", DENIED},
    {"reject at ETRN", defaults, "reject", ETRN, 0, REJECT, 554, "5.7.1", DENIED},
    {"defer", defaults, "defer", RCPT, 0, DEFER, 450, "4.3.2", LATER},
    {"defer at ETRN", defaults, "defer", ETRN, 0, DEFER, 450, "4.3.2", LATER},
    {"other relay code", other_codes, "reject_unauth_destination", RCPT, 0, REJECT, 551, "5.7.1",
     RELAY_DENIED},
    {"other relay code, defer", other_codes, "defer_unauth_destination", RCPT, 0, DEFER, 451,
     "4.7.1", RELAY_DENIED},
    {"reject with a code for now", other_codes, "reject", RCPT, 0, DEFER, 450, "4.7.1",
     DENIED},
    {"other defer code", other_codes, "defer", RCPT, 0, DEFER, 421, "4.3.2", LATER},
};

static void check_case(size_t i, const struct sluice_plugin_desc *desc)
{
    const struct sluice_access_ops *ops = test_plugin_interface(desc, SLUICE_ACCESS_ID);
    struct sluice_config *config = test_config_new(desc, cases[i].options);
    struct sluice_access_request request = {
        .struct_size = sizeof(request), .stage = cases[i].stage, .facts = cases[i].facts};
    struct sluice_access *access = NULL;
    struct test_host host;
    struct test_errors errors;
    struct verdict got;

    print_message("%s\n", cases[i].name);
    test_host_init(&host, "basic");
    test_errors_init(&errors);
    verdict_init(&got);
    assert_int_equal(ops->open(&host.sdk, config, &errors.sdk, &access), SLUICE_OK);
    assert_int_equal(ops->decide(access, cases[i].word, &request, 0, &got.sdk, &errors.sdk),
                     SLUICE_OK);
    assert_int_equal(got.verdict, cases[i].verdict);
    assert_int_equal(got.code, cases[i].code);
    assert_string_equal(got.dsn, cases[i].dsn);
    assert_string_equal(got.text, cases[i].text);
    ops->close(access);
    test_config_free(config);
}

static void test_verdicts(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(i, desc);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_verdicts)};

    if (argc != 2) {
        fprintf(stderr, "usage: %s basic.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
