/* SPDX-License-Identifier: ISC */
/*
 * From sluice.conf to parameters and instances: the report to the letter, values, references, which
 * instances there are.
 */
#include "config/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

/* The sample of the design; it must check as it is. */
static const char sample[] =
    "myhostname       = \"mx.isp.example\";\n"
    "listen           = [ \"127.0.0.1:2525\" ];          # host:port, [v6]:port\n"
    "plugin_directory = \"build/release/plugins\";       # default: where it was installed\n"
    "queue_directory  = \"/var/spool/sluice\";\n"
    "run_directory    = \"/run/sluice\";                 # control socket, pid file\n"
    "mynetworks       = [ \"127.0.0.0/8\" ];\n"
    "relay_domains    = [ \"customer.tld\", \"hash:/etc/sluice/relay_domains\" ];\n"
    "transport_maps   = [ \"hash:/etc/sluice/transport\" ];\n"
    "defer_transports = [ \"etrn-only\" ];\n"
    "# optional\n"
    "transports  = ( { name = \"etrn-only\"; plugin = \"etrn-only\"; }, { name = \"slow\"; plugin "
    "= "
    "\"smtp\"; destination_concurrency_limit = 2; } );\n"
    "tables      = ( { name = \"staff\"; plugin = \"ldap\"; server_host = [ \"ldap://127.0.0.1\" "
    "]; "
    "search_base = \"o=isp\"; } );     # used as \"ldap:staff\"\n"
    "queue_store = { plugin = \"log\"; };\n"
    "dns_servers = [ \"127.0.0.1@5353\" ];               # default: the system's\n"
    "alias_maps  = [];\n"; /* by default what the machine has */

static void read_text(struct draft *draft, const char *text)
{
    folder_write("t.conf", text, strlen(text));
    draft_init(draft);
    draft_read(draft, "t.conf");
    rules_check(draft);
    draft_finish(draft);
}

static const char *report_of(struct draft *draft)
{
    return draft->report.text.len > 0 ? buffer_text(&draft->report.text) : "";
}

static const char *text_of(struct draft *draft, const char *name)
{
    return draft_parameter(draft, name)->text;
}

