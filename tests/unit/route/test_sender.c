/* SPDX-License-Identifier: ISC */
/*
 * Routes that the sender decides: sender_dependent_default_transport_maps and
 * sender_dependent_relayhost_maps (spec ).
 */
#include "fake_table.h"
#include "route/route.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fake_entry transports[] = {
    {"t@me.tld", "slow:[theirs]"},
    {"both@me.tld", "slow"},
    {"dunno@me.tld", "Dunno"},
    {"none@me.tld", ":[hop]"},
    {"@whole.tld", "whole:"},
    {"bare", "bare:"},
    {"<>", "null:[bounces]"},
    {NULL, NULL},
};

static const struct fake_entry relayhosts[] = {
    {"r@me.tld", "[mine]"},      {"r+e@me.tld", "[extended]"}, {"both@me.tld", "[mine]"},
    {"dunno@me.tld", "DUNNO"},   {"@whole.tld", "[whole]"},    {"t@me.tld", "[not used]"},
    {"quoted me@me.tld", "[q]"}, {"<>", "[null]"},             {NULL, NULL},
};

static const struct fake_entry by_recipient[] = {
    {"table.tld", "smtp:[table]"}, {"reset.tld", "fast:"}, {"hop.tld", ":[hop]"}, {NULL, NULL}};

static const struct fake_entry broken[] = {{"FAIL", ""}, {NULL, NULL}};

struct fixture {
    struct tables *tables;
    struct fake_table transports;
    struct fake_table relayhosts;
    struct fake_table by_recipient;
    struct router router;
};

static void add(struct fixture *f, const char *name, struct fake_table *table,
                const struct fake_entry *entries, struct table_list *list)
{
    struct error err = ERROR_INIT;

    table->entries = entries;
    assert_int_equal(tables_add(f->tables, name, &fake_ops, fake_self(table), NULL), SLUICE_OK);
    assert_int_equal(table_list_add(list, f->tables, name, &err), SLUICE_OK);
}

static void add_domain(struct fixture *f, enum route_class class, const char *name)
{
    struct error err = ERROR_INIT;

    assert_int_equal(domain_list_add(&f->router.classes.domains[class], f->tables, name, &err),
                     SLUICE_OK);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    f->router = (struct router){
        .myorigin = "origin.tld",
        .transports = {"local:here", NULL, "virtual", "relay", "smtp"},
        .relayhost = "[smart]",
        .sender_transports.null_key = "<>",
        .sender_relayhosts.null_key = "<>",
        .postmaster_route = "",
        .recipient_delimiter = "+",
    };
    add_domain(f, ROUTE_LOCAL, "local.tld");
    add_domain(f, ROUTE_RELAY, "relay.tld");
    add(f, "fake:t", &f->transports, transports, &f->router.sender_transports.tables);
    add(f, "fake:r", &f->relayhosts, relayhosts, &f->router.sender_relayhosts.tables);
    add(f, "fake:b", &f->by_recipient, by_recipient, &f->router.transport_maps);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    router_done(&f->router);
    tables_free(f->tables);
    free(f);
    return 0;
}

static sluice_status find(const struct fixture *f, const char *sender, const char *recipient,
                          char *out, size_t size, bool *ret_is_of_domain)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;

    assert_int_equal(mailbox_parse(sluice_span_of(recipient), &mailbox), SLUICE_OK);
    sluice_status st = route_resolve(&f->router, sluice_span_of(sender), &mailbox, CLOCK_NEVER,
                                     &route, &err);
    mailbox_done(&mailbox);
    if (st == SLUICE_OK)
        (void)snprintf(out, size, "%.*s:%.*s", SPAN_ARGS(route.transport),
                       SPAN_ARGS(route.nexthop));
    else
        (void)snprintf(out, size, "%s %s", err.dsn, err.text);
    *ret_is_of_domain = route.is_of_domain;
    route_done(&route);
    return st;
}

static void assert_route(const struct fixture *f, const char *sender, const char *recipient,
                         const char *want)
{
    char got[256];
    bool is_of_domain;

    assert_int_equal(find(f, sender, recipient, got, sizeof(got), &is_of_domain), SLUICE_OK);
    assert_string_equal(got, want);
}

