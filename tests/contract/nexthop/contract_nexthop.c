/* SPDX-License-Identifier: ISC */
/*
 * Every next hop plugin against scripted DNS: which hosts, in which order, asked for how, and what
 * is said when there are none (spec R-30..R-33g, R-51..R-53).
 */
#include "net_host.h"

#include "sluice/nexthop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOT_FOUND_TEXT "Host or domain name not found. Name service error for name="

static const struct net_zone zone[] = {
    {"plain.test", "A", "192.0.2.1"},
    {"two.test", "A", "192.0.2.1 192.0.2.2"},
    {"both.test", "A", "192.0.2.1"},
    {"both.test", "AAAA", "2001:db8::1"},
    {"v6.test", "AAAA", "2001:db8::1"},
    {"servfail.test", "A", "SERVFAIL"},
    {"servfail.test", "AAAA", "SERVFAIL"},
    {"half.test", "A", "SERVFAIL"},
    {"half.test", "AAAA", "2001:db8::1"},
    {"half-none.test", "A", "SERVFAIL"},
    {"self.test", "A", "192.0.2.1 192.0.2.99"},
    {"proxy.test", "A", "192.0.2.98"},
    {"zero.test", "A", "0.0.0.0"},

    {"domain.test", "MX", "20:mx2.domain.test 10:mx1.domain.test"},
    {"domain.test", "A", "203.0.113.1"}, /* misleading: has MX */
    {"mx1.domain.test", "A", "192.0.2.11"},
    {"mx2.domain.test", "A", "192.0.2.12"},
    {"equal.test", "MX", "10:two.test 10:mx1.domain.test 5:mx2.domain.test"},
    {"mx-servfail.test", "MX", "SERVFAIL"},
    {"mx-servfail.test", "A", "192.0.2.1"},
    {"null.test", "MX", "0:"},
    {"null.test", "A", "192.0.2.1"},
    {"null-mixed.test", "MX", "0: 10:mx1.domain.test"},
    {"null-worse.test", "MX", "10:"},
    {"dangling.test", "MX", "10:gone.test 20:gone2.test"},
    {"some.test", "MX", "10:gone.test 15:servfail.test 20:mx1.domain.test"},
    {"unsure.test", "MX", "10:gone.test 20:servfail.test"},
    {"mx-self.test", "MX", "10:self.test"},
    {"mx-backup.test", "MX", "10:mx1.domain.test 100:self.test 100:mx2.domain.test 200:plain.test"},
    {"mx-equal-self.test", "MX", "10:mx1.domain.test 10:self.test"},
    {"mx-primary-gone.test", "MX", "10:gone.test 100:self.test"},
    {"mx-primary-servfail.test", "MX", "10:servfail.test 100:self.test"},
    {"mx-proxy.test", "MX", "10:proxy.test"},
    {"many.test", "MX", "10:many4.test 10:many6.test"},
    {"many4.test", "A", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6"},
    {"many6.test", "AAAA", "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4"},
    {"families.test", "MX", "10:plain.test 10:v6.test 20:both.test"},
    {"twice.test", "MX", "10:plain.test 20:two.test"},
    {NULL, NULL, NULL},
};

static const char *const plain[] = {"smtp_randomize_addresses", "false", NULL};
static const char *const ours[] = {"smtp_randomize_addresses",
                                   "false",
                                   "own_addresses",
                                   "127.0.0.1, 192.0.2.99, fe80::1%eth0",
                                   "proxy_interfaces",
                                   "192.0.2.98",
                                   NULL};
static const char *const ignoring[] = {"smtp_randomize_addresses", "false",
                                       "ignore_mx_lookup_error", "true", NULL};
static const char *const deferring[] = {"smtp_randomize_addresses", "false",
                                        "smtp_defer_if_no_mx_address_found", "true", NULL};
static const char *const unlimited[] = {"smtp_randomize_addresses", "false",
                                        "smtp_mx_address_limit", "0", NULL};

static const char *const v4_alone[] = {"inet_protocols", "ipv4", NULL};
static const char *const v6_alone[] = {"inet_protocols", "ipv6", NULL};
static const char *const v6_first[] = {"smtp_address_preference", "ipv6", "smtp_randomize_addresses",
                                       "false", NULL};

static const char *plugin_path; /* the program's first argument */

struct answer {
    struct sluice_nexthop_sink sink;
    char text[2048]; /* "name[address]:port " for each host */
    size_t count;
    size_t backups; /* of them */
    int is_last;
};

static void take_host(const struct sluice_nexthop_sink *sink,
                      const struct sluice_nexthop_host *host)
{
    struct answer *answer = (struct answer *)(uintptr_t)sink;
    size_t len = strlen(answer->text);

    answer->count++;
    answer->backups += host->is_backup != 0;
    (void)snprintf(answer->text + len, sizeof(answer->text) - len, "%s%.*s[%.*s]:%u",
                   len > 0 ? " " : "", (int)host->name.len, host->name.ptr, (int)host->address.len,
                   host->address.ptr, (unsigned)host->port);
}

static void take_last(const struct sluice_nexthop_sink *sink)
{
    struct answer *answer = (struct answer *)(uintptr_t)sink;

    answer->is_last = 1;
}

/* An instance of the plugin with all around it. */
struct fixture {
    const struct sluice_plugin_desc *desc;
    const struct sluice_nexthop_ops *ops;
    struct net_host host;
    struct test_errors errors;
    struct sluice_config *config;
    struct sluice_nexthop *nexthop;
};

static sluice_status fixture_open(struct fixture *f, const char *const *settings)
{
    f->desc = test_plugin_load(plugin_path);
    f->ops = test_plugin_interface(f->desc, SLUICE_NEXTHOP_ID);
    net_host_init(&f->host, f->desc->name, zone);
    test_errors_init(&f->errors);
    f->config = test_config_new(f->desc, f->desc->option_count > 0 ? settings : NULL);
    f->nexthop = NULL;
    return f->ops->open(&f->host.test.sdk, f->config, &f->errors.sdk, &f->nexthop);
}

static void fixture_close(struct fixture *f)
{
    f->ops->close(f->nexthop);
    f->ops->close(NULL);
    test_config_free(f->config);
}

static sluice_status ask_port(struct fixture *f, const char *destination, uint32_t port,
                              struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->sink.struct_size = sizeof(answer->sink);
    answer->sink.port = port;
    answer->sink.host = take_host;
    answer->sink.last = take_last;
    return f->ops->resolve(f->nexthop, sluice_span_of(destination),
                           net_now_ms() + 10000 * NET_HOST_SPEED, &answer->sink, &f->errors.sdk);
}

static sluice_status ask(struct fixture *f, const char *destination, struct answer *answer)
{
    return ask_port(f, destination, 0, answer);
}

static const struct {
    const char *name;
    const char *plugin;
    const char *const *settings;
    const char *destination;
    sluice_status status;
    const char *answer;  /* the hosts; or dsn and text */
    const char *queries; /* NULL: not looked at */
} cases[] = {
    /* ---- mx-bypass ---- */
    {"brackets: no MX query", "transport/mx-bypass", plain, "[domain.test]", SLUICE_OK,
     "domain.test[203.0.113.1]:0", "A domain.test\nAAAA domain.test\n"},
    {"with a port", "transport/mx-bypass", plain, "[plain.test]:2525", SLUICE_OK,
     "plain.test[192.0.2.1]:2525", NULL},
    {"with a service name", "transport/mx-bypass", plain, "[plain.test]:submission", SLUICE_OK,
     "plain.test[192.0.2.1]:587", NULL},
    {"IPv4, no query", "transport/mx-bypass", plain, "[192.0.2.7]", SLUICE_OK,
     "192.0.2.7[192.0.2.7]:0", ""},
    {"IPv4 with a port", "transport/mx-bypass", plain, "[192.0.2.7]:2526", SLUICE_OK,
     "192.0.2.7[192.0.2.7]:2526", ""},
    {"IPv6", "transport/mx-bypass", plain, "[2001:db8::7]", SLUICE_OK, "2001:db8::7[2001:db8::7]:0",
     ""},
    {"IPv6 with its tag", "transport/mx-bypass", plain, "[IPv6:2001:DB8::7]:26", SLUICE_OK,
     "2001:DB8::7[2001:db8::7]:26", ""},
    {"A before AAAA", "transport/mx-bypass", plain, "[both.test]", SLUICE_OK,
     "both.test[192.0.2.1]:0 both.test[2001:db8::1]:0", NULL},
    {"one family is enough", "transport/mx-bypass", plain, "[half.test]", SLUICE_OK,
     "half.test[2001:db8::1]:0", NULL},
    {"IPv4 alone", "transport/mx-bypass", v4_alone, "[both.test]", SLUICE_OK,
     "both.test[192.0.2.1]:0", "A both.test\n"},
    {"IPv6 alone", "transport/mx-bypass", v6_alone, "[both.test]", SLUICE_OK,
     "both.test[2001:db8::1]:0", "AAAA both.test\n"},
    {"IPv6 alone, and it has none", "transport/mx-bypass", v6_alone, "[plain.test]", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT
     "plain.test type=AAAA: Host found but no data record of requested type",
     NULL},
    {"IPv6 alone, an IPv4 number", "transport/mx-bypass", v6_alone, "[192.0.2.7]", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT "192.0.2.7 type=AAAA: not an address of inet_protocols", ""},
    {"IPv6 first", "transport/mx-bypass", v6_first, "[both.test]", SLUICE_OK,
     "both.test[2001:db8::1]:0 both.test[192.0.2.1]:0", NULL},
    {"a final dot", "transport/mx-bypass", plain, "[plain.test.]", SLUICE_OK,
     "plain.test[192.0.2.1]:0", NULL},
    {"no brackets: not mine", "transport/mx-bypass", plain, "plain.test", SLUICE_NOT_FOUND, "", ""},
    {"IPv4 without brackets: not mine", "transport/mx-bypass", plain, "192.0.2.7", SLUICE_NOT_FOUND,
     "", ""},
    {"empty: not mine", "transport/mx-bypass", plain, "", SLUICE_NOT_FOUND, "", ""},
    {"no such host", "transport/mx-bypass", plain, "[gone.test]", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT "gone.test type=A: Host not found", NULL},
    {"only MX", "transport/mx-bypass", plain, "[dangling.test]", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT
     "dangling.test type=A: Host found but no data record of requested type",
     NULL},
    {"SERVFAIL", "transport/mx-bypass", plain, "[servfail.test]", SLUICE_TEMP,
     "4.4.3 " NOT_FOUND_TEXT "servfail.test type=A: Host not found, try again", NULL},
    {"SERVFAIL for A, no AAAA", "transport/mx-bypass", plain, "[half-none.test]", SLUICE_TEMP,
     "4.4.3 " NOT_FOUND_TEXT "half-none.test type=A: Host not found, try again", NULL},
    {"our own address among others", "transport/mx-bypass", ours, "[self.test]", SLUICE_PERM,
     "5.4.6 mail for self.test loops back to myself", NULL},
    {"a proxy's address", "transport/mx-bypass", ours, "[proxy.test]", SLUICE_PERM,
     "5.4.6 mail for proxy.test loops back to myself", NULL},
    {"our own number", "transport/mx-bypass", ours, "[127.0.0.1]", SLUICE_PERM,
     "5.4.6 mail for 127.0.0.1 loops back to myself", NULL},
    {"our own with the port said", "transport/mx-bypass", ours, "[127.0.0.1]:25", SLUICE_PERM,
     "5.4.6 mail for 127.0.0.1 loops back to myself", NULL},
    {"our own on another port", "transport/mx-bypass", ours, "[127.0.0.1]:2526", SLUICE_OK,
     "127.0.0.1[127.0.0.1]:2526", NULL},
    {"the link-local one with its zone", "transport/mx-bypass", ours, "[fe80::1]", SLUICE_PERM,
     "5.4.6 mail for fe80::1 loops back to myself", NULL},
    {"0.0.0.0 is ourselves", "transport/mx-bypass", plain, "[zero.test]", SLUICE_PERM,
     "5.4.6 mail for zero.test loops back to myself", NULL},
    {"no closing bracket", "transport/mx-bypass", plain, "[10.9.0.20", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[10.9.0.20\"", ""},
    {"nothing in brackets", "transport/mx-bypass", plain, "[]", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[]\"", ""},
    {"something after them", "transport/mx-bypass", plain, "[a.test]x", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[a.test]x\"", ""},
    {"port 0", "transport/mx-bypass", plain, "[a.test]:0", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[a.test]:0\"", ""},
    {"no port after the colon", "transport/mx-bypass", plain, "[a.test]:", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[a.test]:\"", ""},
    {"a port that wraps", "transport/mx-bypass", plain, "[a.test]:4294967321", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[a.test]:4294967321\"", ""},
    {"a tag without IPv6", "transport/mx-bypass", plain, "[ipv6:192.0.2.1]", SLUICE_TEMP,
     "4.3.5 malformed next hop \"[ipv6:192.0.2.1]\"", ""},

    /* ---- mx ---- */
    {"sorted by preference", "transport/mx", plain, "domain.test", SLUICE_OK,
     "mx1.domain.test[192.0.2.11]:0 mx2.domain.test[192.0.2.12]:0",
     "MX domain.test\nA mx1.domain.test\nAAAA mx1.domain.test\nA mx2.domain.test\n"
     "AAAA mx2.domain.test\n"},
    {"with a port", "transport/mx", plain, "domain.test:2525", SLUICE_OK,
     "mx1.domain.test[192.0.2.11]:2525 mx2.domain.test[192.0.2.12]:2525", NULL},
    {"same preference: the DNS's order", "transport/mx", plain, "equal.test", SLUICE_OK,
     "mx2.domain.test[192.0.2.12]:0 two.test[192.0.2.1]:0 two.test[192.0.2.2]:0 "
     "mx1.domain.test[192.0.2.11]:0",
     NULL},
    {"brackets: not mine", "transport/mx", plain, "[domain.test]", SLUICE_NOT_FOUND, "", ""},
    {"IPv4 without brackets", "transport/mx", plain, "192.0.2.7:2525", SLUICE_OK,
     "192.0.2.7[192.0.2.7]:2525", ""},
    {"no MX: the domain's own address", "transport/mx", plain, "plain.test", SLUICE_OK,
     "plain.test[192.0.2.1]:0", "MX plain.test\nA plain.test\nAAAA plain.test\n"},
    {"no MX, IPv6 only", "transport/mx", plain, "v6.test", SLUICE_OK, "v6.test[2001:db8::1]:0",
     NULL},
    {"no MX and no address", "transport/mx", plain, "gone.test", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT "gone.test type=A: Host not found", NULL},
    {"no MX, SERVFAIL for the address", "transport/mx", plain, "servfail.test", SLUICE_TEMP,
     "4.4.3 " NOT_FOUND_TEXT "servfail.test type=A: Host not found, try again", NULL},
    {"SERVFAIL for MX", "transport/mx", plain, "mx-servfail.test", SLUICE_TEMP,
     "4.4.3 " NOT_FOUND_TEXT "mx-servfail.test type=MX: Host not found, try again",
     "MX mx-servfail.test\n"},
    {"SERVFAIL for MX, ignored", "transport/mx", ignoring, "mx-servfail.test", SLUICE_OK,
     "mx-servfail.test[192.0.2.1]:0", NULL},
    {"null MX", "transport/mx", plain, "null.test", SLUICE_PERM,
     "5.1.0 Domain null.test does not accept mail (nullMX)", "MX null.test\n"},
    {"null MX beside another", "transport/mx", plain, "null-mixed.test", SLUICE_OK,
     "mx1.domain.test[192.0.2.11]:0", NULL},
    {"a root that is no null MX", "transport/mx", plain, "null-worse.test", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT "null-worse.test type=A: Host not found", NULL},
    {"MX without any address", "transport/mx", plain, "dangling.test", SLUICE_PERM,
     "5.4.4 " NOT_FOUND_TEXT "gone2.test type=A: Host not found", NULL},
    {"MX without any address, deferred", "transport/mx", deferring, "dangling.test", SLUICE_TEMP,
     "4.4.4 " NOT_FOUND_TEXT "gone2.test type=A: Host not found", NULL},
    {"some MX unresolvable", "transport/mx", plain, "some.test", SLUICE_OK,
     "mx1.domain.test[192.0.2.11]:0", NULL},
    {"MX without address, one unsure", "transport/mx", plain, "unsure.test", SLUICE_TEMP,
     "4.4.3 " NOT_FOUND_TEXT "servfail.test type=A: Host not found, try again", NULL},
    {"we are the only MX", "transport/mx", ours, "mx-self.test", SLUICE_PERM,
     "5.4.6 mail for mx-self.test loops back to myself", NULL},
    {"we are behind a proxy", "transport/mx", ours, "mx-proxy.test", SLUICE_PERM,
     "5.4.6 mail for mx-proxy.test loops back to myself", NULL},
    {"we are a backup: only better ones", "transport/mx", ours, "mx-backup.test", SLUICE_OK,
     "mx1.domain.test[192.0.2.11]:0",
     "MX mx-backup.test\nA mx1.domain.test\nAAAA mx1.domain.test\nA self.test\nAAAA self.test\n"
     "A mx2.domain.test\nAAAA mx2.domain.test\n"},
    {"we are one of the best", "transport/mx", ours, "mx-equal-self.test", SLUICE_PERM,
     "5.4.6 mail for mx-equal-self.test loops back to myself", NULL},
    {"the primary does not resolve", "transport/mx", ours, "mx-primary-gone.test", SLUICE_TEMP,
     "4.4.4 unable to find primary relay for mx-primary-gone.test", NULL},
    {"the primary does not resolve now", "transport/mx", ours, "mx-primary-servfail.test",
     SLUICE_TEMP, "4.4.4 unable to find primary relay for mx-primary-servfail.test", NULL},
    {"our MX on another port", "transport/mx", ours, "mx-proxy.test:2525", SLUICE_OK,
     "proxy.test[192.0.2.98]:2525", NULL},
    {"no MX, our own address", "transport/mx", ours, "proxy.test", SLUICE_PERM,
     "5.4.6 mail for proxy.test loops back to myself", NULL},
    {"five addresses of both families", "transport/mx", plain, "many.test", SLUICE_OK,
     "many4.test[192.0.2.1]:0 many4.test[192.0.2.2]:0 many4.test[192.0.2.3]:0 "
     "many6.test[2001:db8::1]:0 many6.test[2001:db8::2]:0",
     NULL},
    {"IPv6 first, inside a preference", "transport/mx", v6_first, "families.test", SLUICE_OK,
     "v6.test[2001:db8::1]:0 plain.test[192.0.2.1]:0 both.test[2001:db8::1]:0 both.test[192.0.2.1]:0",
     NULL},
    {"no limit", "transport/mx", unlimited, "many4.test", SLUICE_OK,
     "many4.test[192.0.2.1]:0 many4.test[192.0.2.2]:0 many4.test[192.0.2.3]:0 "
     "many4.test[192.0.2.4]:0 many4.test[192.0.2.5]:0 many4.test[192.0.2.6]:0",
     NULL},
    {"the same address twice", "transport/mx", plain, "twice.test", SLUICE_OK,
     "plain.test[192.0.2.1]:0 two.test[192.0.2.1]:0 two.test[192.0.2.2]:0", NULL},
    {"empty", "transport/mx", plain, "", SLUICE_TEMP, "4.3.5 malformed next hop \"\"", ""},
    {"two dots", "transport/mx", plain, "a..test", SLUICE_TEMP,
     "4.3.5 malformed next hop \"a..test\"", ""},
    {"a blank", "transport/mx", plain, "a test", SLUICE_TEMP, "4.3.5 malformed next hop \"a test\"",
     ""},
    {"two colons", "transport/mx", plain, "a.test:1:2", SLUICE_TEMP,
     "4.3.5 malformed next hop \"a.test:1:2\"", ""},

    /* ---- null ---- */
    {"null knows nobody", "transport/null", plain, "domain.test", SLUICE_NOT_FOUND, "", ""},
};

static void check_case(struct fixture *f, size_t i)
{
    struct answer answer;
    sluice_status st = ask(f, cases[i].destination, &answer);
    char refusal[2100] = "";

    print_message("%s\n", cases[i].name);
    assert_int_equal(st, cases[i].status);
    if (st == SLUICE_TEMP || st == SLUICE_PERM)
        (void)snprintf(refusal, sizeof(refusal), "%s %s", f->errors.dsn, f->errors.text);
    assert_string_equal(st == SLUICE_OK ? answer.text : refusal, cases[i].answer);
    assert_int_equal(f->errors.count, st == SLUICE_TEMP || st == SLUICE_PERM);
    assert_true(st == SLUICE_OK || answer.count == 0);
    if (cases[i].queries != NULL)
        assert_string_equal(f->host.queries, cases[i].queries);
}

static void test_cases(void **state)
{
    const char *name = test_plugin_load(plugin_path)->name;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;

        if (strcmp(cases[i].plugin, name) != 0)
            continue;
        assert_int_equal(fixture_open(&f, cases[i].settings), SLUICE_OK);
        check_case(&f, i);
        fixture_close(&f);
        count++;
    }
    assert_true(count > 0);
}

static void test_names_of_ports(void **state)
{
    static const char *const settings[] = {"known_tcp_ports", "smtp=25, mail2=also=2626", NULL};
    static const char *const bad[] = {"known_tcp_ports", "smtp=25 mail2", NULL};
    struct fixture f;
    struct answer answer;

    (void)state;
    if (strcmp(test_plugin_load(plugin_path)->name, "transport/mx-bypass") != 0)
        skip();
    assert_int_equal(fixture_open(&f, settings), SLUICE_OK);
    assert_int_equal(ask(&f, "[plain.test]:Also", &answer), SLUICE_OK);
    assert_string_equal(answer.text, "plain.test[192.0.2.1]:2626");
    fixture_close(&f);
    assert_int_equal(fixture_open(&f, bad), SLUICE_CONFIG);
    assert_string_equal(f.errors.text, "known_tcp_ports: \"mail2\" is not name=port");
    fixture_close(&f);
}

static int is_plugin(const char *name)
{
    return strcmp(test_plugin_load(plugin_path)->name, name) == 0;
}

static void test_warns_of_mx_without_address(void **state)
{
    struct fixture f;
    struct answer answer;

    (void)state;
    if (!is_plugin("transport/mx"))
        skip();
    assert_int_equal(fixture_open(&f, plain), SLUICE_OK);
    (void)ask(&f, "domain.test", &answer);
    assert_string_equal(f.host.test.log, "");
    (void)ask(&f, "dangling.test", &answer);
    assert_string_equal(f.host.test.log, "no MX host for dangling.test has a valid address record");
    fixture_close(&f);
}

/* Random inside a preference, and only there. */
static void test_random_order(void **state)
{
    struct fixture f;
    struct answer first, answer;
    int differs = 0;

    (void)state;
    if (!is_plugin("transport/mx"))
        skip();
    assert_int_equal(fixture_open(&f, NULL), SLUICE_OK);
    for (int i = 0; i < 64; i++) {
        f.host.queries[0] = '\0';
        assert_int_equal(ask(&f, "equal.test", &answer), SLUICE_OK);
        assert_int_equal(answer.count, 4);
        assert_memory_equal(answer.text, "mx2.domain.test", strlen("mx2.domain.test"));
        if (i == 0)
            first = answer;
        differs |= strcmp(first.text, answer.text) != 0;
    }
    fixture_close(&f);
    assert_true(differs); /* 3 addresses: all 63 alike by chance once in 6^63 */
}

/* Spec: whether others may be tried, which hosts are only backups, and that
 * nobody loops on other ports, whoever names them. */
static void test_what_else_may_be_tried(void **state)
{
    static const struct {
        const char *destination;
        uint32_t port; /* the transport's */
        sluice_status status;
        size_t backups;
        int is_last;
    } rows[] = {
        {"domain.test", 25, SLUICE_OK, 1, 0},
        {"plain.test", 25, SLUICE_OK, 0, 0},
        {"mx-backup.test", 25, SLUICE_OK, 0, 1},
        {"mx-backup.test", 2525, SLUICE_OK, 4, 0},
        {"mx-self.test", 25, SLUICE_PERM, 0, 1},
        {"mx-self.test", 24, SLUICE_OK, 0, 0},
        {"mx-self.test:25", 2525, SLUICE_PERM, 0, 1},
        {"mx-primary-gone.test", 25, SLUICE_TEMP, 0, 1},
        {"some.test", 25, SLUICE_OK, 1, 0},
        {"proxy.test", 25, SLUICE_PERM, 0, 1},
        {"null.test", 25, SLUICE_PERM, 0, 1},
        {"dangling.test", 25, SLUICE_PERM, 0, 0},
        {"mx-servfail.test", 25, SLUICE_TEMP, 0, 0},
    };
    struct fixture f;

    (void)state;
    if (!is_plugin("transport/mx"))
        skip();
    assert_int_equal(fixture_open(&f, ours), SLUICE_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer answer;

        print_message("%s, port %u\n", rows[i].destination, (unsigned)rows[i].port);
        assert_int_equal(ask_port(&f, rows[i].destination, rows[i].port, &answer), rows[i].status);
        assert_int_equal(answer.backups, rows[i].backups);
        assert_int_equal(answer.is_last, rows[i].is_last);
    }
    fixture_close(&f);
}

static void test_bad_own_address_is_a_configuration_error(void **state)
{
    static const char *const settings[] = {"proxy_interfaces", "nat.example", NULL};
    struct fixture f;

    (void)state;
    if (is_plugin("transport/null"))
        skip();
    assert_int_equal(fixture_open(&f, settings), SLUICE_CONFIG);
    assert_string_equal(f.errors.text,
                        "proxy_interfaces: \"nat.example\" is not a numeric address");
    assert_null(f.nexthop);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_warns_of_mx_without_address),
        cmocka_unit_test(test_random_order),
        cmocka_unit_test(test_what_else_may_be_tried),
        cmocka_unit_test(test_names_of_ports),
        cmocka_unit_test(test_bad_own_address_is_a_configuration_error),
    };

    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PLUGIN.so\n", argv[0]);
        return 64;
    }
    plugin_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