/* ---- the report ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text;
    const char *report;
} cases[] = {
    {"the sample", sample, ""},
    {"nothing at all", "", ""},
    {"several mistakes, all of them",
     "smtpd_timeout = 300s;\nsmtpd_timeot = 5;\nhopcount_limit = \"5\";\nhopcount_limit = 3;\n"
     "message_size_limit = 3000000000;\nsmtpd_soft_error_limit = 0;\n",
     "t.conf:1: 300s: a text is written in quotes, and a setting as name = value\n"
     "t.conf:4: hopcount_limit is set already, at t.conf:3\n"
     "t.conf:5: 3000000000 does not fit in 32 bits: write 3000000000L\n"
     "t.conf:6: smtpd_soft_error_limit: 0 is not in the range 1..\n"
     "t.conf:3: hopcount_limit: wants an integer, not a text\n"
     "t.conf:2: smtpd_timeot is not known; is it smtpd_timeout?\n"},
    {"several mistakes in a line, each once",
     "myhostname = \"mx.tld\"; hopcount_limit = 0; nothing_like = 1; smtpd_timeout = \"$nothing$nothing\";\n",
     "t.conf:1: smtpd_timeout: there is no parameter $nothing\n"
     "t.conf:1: hopcount_limit: 0 is not in the range 1..1000\n"
     "t.conf:1: nothing_like is not known\n"},
    {"names of Postfix's and of nobody's",
     "queue_run_delay = 300;\nsmtpd_tls_cert_file = \"/x\";\nfoo_bar_baz = 1;\n",
     "t.conf:1: warning: queue_run_delay is a parameter of Postfix's that has no meaning here\n"
     "t.conf:2: warning: smtpd_tls_cert_file is a parameter of Postfix's that has no meaning here\n"
     "t.conf:3: foo_bar_baz is not known\n"},
    {"computed parameters", "own_addresses = [ \"1.2.3.4\" ];\n",
     "t.conf:1: own_addresses cannot be set\n"},
    {"a loop of references", "mydomain = \"$myorigin\";\nmyorigin = \"x.$mydomain\";\n",
     "t.conf:2: myorigin: $mydomain refers to itself\n"},
    {"a reference to itself", "myorigin = \"$myorigin\";\n",
     "t.conf:1: myorigin: $myorigin refers to itself\n"},
    {"an unknown reference", "relay_domains = [\n \"a.tld\",\n \"$foo\"\n];\n",
     "t.conf:3: relay_domains: there is no parameter $foo\n"},
    {"listen that is none", "listen = [\n \"127.0.0.1:2525\",\n \"localhost:25\" ];\n",
     "t.conf:3: listen: \"localhost:25\": \"localhost\" is not a numeric address\n"},
    {"listen on nothing", "listen = \"\";\n",
     "t.conf:1: listen: it is empty, no mail could be received\n"},
    {"networks that are none", "mynetworks = \"127.0.0.0/8, !10.0.0.1, hash:/x, 300.1.1.1\";\n",
     "t.conf:1: mynetworks: \"300.1.1.1\": not an address or network\n"},
    {"interfaces that are none",
     "inet_interfaces = \"all, 1.2.3.4, [::1], eth0\";\nproxy_interfaces = \"nat.isp.example\";\n",
     "t.conf:1: inet_interfaces: \"eth0\" is no address\n"
     "t.conf:2: proxy_interfaces: \"nat.isp.example\" is no address\n"},
    {"protocols that are none", "inet_protocols = \"ipv4, ipv5\";\n",
     "t.conf:1: inet_protocols: \"ipv5\" is none of all, ipv4, ipv6\n"},
    {"no protocol", "inet_protocols = \"\";\n",
     "t.conf:1: inet_protocols: it is empty, no mail could be sent\n"},
    {"the whole internet", "mynetworks = [ \"0.0.0.0/0\" ];\n",
     "t.conf:1: warning: mynetworks has the whole internet: with permit_mynetworks this is an open "
     "relay\n"},
    {"transports that are not there",
     "relay_transport = \"slow:[host]\";\ndefault_transport = \"smtp:[host]\";\n"
     "defer_transports = \"etrn-only fast\";\n",
     "t.conf:1: relay_transport: there is no transport \"slow\"\n"
     "t.conf:3: warning: defer_transports: there is no transport \"fast\"\n"},
    {"mailboxes that are named, for no domain of ours",
     "mydestination = \"\";\nlocal_transport = \"local:$myhostname\";\n"
     "virtual_transport = \"virtual\";\n",
     ""},
    {"a domain in two lists",
     "mydestination = \"a.tld, B.tld\";\nrelay_domains = [\n \"c.tld\",\n \"b.tld\" ];\n",
     "t.conf:4: warning: do not list domain b.tld in BOTH mydestination and relay_domains\n"},
    {"R-3: domains of several classes",
     "mydestination = \"a.tld\";\nvirtual_alias_domains = \"a.tld b.tld\";\n"
     "virtual_mailbox_domains = \"b.tld c.tld\";\nrelay_domains = \"c.tld d.tld\";\n",
     "t.conf:2: warning: do not list domain a.tld in BOTH mydestination and virtual_alias_domains\n"
     "t.conf:3: warning: do not list domain b.tld in BOTH virtual_alias_domains and "
     "virtual_mailbox_domains\n"
     "t.conf:4: warning: do not list domain c.tld in BOTH virtual_mailbox_domains and "
     "relay_domains\n"},
    {"error limits the wrong way round", "smtpd_soft_error_limit = 50;\n",
     "t.conf:1: warning: smtpd_soft_error_limit is more than smtpd_hard_error_limit and has no "
     "effect\n"},
    {"stress where it has no meaning", "myorigin = \"a${stress?b}\";\n",
     "t.conf:1: myorigin: $stress has no meaning here\n"},
    {"a mistake is reported once", "smtpd_timeout = \"soon\";\nsmtpd_junk_command_limit = \"3\";\n",
     "t.conf:1: smtpd_timeout: wants a duration such as \"5m\" or a number of seconds, not "
     "\"soon\"\n"
     "t.conf:2: smtpd_junk_command_limit: wants an integer, not a text\n"},
    {"a mistake under stress alone", "smtpd_timeout = \"${stress?{0}:{9}}s\";\n",
     "t.conf:1: smtpd_timeout: 0s is not in the range 1s..\n"},
    {"host names", "myhostname = \"mail server\";\n",
     "t.conf:1: myhostname: \"mail server\" is no host name\n"},
    {"a host name without a domain", "myhostname = \"mx\";\n",
     "t.conf:1: warning: myhostname: \"mx\" has no domain\n"},
    {"groups that are none", "transports = { name = \"x\"; };\ntables = ( 5 );\nqueue_store = 1;\n",
     "t.conf:1: transports: wants a list of groups: ( { ... } )\n"
     "t.conf:2: tables: wants a list of groups; this is a number\n"
     "t.conf:3: queue_store: wants a group, not a number\n"},
    {"groups without names",
     "transports = (\n { plugin = \"smtp\"; },\n { name = \"x\"; },\n { name = \"a:b\"; plugin = "
     "\"smtp\"; },\n { name = 5; plugin = \"smtp\"; } );\n",
     "t.conf:2: transports: this group has no name\n"
     "t.conf:3: x: this group has no plugin\n"
     "t.conf:4: transports: the name \"a:b\" has characters other than letters, digits, -, _ and "
     ".\n"
     "t.conf:5: name: wants a text, not a number\n"},
    {"tables that are files",
     "relocated_maps = \"hash:/etc/x\";\ntables = (\n { name = \"/etc/x\"; plugin = \"hash\"; },\n"
     " { name = \"/etc/x y\"; plugin = \"hash\"; } );\n"
     "transports = ( { name = \"/x\"; plugin = \"smtp\"; } );\n",
     "t.conf:5: transports: the name \"/x\" has characters other than letters, digits, -, _ and .\n"
     "t.conf:4: tables: the name \"/etc/x y\" has characters other than letters, digits, -, _ and "
     ".\n"},
    {"groups listed twice",
     "transports = ( { name = \"relay\"; },\n { name = \"relay\"; } );\n"
     "tables = ( { name = \"x\"; plugin = \"hash\"; },\n { name = \"x\"; plugin = \"hash\"; } );\n",
     "t.conf:2: transport relay is listed already, at t.conf:1\n"
     "t.conf:4: table hash:x is listed already, at t.conf:3\n"},
    {"plugins with a path",
     "queue_store = { plugin = \"../x\"; };\nnexthop_chain = \"mx, /lib/x\";\n",
     "t.conf:1: plugin: \"../x\" cannot be the name of a plugin\n"
     "t.conf:2: nexthop_chain: \"/lib/x\" cannot be the name of a plugin\n"},
};

static void test_reports(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct draft draft;

        read_text(&draft, cases[i].text);
        if (strcmp(report_of(&draft), cases[i].report) != 0)
            print_error("case \"%s\"\n", cases[i].name);
        assert_string_equal(report_of(&draft), cases[i].report);
        draft_done(&draft);
    }
}

/* ---- values --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text; /* as $name stands for it */
} defaults[] = {
    {"mail_name", "Sluice"},
    {"listen", "0.0.0.0:25, [::]:25"},
    {"queue_directory", "/var/spool/sluice"},
    {"run_directory", "/run/sluice"},
    {"mail_owner", "sluice"},
    {"network_owner", "sluice-net"},
    {"relay_domains", ""},
    {"relay_transport", "relay"},
    {"default_transport", "smtp"},
    {"postmaster_route", ""},
    {"dns_servers", ""},
    {"smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"},
    {"smtpd_recipient_restrictions", ""},
    {"smtpd_etrn_restrictions", "permit_mynetworks, reject"},
    {"fast_flush_domains", ""},
    {"etrn_minimum_interval", "10s"},
    {"initial_destination_concurrency", "5"},
    {"default_destination_concurrency_limit", "20"},
    {"default_destination_concurrency_positive_feedback", "1"},
    {"default_destination_concurrency_failed_cohort_limit", "1"},
    {"default_destination_recipient_limit", "50"},
    {"smtp_mx_session_limit", "2"},
    {"smtpd_timeout", "300s"},
    {"smtpd_soft_error_limit", "10"},
    {"smtpd_hard_error_limit", "20"},
    {"smtpd_error_sleep_time", "1s"},
    {"smtpd_forbid_bare_newline", "normalize"},
    {"smtpd_recipient_limit", "1000"},
    {"smtpd_helo_required", "no"},
    {"message_size_limit", "10240000"},
    {"message_reject_characters", "\\0"},
    {"line_length_limit", "2048"},
    {"hopcount_limit", "50"},
};

