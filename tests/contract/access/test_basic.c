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

/* ---- words that ask ---------------------------------------------------------------------------- */

static const struct test_record records[] = {
    {"mail.tld", SLUICE_DNS_MX, "host.tld", 10},
    {"host.tld", SLUICE_DNS_A, "192.0.2.1", 0},
    {"null.tld", SLUICE_DNS_MX, "", 0},
    {"late.tld", SLUICE_DNS_MX, NULL, 0},
    {"v6.tld", SLUICE_DNS_AAAA, "2001:db8::1", 0},
    {"late-but-there.tld", SLUICE_DNS_MX, NULL, 0},
    {"late-but-there.tld", SLUICE_DNS_A, "192.0.2.1", 0},
    {"backup.tld", SLUICE_DNS_MX, "us.tld", 20},
    {"backup.tld", SLUICE_DNS_MX, "host.tld", 10},
    {"us.tld", SLUICE_DNS_A, "192.0.2.99", 0},
    {"5.2.0.192.bl.tld", SLUICE_DNS_A, "127.0.0.4", 0},
    {"5.2.0.192.bl.tld", SLUICE_DNS_TXT, "spam", 0},
    {"5.2.0.192.bl.tld", SLUICE_DNS_TXT, "more", 0},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.tld", SLUICE_DNS_A,
     "127.0.0.2", 0},
    {NULL, 0, NULL, 0},
};

static const struct test_entry entries[] = {
    {"t:keys", "192.0.2", "REJECT network"},
    {"t:keys", "2001:db8", "REJECT network of IPv6"},
    {"t:keys", "tld", "DEFER 4.2.1 top"},
    {"t:keys", "a@", "554 5.7.4 part"},
    {"t:keys", "broken.tld", NULL},
    {"t:keys", "bare@origin.tld", "REJECT bare"},
    {"t:keys", "hold", "HOLD"},
    {"t:keys", "class", "my_class, reject"},
    {NULL, NULL, NULL},
};

static const char *const asking[] = {"own_addresses", "192.0.2.99, fe80::1%eth0", "myorigin",
                                     "origin.tld", NULL};

#define IF_PERMIT SLUICE_VERDICT_DEFER_IF_PERMIT
#define ALONE SLUICE_ABOUT_NOTHING
#define HELO SLUICE_ABOUT_HELO
#define SENDER SLUICE_ABOUT_SENDER
#define CLIENT SLUICE_ABOUT_CLIENT

