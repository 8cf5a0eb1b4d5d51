/* SPDX-License-Identifier: ISC */
/* Which tables have their servers together, and what becomes of them when tables go. */
#include "shared_servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define URLS "ldap://a ldap://b"

/* ---- a host that knows who has gates ----------------------------------------------------------- */

struct host {
    struct sluice_host sdk;
    int gates;
};

struct sluice_gate {
    struct host *host;
};

static sluice_status make_gate(const struct sluice_host *host, struct sluice_gate **ret_gate)
{
    *ret_gate = malloc(sizeof(**ret_gate));
    assert_non_null(*ret_gate);
    (*ret_gate)->host = (struct host *)(uintptr_t)host;
    (*ret_gate)->host->gates++;
    return SLUICE_OK;
}

static void free_gate(struct sluice_gate *gate)
{
    if (gate != NULL)
        gate->host->gates--;
    free(gate);
}

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct sluice_gates gates = {
        .struct_size = sizeof(gates), .make = make_gate, .free = free_gate};

    (void)host;
    return strcmp(id, SLUICE_GATES_ID) == 0 ? &gates : NULL;
}

static struct host host_new(void)
{
    return (struct host){
        .sdk = {.struct_size = sizeof(struct sluice_host), .get_service = get_service}};
}

/* ---- settings ---------------------------------------------------------------------------------- */

static struct settings settings_new(enum setting setting, const char *text, int64_t number)
{
    struct settings settings;

    assert_int_equal(settings_init(&settings), SLUICE_OK);
    if (text != NULL) {
        free(settings.text[setting]);
        settings.text[setting] = strdup(text);
        assert_non_null(settings.text[setting]);
    } else {
        settings.number[setting] = number;
    }
    return settings;
}

static const struct {
    const char *name;
    enum setting setting;
    const char *text;
    int64_t number;
    const char *urls;
    bool is_foreign;
    bool is_shared;
} cases[] = {
    {"the same", VERSION, NULL, 3, URLS, false, true},
    {"another filter", QUERY_FILTER, "(cn=%s)", 0, URLS, false, true},
    {"another base", SEARCH_BASE, "o=isp", 0, URLS, false, true},
    {"another limit", CONNECTION_LIMIT, NULL, 8, URLS, false, true},
    {"other servers", VERSION, NULL, 3, "ldap://b ldap://a", false, false},
    {"foreign", VERSION, NULL, 3, URLS, true, false},
    {"another version", VERSION, NULL, 2, URLS, false, false},
    {"another password", BIND_PW, "other", 0, URLS, false, false},
    {"another name", BIND_DN, "cn=other", 0, URLS, false, false},
    {"another mechanism", SASL_MECHS, "EXTERNAL", 0, URLS, false, false},
    {"TLS", START_TLS, NULL, 1, URLS, false, false},
    {"a good certificate", TLS_REQUIRE_CERT, NULL, 1, URLS, false, false},
    {"another authority", TLS_CA_CERT_FILE, "/other.pem", 0, URLS, false, false},
    {"our certificate", TLS_CERT, "/our.pem", 0, URLS, false, false},
    {"aliases", DEREFERENCE, NULL, 3, URLS, false, false},
    {"another time-out", TIMEOUT, NULL, 1000, URLS, false, false},
};

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_who_shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct host host = host_new();
        struct settings a = settings_new(VERSION, NULL, 3);
        struct settings b = settings_new(cases[i].setting, cases[i].text, cases[i].number);
        struct shared_servers *of_a = NULL, *of_b = NULL;

        print_message("%s\n", cases[i].name);
        assert_non_null(shared_servers_get(&of_a, &host.sdk, &a, URLS, false));
        assert_non_null(
            shared_servers_get(&of_b, &host.sdk, &b, cases[i].urls, cases[i].is_foreign));
        assert_int_equal(of_a == of_b, cases[i].is_shared);
        settings_done(&a); /* nobody has them from the table */
        shared_servers_unref(of_a);
        assert_int_equal(host.gates, 1);
        shared_servers_unref(of_b);
        assert_int_equal(host.gates, 0);
        settings_done(&b);
    }
}

static void test_the_way_to_bind(void **state)
{
    struct host host = host_new();
    struct settings a = settings_new(VERSION, NULL, 3), b = settings_new(VERSION, NULL, 3);
    struct shared_servers *of_a = NULL, *of_b = NULL;

    (void)state;
    b.bind = BIND_SASL;
    assert_non_null(shared_servers_get(&of_a, &host.sdk, &a, URLS, false));
    assert_non_null(shared_servers_get(&of_b, &host.sdk, &b, URLS, false));
    assert_ptr_not_equal(of_a, of_b);
    shared_servers_unref(of_a);
    shared_servers_unref(of_b);
    settings_done(&a);
    settings_done(&b);
}

/* The others have servers of the next host, together again. */
static void test_the_first_one_leaves(void **state)
{
    struct host first = host_new(), second = host_new(), third = host_new();
    struct settings settings = settings_new(VERSION, NULL, 3);
    struct shared_servers *a = NULL, *b = NULL, *c = NULL;
    struct servers *servers;

    (void)state;
    servers = shared_servers_get(&a, &first.sdk, &settings, URLS, false);
    assert_ptr_equal(shared_servers_get(&b, &second.sdk, &settings, URLS, false), servers);
    assert_ptr_equal(shared_servers_get(&c, &third.sdk, &settings, URLS, false), servers);
    shared_servers_unref(a);
    assert_int_equal(first.gates, 1);
    shared_servers_end(&first.sdk);
    assert_int_equal(first.gates, 0);

    servers = shared_servers_get(&b, &second.sdk, &settings, URLS, false);
    assert_non_null(servers);
    assert_int_equal(second.gates, 1);
    assert_ptr_equal(shared_servers_get(&c, &third.sdk, &settings, URLS, false), servers);
    shared_servers_end(&third.sdk); /* nothing is its own */
    assert_ptr_equal(shared_servers_get(&b, &second.sdk, &settings, URLS, false), servers);
    shared_servers_unref(b);
    shared_servers_unref(c);
    assert_int_equal(second.gates, 0);
    settings_done(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_shares),
        cmocka_unit_test(test_the_way_to_bind),
        cmocka_unit_test(test_the_first_one_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