static void test_defaults(void **state)
{
    struct draft draft;
    char host[256] = "";

    (void)state;
    read_text(&draft, "");
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (strcmp(text_of(&draft, defaults[i].name), defaults[i].text) != 0)
            print_error("parameter %s\n", defaults[i].name);
        assert_string_equal(text_of(&draft, defaults[i].name), defaults[i].text);
        assert_string_equal(draft_parameter(&draft, defaults[i].name)->value.origin, "default");
    }
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_memory_equal(text_of(&draft, "myhostname"), host, strlen(host));
    assert_non_null(strchr(text_of(&draft, "myhostname"), '.'));
    assert_string_equal(text_of(&draft, "myorigin"), text_of(&draft, "myhostname"));
    draft_done(&draft);
}

/* The list of Postfix's other names has none of ours. */
static void test_foreign_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < parameter_count; i++) {
        if (parameter_is_foreign(parameters[i].key))
            fail_msg("parameter %s", parameters[i].key);
    }
    assert_true(parameter_is_foreign("2bounce_notice_recipient"));
    assert_true(parameter_is_foreign("queue_run_delay"));
    assert_true(parameter_is_foreign("virtual_minimum_uid"));
    assert_false(parameter_is_foreign("no_such_name"));
}

static void test_values(void **state)
{
    struct draft draft;
    char path[128];

    (void)state;
    read_text(&draft, sample);
    assert_string_equal(text_of(&draft, "smtpd_banner"), "mx.isp.example ESMTP Sluice");
    assert_string_equal(text_of(&draft, "mydomain"), "isp.example");
    assert_string_equal(text_of(&draft, "fast_flush_domains"),
                        "customer.tld, hash:/etc/sluice/relay_domains");
    (void)snprintf(path, sizeof(path), "%s/build/release/plugins", folder_path);
    assert_string_equal(text_of(&draft, "plugin_directory"), path);
    assert_string_equal(text_of(&draft, "own_addresses"), "127.0.0.1");
    assert_string_equal(draft_parameter(&draft, "relay_domains")->value.origin, "t.conf:7");
    draft_done(&draft);
}