static const struct {
    const char *sender;
    const char *recipient;
    const char *route;
} cases[] = {
    {"other@me.tld", "<u@x.tld>", "smtp:[smart]"},
    {"t@me.tld", "<u@x.tld>", "slow:[theirs]"}, /* before the relayhost of the same sender */
    {"T+ext@Me.TLD", "<u@x.tld>", "slow:[theirs]"},
    {"r@me.tld", "<u@x.tld>", "smtp:[mine]"},
    {"r+e@me.tld", "<u@x.tld>", "smtp:[extended]"},
    {"r+other@me.tld", "<u@x.tld>", "smtp:[mine]"},
    {"both@me.tld", "<u@x.tld>", "slow:[mine]"},
    {"dunno@me.tld", "<u@x.tld>", "smtp:[smart]"},
    {"any@whole.tld", "<u@x.tld>", "whole:[whole]"},
    {"any@sub.whole.tld", "<u@x.tld>", "smtp:[smart]"},
    {"bare@local.tld", "<u@x.tld>", "bare:[smart]"},
    {"bare@origin.tld", "<u@x.tld>", "bare:[smart]"},
    {"bare@me.tld", "<u@x.tld>", "smtp:[smart]"},
    {"\"quoted me\"@me.tld", "<u@x.tld>", "smtp:[q]"},
    {"", "<u@x.tld>", "null:[bounces]"},
    /* the relay class has its own transport, and the sender's relayhost */
    {"t@me.tld", "<u@relay.tld>", "relay:[not used]"},
    {"r@me.tld", "<u@relay.tld>", "relay:[mine]"},
    {"", "<u@relay.tld>", "relay:[null]"},
    /* what is ours stays */
    {"t@me.tld", "<u@local.tld>", "local:here"},
    /* transport_maps come last */
    {"both@me.tld", "<u@table.tld>", "smtp:[table]"},
    {"both@me.tld", "<u@reset.tld>", "fast:reset.tld"},
    {"both@me.tld", "<u@hop.tld>", "slow:[hop]"},
};

static void test_routes(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("  <%s> to %s\n", cases[i].sender, cases[i].recipient);
        assert_route(f, cases[i].sender, cases[i].recipient, cases[i].route);
    }
}

/* A next hop that the class names comes before all relayhosts. */
static void test_the_next_hop_of_the_class_comes_first(void **state)
{
    struct fixture *f = *state;

    f->router.transports[ROUTE_RELAY] = "relay:[hub]";
    f->router.transports[ROUTE_DEFAULT] = "smtp:[out]";
    assert_route(f, "r@me.tld", "<u@relay.tld>", "relay:[hub]");
    assert_route(f, "r@me.tld", "<u@x.tld>", "smtp:[out]");
    assert_route(f, "both@me.tld", "<u@x.tld>", "slow:[mine]");
}

static void test_keys(void **state)
{
    struct fixture *f = *state;

    assert_route(f, "No+Ext@Me.tld", "<u@x.tld>", "smtp:[smart]");
    assert_string_equal(f->transports.asked, "no+ext@me.tld no@me.tld @me.tld ");
    assert_string_equal(f->relayhosts.asked, f->transports.asked);
    f->router.sender_transports.null_key = "nobody";
    f->transports.asked[0] = '\0';
    assert_route(f, "", "<u@x.tld>", "smtp:[null]");
    assert_string_equal(f->transports.asked, "nobody ");
}

static void test_failures_are_temporary(void **state)
{
    struct fixture *f = *state;
    char text[256];
    bool is_of_domain;

    assert_int_equal(find(f, "none@me.tld", "<u@x.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_TEMP);
    assert_string_equal(text, "4.3.0 \":[hop]\" for <none@me.tld> names no transport");
    f->relayhosts.entries = broken;
    assert_int_equal(find(f, "t@me.tld", "<u@table.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_TEMP);
    assert_route(f, "t@me.tld", "<u@local.tld>", "local:here");
    f->relayhosts.entries = relayhosts;
    f->transports.entries = broken;
    assert_int_equal(find(f, "r@me.tld", "<u@x.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_TEMP);
    assert_route(f, "r@me.tld", "<u@relay.tld>", "relay:[mine]");
}

/* Another sender's mail for the same domain may go elsewhere. */
static void test_such_a_route_is_not_all_of_the_domains(void **state)
{
    struct fixture *f = *state;
    char text[256];
    bool is_of_domain;

    assert_int_equal(find(f, "r@me.tld", "<u@relay.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_OK);
    assert_false(is_of_domain);
    table_list_done(&f->router.sender_relayhosts.tables);
    assert_int_equal(find(f, "r@me.tld", "<u@relay.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_OK);
    assert_true(is_of_domain);
    assert_int_equal(find(f, "r@me.tld", "<u@x.tld>", text, sizeof(text), &is_of_domain),
                     SLUICE_OK);
    assert_false(is_of_domain);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_routes),
        TEST(test_the_next_hop_of_the_class_comes_first),
        TEST(test_keys),
        TEST(test_failures_are_temporary),
        TEST(test_such_a_route_is_not_all_of_the_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