static const struct {
    const char *word, *argument;
    const char *client, *helo, *sender, *recipient;
    int32_t verdict, about, code;
    const char *dsn, *text;
} asked[] = {
    {"reject_unknown_sender_domain", "", "", "", "a@mail.tld", "", NONE, 0, 0, "", ""},
    {"reject_unknown_sender_domain", "", "", "", "a@v6.tld", "", NONE, 0, 0, "", ""},
    {"reject_unknown_sender_domain", "", "", "", "a@late-but-there.tld", "", NONE, 0, 0, "", ""},
    {"reject_unknown_sender_domain", "", "", "", "a@late.tld", "", IF_PERMIT, SENDER, 450, "4.1.8",
     "Domain not found"},
    {"reject_unknown_sender_domain", "", "", "", "a@null.tld", "", REJECT, SENDER, 550, "5.7.27",
     "Domain null.tld does not accept mail (nullMX)"},
    {"reject_unknown_helo_hostname", "", "", "null.tld", "", "", NONE, 0, 0, "", ""},
    {"reject_unknown_helo_hostname", "", "", "none.tld", "", "", DEFER, HELO, 450, "4.7.1",
     "Host not found"},
    {"permit_mx_backup", "", "", "", "", "u@backup.tld", PERMIT, 0, 0, "", ""},
    {"permit_mx_backup", "", "", "", "", "u@late.tld", SLUICE_VERDICT_DEFER_IF_REJECT, 4, 450,
     "4.4.4", "Unable to look up mail exchanger information: Host not found, try again"},
    {"reject_rbl_client", "bl.tld", "192.0.2.5", "", "", "", REJECT, ALONE, 554, "5.7.1",
     "Service unavailable; Client host [192.0.2.5] blocked using bl.tld; spam / more"},
    {"reject_rbl_client", "bl.tld", "2001:db8::1", "", "", "", REJECT, ALONE, 554, "5.7.1",
     "Service unavailable; Client host [2001:db8::1] blocked using bl.tld"},
    {"reject_rbl_client", "bl.tld=127.0.0.[2;6..8]", "192.0.2.5", "", "", "", NONE, 0, 0, "", ""},
    {"reject_rbl_client", "bl.tld=127.0.0.[4", "192.0.2.5", "", "", "", DEFER, ALONE, 451, "4.3.5",
     "Server configuration error"},
    {"reject_rbl_client", "bl.tld=127.0.0.256", "192.0.2.5", "", "", "", DEFER, ALONE, 451, "4.3.5",
     "Server configuration error"},
    {"check_client_access", "t:keys", "192.0.2.5", "", "", "", REJECT, CLIENT, 554, "5.7.1",
     "network"},
    {"check_client_access", "t:keys", "2001:db8::5", "", "", "", REJECT, CLIENT, 554, "5.7.1",
     "network of IPv6"},
    {"check_helo_access", "t:keys", "", "x.y.tld", "", "", DEFER, HELO, 450, "4.2.1", "top"},
    {"check_helo_access", "t:keys", "", "192.0.2.5", "", "", NONE, 0, 0, "", ""},
    {"check_sender_access", "t:keys", "", "", "a@x.org", "", REJECT, SENDER, 554, "5.7.4", "part"},
    {"check_sender_access", "t:keys", "", "", "bare", "", REJECT, SENDER, 554, "5.7.1", "bare"},
    {"check_sender_access", "t:keys", "", "", "b@broken.tld", "", DEFER, SENDER, 451, "4.3.5",
     "Server configuration error"},
    {"check_helo_access", "t:keys", "", "hold", "", "", SLUICE_VERDICT_HOLD, HELO, 0, "", ""},
    {"check_helo_access", "t:keys", "", "class", "", "", SLUICE_VERDICT_EVALUATE, HELO, 0, "",
     "my_class, reject"},
};

static void ask(size_t i, const struct sluice_access_ops *ops, struct sluice_access *access)
{
    struct sluice_access_request request = {
        .struct_size = sizeof(request),
        .stage = RCPT,
        .client_address = sluice_span_of(asked[i].client),
        .client_name = sluice_span_of("unknown"),
        .reverse_name = sluice_span_of("unknown"),
        .helo = sluice_span_of(asked[i].helo),
        .sender = sluice_span_of(asked[i].sender),
        .recipient = sluice_span_of(asked[i].recipient),
        .argument = sluice_span_of(asked[i].argument),
    };
    struct test_errors errors;
    struct verdict got;

    print_message("%s %s, case %zu\n", asked[i].word, asked[i].argument, i);
    test_errors_init(&errors);
    verdict_init(&got);
    assert_int_equal(ops->decide(access, asked[i].word, &request, 0, &got.sdk, &errors.sdk),
                     SLUICE_OK);
    assert_int_equal(errors.count, 0);
    assert_int_equal(got.verdict, asked[i].verdict);
    assert_int_equal(got.about, asked[i].about);
    assert_int_equal(got.code, asked[i].code);
    assert_string_equal(got.dsn, asked[i].dsn);
    assert_string_equal(got.text, asked[i].text);
}

static void test_words_that_ask(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);
    const struct sluice_access_ops *ops = test_plugin_interface(desc, SLUICE_ACCESS_ID);
    struct sluice_config *config = test_config_new(desc, asking);
    struct sluice_access *access = NULL;
    struct test_host host;
    struct test_errors errors;

    (void)state;
    test_host_init(&host, "basic");
    host.records = records;
    host.entries = entries;
    test_errors_init(&errors);
    assert_int_equal(ops->open(&host.sdk, config, &errors.sdk, &access), SLUICE_OK);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        ask(i, ops, access);
    ops->close(access);
    test_config_free(config);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_words_that_ask),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s basic.so\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