static const struct {
    const char *name;
    const char *text;
    const char *addresses;
    const char *networks;
} machines[] = {
    {"listen", "listen = [ \"127.0.0.1:25\", \"[2001:db8::1]:25\", \"127.0.0.1:26\" ];\n",
     "127.0.0.1, 2001:db8::1", "127.0.0.0/8, [::1]/128, 127.0.0.1/32, [2001:db8::1]/128"},
    {"a proxy", "listen = \"127.0.0.1:25\";\nproxy_interfaces = \"1.2.3.4\";\n",
     "127.0.0.1, 1.2.3.4", "127.0.0.0/8, [::1]/128, 127.0.0.1/32, 1.2.3.4/32"},
    {"inet_interfaces instead of listen",
     "listen = \"127.0.0.1:25\";\ninet_interfaces = \"192.0.2.1, [2001:db8::2]\";\n",
     "192.0.2.1, 2001:db8::2", "127.0.0.0/8, [::1]/128, 192.0.2.1/32, [2001:db8::2]/128"},
    {"empty inet_interfaces", "inet_interfaces = \"\";\n", "", "127.0.0.0/8, [::1]/128"},
    {"own networks", "listen = \"127.0.0.1:25\";\nmynetworks = \"\";\n", "127.0.0.1", ""},
};

/* What is listened on where listen does not say so. */
static void test_listen_by_default(void **state)
{
    static const struct {
        const char *text;
        const char *listen;
    } rows[] = {
        {"", "0.0.0.0:25, [::]:25"},
        {"inet_interfaces = \"all\";\n", "0.0.0.0:25, [::]:25"},
        {"inet_protocols = \"ipv4\";\n", "0.0.0.0:25"},
        {"inet_protocols = \"ipv6 ipv4\";\n", "0.0.0.0:25, [::]:25"},
        {"inet_interfaces = \"loopback-only\";\n", "127.0.0.1:25, [::1]:25"},
        {"inet_interfaces = \"localhost, 192.0.2.1, [2001:db8::2]\";\n",
         "127.0.0.1:25, [::1]:25, 192.0.2.1:25, [2001:db8::2]:25"},
        {"inet_interfaces = \"192.0.2.1, [2001:db8::2]\";\ninet_protocols = \"ipv4\";\n",
         "192.0.2.1:25"},
        {"inet_interfaces = \"192.0.2.1\";\nlisten = \"127.0.0.1:2525\";\n", "127.0.0.1:2525"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct draft draft;

        print_message("%s\n", rows[i].text);
        read_text(&draft, rows[i].text);
        assert_string_equal(draft_parameter(&draft, "listen")->text, rows[i].listen);
        draft_done(&draft);
    }
}

static void test_stress(void **state)
{
    static const struct {
        const char *name;
        const char *everyday;
        const char *stressed;
    } values[] = {
        {"smtpd_hard_error_limit", "20", "1"},
        {"smtpd_junk_command_limit", "7", "7"},
        {"smtpd_timeout", "20s", "2s"},
        {"smtpd_per_request_deadline", "no", "yes"},
    };
    struct draft draft;

    (void)state;
    read_text(&draft, "smtpd_junk_command_limit = 7;\nhopcount_limit = 20;\n"
                      "smtpd_timeout = \"${stress?{2}:{$hopcount_limit}}s\";\n"
                      "smtpd_per_request_deadline = \"${stress?yes}${stress:no}\";\n");
    assert_string_equal(report_of(&draft), "");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), PARAMETER_STRESSED "%s", values[i].name);
        assert_string_equal(text_of(&draft, values[i].name), values[i].everyday);
        assert_string_equal(text_of(&draft, name), values[i].stressed);
        assert_string_equal(draft_parameter(&draft, name)->value.key, name);
    }
    draft_done(&draft);
}

static void test_machine(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        struct draft draft;

        read_text(&draft, machines[i].text);
        if (strcmp(text_of(&draft, "own_addresses"), machines[i].addresses) != 0)
            print_error("case \"%s\"\n", machines[i].name);
        assert_string_equal(text_of(&draft, "own_addresses"), machines[i].addresses);
        assert_string_equal(text_of(&draft, "mynetworks"), machines[i].networks);
        assert_string_equal(report_of(&draft), "");
        draft_done(&draft);
    }
}

/* A wildcard stands for all of the machine's addresses; there is always the loopback one. */
static void test_wildcard(void **state)
{
    struct draft draft;

    (void)state;
    read_text(&draft, "listen = \"0.0.0.0:25\";\n");
    assert_non_null(strstr(text_of(&draft, "own_addresses"), "127.0.0.1"));
    assert_null(strchr(text_of(&draft, "own_addresses"), ':')); /* of its family only */
    draft_done(&draft);
}

/* ---- instances ------------------------------------------------------------------------------ */

static void assert_instance(struct draft *draft, const char *interface, const char *name,
                            const char *plugin, const char *argument, unsigned line, uint32_t roles)
{
    const struct draft_instance *instance = draft_instance_find(draft, interface, name);

    assert_non_null(instance);
    assert_string_equal(instance->plugin, plugin);
    assert_string_equal(instance->argument, argument);
    assert_int_equal(instance->place.line, line);
    assert_int_equal(instance->roles, roles);
}

static void test_instances(void **state)
{
    const uint32_t lookup = DRAFT_RECEIVE | DRAFT_DELIVER;
    struct draft draft;

    (void)state;
    read_text(&draft, sample);
    assert_int_equal(draft.instance_count, 19);
    assert_instance(&draft, "sluice.transport/1", "smtp", "transport/smtp", "", 0, DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "relay", "transport/relay", "", 0, DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "etrn-only", "transport/etrn-only", "", 11,
                    DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "slow", "transport/smtp", "", 11, DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "local", "transport/local", "", 0, DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "virtual", "transport/virtual", "", 0,
                    DRAFT_DELIVER);
    assert_instance(&draft, "sluice.lookup/1", "unix:passwd.byname", "lookup/unix",
                    "passwd.byname", 0, lookup);
    assert_instance(&draft, "sluice.lookup/1", "ldap:staff", "lookup/ldap", "staff", 12, lookup);
    assert_instance(&draft, "sluice.lookup/1", "hash:/etc/sluice/transport", "lookup/hash",
                    "/etc/sluice/transport", 8, lookup);
    assert_instance(&draft, "sluice.lookup/1", "hash:/etc/sluice/relay_domains", "lookup/hash",
                    "/etc/sluice/relay_domains", 7, lookup);
    assert_instance(&draft, "sluice.queue/1", "queue_store", "queue/log", "", 13, DRAFT_QUEUE);
    assert_instance(&draft, "sluice.deferral/1", "backoff", "queue/backoff", "", 0, DRAFT_QUEUE);
    assert_instance(&draft, "sluice.deferral/1", "on-demand", "queue/on-demand", "", 0,
                    DRAFT_QUEUE);
    assert_instance(&draft, "sluice.access/1", "basic", "access/basic", "", 0, DRAFT_RECEIVE);
    assert_instance(&draft, "sluice.nexthop/1", "mx-bypass", "transport/mx-bypass", "", 0,
                    DRAFT_DELIVER);
    assert_instance(&draft, "sluice.nexthop/1", "mx", "transport/mx", "", 0, DRAFT_DELIVER);
    draft_done(&draft);
}

/* Addresses have colons and are no tables; a pattern may be negated; what mentions a transport that
 * is always there is its place. */
static void test_more_instances(void **state)
{
    struct draft draft;

    (void)state;
    read_text(&draft, "mynetworks = [ \"fe80::/10\", \"[::1]/128\",\n \"!hash:/x\" ];\n"
                      "defer_transports = \"etrn-only\";\nrelay_transport = \"relay:[h]\";\n"
                      "queue_store = { };\nnexthop_chain = \"other/x\";\n"
                      "mydestination = \"\";\nlocal_recipient_maps = \"\";\n");
    assert_string_equal(report_of(&draft), "");
    assert_int_equal(draft.instance_count, 12);
    assert_instance(&draft, "sluice.lookup/1", "hash:/x", "lookup/hash", "/x", 2,
                    DRAFT_RECEIVE | DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "etrn-only", "transport/etrn-only", "", 3,
                    DRAFT_DELIVER);
    assert_instance(&draft, "sluice.transport/1", "relay", "transport/relay", "", 4, DRAFT_DELIVER);
    assert_instance(&draft, "sluice.queue/1", "queue_store", "queue/log", "", 5, DRAFT_QUEUE);
    assert_instance(&draft, "sluice.nexthop/1", "other/x", "other/x", "", 6, DRAFT_DELIVER);
    draft_done(&draft);
}

/* ---- options of plugins --------------------------------------------------------------------- */

static const struct sluice_option table[] = {
    {"helo", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "$myhostname", NULL, "a name"},
    {"patience", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "30s", "1s..1h", "a time"},
    {"myhostname", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL | SLUICE_OPT_REQUIRED, NULL, NULL, "ours"},
    {"needed", SLUICE_OPT_STRING, SLUICE_OPT_REQUIRED, NULL, NULL, "must be there"},
    {"password", SLUICE_OPT_STRING, SLUICE_OPT_SECRET, NULL, NULL, "secret"},
};

static const struct value *value_of(const struct draft_instance *instance, const char *key)
{
    for (size_t i = 0; i < instance->value_count; i++) {
        if (strcmp(instance->values[i].key, key) == 0)
            return &instance->values[i];
    }
    return NULL;
}

static void test_settle(void **state)
{
    static const char text[] = "myhostname = \"mx.tld\";\npatience = \"5m\";\n"
                               "a_destination_concurrency_limit = 4; b_destination_recipient_limit = 9;"
                               "transports = ( { name = \"a\"; plugin = \"x\";\n"
                               "  needed = \"yes\"; patience = 7; password = \"p$x\";\n"
                               "  destination_concurrency_limit = 3; },\n"
                               " { name = \"b\"; plugin = \"x\";\n  unheard = 1; } );\n";
    struct draft draft;
    struct draft_instance *a;
    struct draft_instance *b;

    (void)state;
    folder_write("t.conf", text, strlen(text));
    draft_init(&draft);
    draft_read(&draft, "t.conf");
    a = draft_instance_find(&draft, "sluice.transport/1", "a");
    b = draft_instance_find(&draft, "sluice.transport/1", "b");
    draft_declare(&draft, "transport/x", table, sizeof(table) / sizeof(table[0]));
    draft_settle(&draft, a, table, sizeof(table) / sizeof(table[0]));
    draft_settle(&draft, b, table, sizeof(table) / sizeof(table[0]));
    draft_finish(&draft);
    assert_string_equal(report_of(&draft),
                        "t.conf:6: b: needed is required\n"
                        "t.conf:7: b: plugin transport/x has no option unheard\n");
    assert_string_equal(value_of(a, "helo")->text, "mx.tld");
    assert_true(value_of(a, "patience")->number == 7000);   /* its own */
    assert_true(value_of(b, "patience")->number == 300000); /* the parameter's */
    assert_string_equal(value_of(b, "patience")->origin, "t.conf:2");
    assert_string_equal(value_of(b, "myhostname")->text, "mx.tld"); /* the core's */
    assert_string_equal(value_of(a, "password")->text, "p$x");
    assert_false(value_of(b, "password")->is_set);
    assert_true(value_of(a, "destination_concurrency_limit")->number == 3);
    assert_true(value_of(b, "destination_concurrency_limit")->number == 20); /* default_... */
    assert_true(value_of(b, "destination_recipient_limit")->number == 9);    /* Postfix's name */
    assert_true(value_of(a, "initial_destination_concurrency")->number == 5);
    assert_string_equal(value_of(a, "destination_concurrency_positive_feedback")->text, "1");
    assert_string_equal(text_of(&draft, "patience"), "300s"); /* a parameter like any other */
    draft_done(&draft);
}

static void test_declare_another_type(void **state)
{
    static const struct sluice_option wrong[] = {
        {"smtpd_timeout", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, NULL, NULL, "x"}};
    struct draft draft;

    (void)state;
    read_text(&draft, "");
    draft_declare(&draft, "transport/x", wrong, 1);
    assert_string_equal(report_of(&draft),
                        "t.conf:default: plugin transport/x: option smtpd_timeout is a text, but "
                        "the parameter of that name is a duration\n");
    draft_done(&draft);
}

static void test_error_place(void **state)
{
    static const char text[] =
        "patience = \"5m\";\ntransports = ( { name = \"a\"; plugin = \"x\";\n"
        " needed = \"y\"; } );\n";
    struct draft draft;
    struct draft_instance *a;

    (void)state;
    folder_write("t.conf", text, strlen(text));
    draft_init(&draft);
    draft_read(&draft, "t.conf");
    a = draft_instance_find(&draft, "sluice.transport/1", "a");
    draft_declare(&draft, "transport/x", table, sizeof(table) / sizeof(table[0]));
    draft_settle(&draft, a, table, sizeof(table) / sizeof(table[0]));
    assert_int_equal(draft_error_place(&draft, a, "patience is too long").line, 1);
    assert_int_equal(draft_error_place(&draft, a, "needed is not good").line, 3);
    assert_int_equal(draft_error_place(&draft, a, "helo is odd").line, 2); /* it was not set */
    draft_done(&draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reports, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_defaults, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_foreign_names, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_values, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_listen_by_default, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_stress, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_machine, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_wildcard, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_instances, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_more_instances, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_settle, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_declare_another_type, folder_enter, folder_leave),
        cmocka_unit_test_setup_teardown(test_error_place, folder_enter, folder_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
