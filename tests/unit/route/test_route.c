/* SPDX-License-Identifier: ISC */
/*
 * Tables, domain lists and routes: spec T-2 to T-7, R-1, R-6, R-7, R-20 to.
 */
#include "fake_table.h"
#include "route/route.h"

#include "base/clock.h"
#include "base/span.h"
#include "task/doubt.h"
#include "task/pool.h"
#include "task/task.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct fake_entry no_entries[] = {{NULL, NULL}};
static const struct fake_entry fail_entries[] = {{"FAIL", ""}, {NULL, NULL}};

struct fixture {
    struct tables *tables;
    struct fake_table a;
    struct fake_table b;
    struct fake_table broken;
    struct fake_table pattern;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->a.entries = no_entries;
    f->b.entries = no_entries;
    f->pattern.entries = no_entries;
    f->broken.entries = fail_entries;
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:a", &fake_ops, fake_self(&f->a), NULL), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:b", &fake_ops, fake_self(&f->b), NULL), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:broken", &fake_ops, fake_self(&f->broken), NULL),
                     SLUICE_OK);
    assert_int_equal(
        tables_add(f->tables, "pat:p", &fake_pattern_ops, fake_self(&f->pattern), NULL), SLUICE_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tables_free(f->tables);
    free(f);
    return 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void test_table_answers(void **state)
{
    static const struct fake_entry entries[] = {{"key", "value"}, {"empty", ""}, {NULL, NULL}};
    struct fixture *f = *state;
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct table *table;

    f->a.entries = entries;
    assert_int_equal(tables_get(f->tables, "fake:a", &table, &err), SLUICE_OK);
    assert_int_equal(table_find(table, SPAN_LITERAL("KEY"), CLOCK_NEVER, &value, &err), SLUICE_OK);
    assert_true(span_equal(buffer_span(&value), SPAN_LITERAL("value")));
    assert_int_equal(table_find(table, SPAN_LITERAL("none"), CLOCK_NEVER, &value, &err),
                     SLUICE_NOT_FOUND);
    assert_int_equal(table_find(table, SPAN_LITERAL("empty"), CLOCK_NEVER, &value, &err),
                     SLUICE_TEMP);
    assert_true(span_equal(buffer_span(&value), SPAN_LITERAL("value")));
    assert_int_equal(tables_get(f->tables, "fake:broken", &table, &err), SLUICE_OK);
    assert_int_equal(table_find(table, SPAN_LITERAL("key"), CLOCK_NEVER, &value, &err),
                     SLUICE_TEMP);
    assert_string_equal(err.text, "fake: is broken");
    assert_int_equal(tables_get(f->tables, "fake:unheard-of", &table, &err), SLUICE_CONFIG);
    buffer_done(&value);
}

static sluice_status find_nonsense(struct sluice_lookup *self, struct sluice_span key,
                                   int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                                   const struct sluice_errors *errors)
{
    (void)self;
    (void)key;
    (void)deadline_ms;
    (void)errors;
    sink->value(sink, SPAN_LITERAL("value"));
    return 77;
}

static void test_an_answer_that_is_no_status_is_named(void **state)
{
    static const struct sluice_lookup_ops ops = {
        .struct_size = sizeof(ops), .close = fake_close, .find = find_nonsense};
    struct fixture *f = *state;
    struct buffer value = BUFFER_INIT;
    struct error err = ERROR_INIT;
    struct table *table;

    assert_int_equal(tables_add(f->tables, "odd:t", &ops, NULL, NULL), SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "odd:t", &table, &err), SLUICE_OK);
    assert_int_equal(table_find(table, SPAN_LITERAL("key"), CLOCK_NEVER, &value, &err),
                     SLUICE_TEMP);
    assert_string_equal(err.text, "odd:t: its plugin answered 77, which is no status");
    assert_int_equal(value.len, 0);
    buffer_done(&value);
}

static void test_table_keeps_case_where_exact(void **state)
{
    struct fixture *f = *state;
    struct buffer value = BUFFER_INIT;
    struct table *table;

    assert_int_equal(tables_get(f->tables, "pat:p", &table, NULL), SLUICE_OK);
    (void)table_find(table, SPAN_LITERAL("U@Dom"), CLOCK_NEVER, &value, NULL);
    assert_string_equal(f->pattern.asked, "U@Dom ");
}

/* ---- on threads ------------------------------------------------------------------------------ */

/* A table whose key "slow" takes until it is let go. */
struct slow_table {
    sem_t go;
    struct pool *pool;
    struct table *table;
    sluice_status quick;
    sluice_status late;
    struct buffer value;
    struct error err;
};

static sluice_status slow_find(struct sluice_lookup *self, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    struct slow_table *slow = (struct slow_table *)self;

    (void)deadline_ms;
    (void)errors;
    if (span_equal(key, SPAN_LITERAL("slow")))
        (void)sem_wait(&slow->go);
    sink->value(sink, key);
    sink->value(sink, SPAN_LITERAL("second"));
    return SLUICE_OK;
}

static const struct sluice_lookup_ops slow_ops = {
    .struct_size = sizeof(slow_ops), .close = fake_close, .find = slow_find};

static void ask_slow_table(void *arg)
{
    struct slow_table *slow = arg;
    struct buffer none = BUFFER_INIT;

    slow->quick = table_find(slow->table, SPAN_LITERAL("Quick"), CLOCK_NEVER, &slow->value, NULL);
    slow->late =
        table_find(slow->table, SPAN_LITERAL("slow"), clock_monotonic_ms() + 20, &none, &slow->err);
    (void)sem_post(&slow->go); /* the answer comes when nobody waits for it */
    buffer_done(&none);
    task_loop_stop();
}

static void test_table_on_a_thread(void **state)
{
    struct fixture *f = *state;
    struct slow_table slow = {.quick = SLUICE_PERM};

    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(sem_init(&slow.go, 0, 0), 0);
    assert_int_equal(pool_new("slow", 2, &slow.pool), SLUICE_OK);
    assert_int_equal(
        tables_add(f->tables, "slow:s", &slow_ops, (struct sluice_lookup *)&slow, slow.pool),
        SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "slow:s", &slow.table, NULL), SLUICE_OK);
    assert_int_equal(task_start("ask", ask_slow_table, &slow, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(slow.quick, SLUICE_OK);
    assert_true(span_equal(buffer_span(&slow.value), SPAN_LITERAL("quick,second")));
    assert_int_equal(slow.late, SLUICE_TEMP);
    assert_string_equal(slow.err.text, "slow:s: no answer in time");
    pool_free(slow.pool);
    task_loop_done();
    buffer_done(&slow.value);
    (void)sem_destroy(&slow.go);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static const struct fake_entry list_entries[] = {
    {"table.tld", "x"}, {".sub.tld", "x"}, {"parent.tld", "x"}, {NULL, NULL}};

static const struct {
    const char *name;
    const char *patterns[4];
    bool with_parents;
    const char *domain;
    sluice_status want;
} list_cases[] = {
    {"itself", {"x.tld"}, false, "x.tld", SLUICE_OK},
    {"in any case", {"X.tld"}, false, "x.TLD", SLUICE_OK},
    {"not its sub-domain", {"x.tld"}, false, "y.x.tld", SLUICE_NOT_FOUND},
    {"its sub-domain", {"x.tld"}, true, "y.x.tld", SLUICE_OK},
    {"not its neighbour", {"x.tld"}, true, "yx.tld", SLUICE_NOT_FOUND},
    {"dot: sub-domain", {".x.tld"}, false, "z.y.x.tld", SLUICE_OK},
    {"dot: not itself", {".x.tld"}, false, "x.tld", SLUICE_NOT_FOUND},
    {"dot: nothing with parents", {".x.tld"}, true, "y.x.tld", SLUICE_NOT_FOUND},
    {"excluded", {"!bad.x", "x"}, true, "bad.x", SLUICE_NOT_FOUND},
    {"excluded below", {"!bad.x", "x"}, true, "y.bad.x", SLUICE_NOT_FOUND},
    {"not excluded", {"!bad.x", "x"}, true, "good.x", SLUICE_OK},
    {"excluded too late", {"x", "!bad.x"}, true, "bad.x", SLUICE_OK},
    {"in a table", {"fake:a"}, false, "table.tld", SLUICE_OK},
    {"table: dotted parent", {"fake:a"}, false, "y.sub.tld", SLUICE_OK},
    {"table: plain parent without", {"fake:a"}, false, "y.parent.tld", SLUICE_NOT_FOUND},
    {"table: plain parent with", {"fake:a"}, true, "y.parent.tld", SLUICE_OK},
    {"broken table", {"fake:broken"}, false, "x.tld", SLUICE_TEMP},
    {"found before it breaks", {"x.tld", "fake:broken"}, false, "x.tld", SLUICE_OK},
    {"empty list", {NULL}, true, "x.tld", SLUICE_NOT_FOUND},
};

static void test_domain_lists(void **state)
{
    struct fixture *f = *state;

    f->a.entries = list_entries;
    for (size_t i = 0; i < sizeof(list_cases) / sizeof(list_cases[0]); i++) {
        struct domain_list list = {.with_parents = list_cases[i].with_parents};
        struct error err = ERROR_INIT;
        print_message("  %s\n", list_cases[i].name);
        for (size_t n = 0; list_cases[i].patterns[n] != NULL; n++)
            assert_int_equal(domain_list_add(&list, f->tables, list_cases[i].patterns[n], &err),
                             SLUICE_OK);
        assert_int_equal(
            domain_list_match(&list, sluice_span_of(list_cases[i].domain), CLOCK_NEVER, &err),
            list_cases[i].want);
        domain_list_done(&list);
    }
}

static void test_domain_list_from_file(void **state)
{
    static const char text[] = "# comment\n\n  one.tld, three.tld # more\r\n!two.tld\n.two.tld";
    struct fixture *f = *state;
    struct domain_list list = {.with_parents = false};
    struct error err = ERROR_INIT;
    char negated[] = "!/tmp/sluice-test-XXXXXX";
    char *path = negated + 1;
    int fd = mkstemp(path);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    assert_int_equal(domain_list_add(&list, f->tables, path, &err), SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("one.tld"), CLOCK_NEVER, &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("two.tld"), CLOCK_NEVER, &err),
                     SLUICE_NOT_FOUND);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("x.two.tld"), CLOCK_NEVER, &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("three.tld"), CLOCK_NEVER, &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("more"), CLOCK_NEVER, &err),
                     SLUICE_NOT_FOUND);
    domain_list_done(&list);
    assert_int_equal(domain_list_add(&list, f->tables, negated, &err), SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("one.tld"), CLOCK_NEVER, &err),
                     SLUICE_NOT_FOUND);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("two.tld"), CLOCK_NEVER, &err),
                     SLUICE_OK);
    domain_list_done(&list);
    (void)unlink(path);
    assert_null(domain_list_unreadable(&list));
    assert_int_equal(domain_list_add(&list, f->tables, "zero.tld", &err), SLUICE_OK);
    assert_int_equal(domain_list_add(&list, f->tables, path, &err), SLUICE_OK);
    assert_non_null(domain_list_unreadable(&list));
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("zero.tld"), CLOCK_NEVER, &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_match(&list, SPAN_LITERAL("one.tld"), CLOCK_NEVER, &err),
                     SLUICE_TEMP);
    domain_list_done(&list);
}

static const struct {
    const char *name;
    const char *patterns[4];
    const char *address;
    sluice_status want;
} network_cases[] = {
    {"inside", {"127.0.0.0/8"}, "127.1.2.3", SLUICE_OK},
    {"outside", {"127.0.0.0/8"}, "128.1.2.3", SLUICE_NOT_FOUND},
    {"excluded", {"!10.0.0.1", "10.0.0.0/8"}, "10.0.0.1", SLUICE_NOT_FOUND},
    {"v6", {"2001:db8::/32"}, "2001:db8::5", SLUICE_OK},
    {"v6 in brackets", {"[2001:db8::]/32"}, "2001:db8::5", SLUICE_OK},
    {"table", {"fake:a"}, "192.0.2.7", SLUICE_OK},
    {"broken table", {"fake:broken"}, "192.0.2.7", SLUICE_TEMP},
};

static void test_networks(void **state)
{
    static const struct fake_entry entries[] = {{"192.0.2.7", "x"}, {NULL, NULL}};
    struct fixture *f = *state;

    f->a.entries = entries;
    for (size_t i = 0; i < sizeof(network_cases) / sizeof(network_cases[0]); i++) {
        struct domain_list list = {.kind = DOMAIN_LIST_NETWORKS};
        struct error err = ERROR_INIT;
        struct address address;
        print_message("  %s\n", network_cases[i].name);
        for (size_t n = 0; network_cases[i].patterns[n] != NULL; n++)
            assert_int_equal(domain_list_add(&list, f->tables, network_cases[i].patterns[n], &err),
                             SLUICE_OK);
        assert_int_equal(address_parse(sluice_span_of(network_cases[i].address), 25, &address),
                         SLUICE_OK);
        assert_int_equal(domain_list_match_address(&list, &address, CLOCK_NEVER, &err),
                         network_cases[i].want);
        domain_list_done(&list);
    }
}

static void test_bad_network_is_refused(void **state)
{
    struct fixture *f = *state;
    struct domain_list list = {.kind = DOMAIN_LIST_NETWORKS};
    struct error err = ERROR_INIT;

    assert_int_equal(domain_list_add(&list, f->tables, "127.0.0.0/99", &err), SLUICE_CONFIG);
    assert_int_not_equal(strlen(err.text), 0);
    domain_list_done(&list);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static void set_up_router(struct fixture *f, struct router *router)
{
    struct error err = ERROR_INIT;

    *router = (struct router){
        .myorigin = "here.test",
        .transports = {"local", NULL, "virtual", "relay", "smtp"},
        .relayhost = "",
        .postmaster_route = "",
        .recipient_delimiter = "+",
        .unwrap = MAILBOX_SWAP_BANGPATH | MAILBOX_PERCENT_HACK,
    };
    router->classes.domains[ROUTE_RELAY].with_parents = true;
    router->classes.domains[ROUTE_LOCAL].kind = DOMAIN_LIST_EXACT_NAMES;
    router->classes.domains[ROUTE_VIRTUAL_ALIAS].kind = DOMAIN_LIST_EXACT_NAMES;
    router->classes.domains[ROUTE_VIRTUAL_MAILBOX].kind = DOMAIN_LIST_EXACT_NAMES;
    assert_int_equal(domain_list_add(&router->classes.domains[ROUTE_RELAY], f->tables, "customer.tld", &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_add(&router->classes.domains[ROUTE_LOCAL], f->tables, "local.tld", &err),
                     SLUICE_OK);
    assert_int_equal(table_list_add(&router->transport_maps, f->tables, "fake:a", &err), SLUICE_OK);
    assert_int_equal(table_list_add(&router->transport_maps, f->tables, "fake:b", &err), SLUICE_OK);
}

static void assert_route(const struct router *router, const char *path, sluice_status want,
                         enum route_class class, const char *route_text)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;
    char got[512];

    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_OK);
    assert_int_equal(route_resolve(router, SPAN_EMPTY, &mailbox, CLOCK_NEVER, &route, &err), want);
    mailbox_done(&mailbox);
    if (want != SLUICE_OK)
        return;
    (void)snprintf(got, sizeof(got), "%.*s:%.*s:%.*s", (int)route.transport.len,
                   route.transport.ptr, (int)route.nexthop.len, route.nexthop.ptr,
                   (int)route.recipient.len, route.recipient.ptr);
    assert_string_equal(got, route_text);
    assert_int_equal(route.class, class);
    route_done(&route);
}

static const struct fake_entry results[] = {
    {"both.customer.tld", "etrn-only:[mail.customer.tld]"},
    {"name.customer.tld", "slow"},
    {"colon.customer.tld", "slow:"},
    {"hop.customer.tld", ":[192.0.2.1]:2525"},
    {"nothing.customer.tld", ":"},
    {"brackets.customer.tld", "[host]"},
    {NULL, NULL},
};

static const struct {
    const char *name;
    const char *path;
    enum route_class class;
    const char *route;
} route_cases[] = {
    {"local", "<u@local.tld>", ROUTE_LOCAL, "local:local.tld:u@local.tld"},
    {"not below local", "<u@x.local.tld>", ROUTE_DEFAULT, "smtp:x.local.tld:u@x.local.tld"},
    {"relay", "<u@customer.tld>", ROUTE_RELAY, "relay:customer.tld:u@customer.tld"},
    {"below relay", "<u@x.customer.tld>", ROUTE_RELAY, "relay:x.customer.tld:u@x.customer.tld"},
    {"other, case kept", "<U@Other.TLD>", ROUTE_DEFAULT, "smtp:Other.TLD:U@Other.TLD"},
    {"no domain", "<user>", ROUTE_DEFAULT, "smtp:here.test:user@here.test"},
    {"t:n", "<u@both.customer.tld>", ROUTE_RELAY,
     "etrn-only:[mail.customer.tld]:u@both.customer.tld"},
    {"t", "<u@name.customer.tld>", ROUTE_RELAY, "slow:name.customer.tld:u@name.customer.tld"},
    {"t:", "<u@colon.customer.tld>", ROUTE_RELAY, "slow:colon.customer.tld:u@colon.customer.tld"},
    {":n", "<u@hop.customer.tld>", ROUTE_RELAY, "relay:[192.0.2.1]:2525:u@hop.customer.tld"},
    {":", "<u@nothing.customer.tld>", ROUTE_RELAY,
     "relay:nothing.customer.tld:u@nothing.customer.tld"},
    {"[host] is a name", "<u@brackets.customer.tld>", ROUTE_RELAY,
     "[host]:brackets.customer.tld:u@brackets.customer.tld"},
};

static void test_routes(void **state)
{
    struct fixture *f = *state;
    struct router router;

    f->a.entries = results;
    set_up_router(f, &router);
    for (size_t i = 0; i < sizeof(route_cases) / sizeof(route_cases[0]); i++) {
        print_message("  %s\n", route_cases[i].name);
        assert_route(&router, route_cases[i].path, SLUICE_OK, route_cases[i].class,
                     route_cases[i].route);
    }
    router_done(&router);
}

/* ---- doubts ---------------------------------------------------------------------------------- */

static sluice_status doubt_of(const char *transport)
{
    struct route route = {.transport = sluice_span_of(transport)};
    struct error err = ERROR_INIT;
    sluice_status st = route_check_doubt(&route, &err);

    assert_true((st == SLUICE_TEMP) == (strstr(err.text, "fake:old") != NULL));
    return st;
}

static void take_routes(void *arg)
{
    bool *has_ended = arg;
    struct doubt doubt;

    doubt_begin(&doubt);
    assert_int_equal(doubt_of("error"), SLUICE_OK);
    assert_true(doubt_note("fake:old"));
    assert_int_equal(doubt_of("smtp"), SLUICE_OK);
    assert_int_equal(doubt_of("retry"), SLUICE_OK);
    assert_int_equal(doubt_of("error"), SLUICE_TEMP);
    assert_int_equal(doubt_of("discard"), SLUICE_TEMP);
    (void)doubt_end(&doubt);
    assert_int_equal(doubt_of("error"), SLUICE_OK);
    *has_ended = true;
}

static void test_no_mail_ends_because_of_old_answers(void **state)
{
    bool has_ended = false;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(task_start("take", take_routes, &has_ended, NULL), SLUICE_OK);
    task_loop_run();
    task_loop_done();
    assert_true(has_ended);
}

/* ---- classes --------------------------------------------------------------------------------- */

static void add_domain(struct fixture *f, struct router *router, enum route_class class,
                       const char *pattern)
{
    struct error err = ERROR_INIT;

    assert_int_equal(
        domain_list_add(&router->classes.domains[class], f->tables, pattern, &err), SLUICE_OK);
}

static const struct {
    const char *name;
    const char *path;
    enum route_class class;
    const char *route;
} class_cases[] = {
    {"R-1: local before all others", "<u@all.tld>", ROUTE_LOCAL, "local:all.tld:u@all.tld"},
    {"R-1: alias before mailbox", "<u@two.tld>", ROUTE_VIRTUAL_ALIAS,
     "error:5.1.1 User unknown in virtual alias table:u@two.tld"},
    {"R-2: transport_maps do not count for aliases", "<u@alias.tld>", ROUTE_VIRTUAL_ALIAS,
     "error:5.1.1 User unknown in virtual alias table:u@alias.tld"},
    {"mailbox", "<u@mailbox.tld>", ROUTE_VIRTUAL_MAILBOX, "virtual:mailbox.tld:u@mailbox.tld"},
    {"R-8: not below a mailbox domain", "<u@x.mailbox.tld>", ROUTE_DEFAULT,
     "smtp:[smart]:u@x.mailbox.tld"},
    {"R-8: nor by a dot", "<u@x.dot.tld>", ROUTE_DEFAULT, "smtp:[smart]:u@x.dot.tld"},
    {"our address", "<u@[192.0.2.1]>", ROUTE_LOCAL, "local:[192.0.2.1]:u@[192.0.2.1]"},
    {"another's address", "<u@[192.0.2.2]>", ROUTE_DEFAULT, "smtp:[smart]:u@[192.0.2.2]"},
    {"R-23: relayhost for the relay class", "<u@customer.tld>", ROUTE_RELAY,
     "relay:[smart]:u@customer.tld"},
    {"R-22: t: takes relayhost off", "<u@reset.tld>", ROUTE_DEFAULT, "smtp:reset.tld:u@reset.tld"},
    {"R-22: error without a text", "<u@error.tld>", ROUTE_DEFAULT,
     "error:Address is undeliverable:u@error.tld"},
    {"R-9: at", "<\"a@b.tld\"@all.tld>", ROUTE_DEFAULT, "smtp:[smart]:a@b.tld"},
    {"R-9: bang", "<b.tld!a@all.tld>", ROUTE_DEFAULT, "smtp:[smart]:a@b.tld"},
    {"R-9: percent", "<a%b.tld@all.tld>", ROUTE_DEFAULT, "smtp:[smart]:a@b.tld"},
    {"R-9: one in the other", "<a%b.tld%all.tld@all.tld>", ROUTE_DEFAULT, "smtp:[smart]:a@b.tld"},
    {"R-10: not of another's", "<a%b.tld@customer.tld>", ROUTE_RELAY,
     "relay:[smart]:a%b.tld@customer.tld"},
    {"no address after all", "<a%-@all.tld>", ROUTE_LOCAL, "local:all.tld:a%-@all.tld"},
};

static void test_classes(void **state)
{
    static const struct fake_entry entries[] = {
        {"alias.tld", "smtp:[elsewhere]"}, {"reset.tld", "smtp"}, {"error.tld", "error:"},
        {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;

    f->a.entries = entries;
    set_up_router(f, &router);
    router.relayhost = "[smart]";
    for (int i = 0; i < ROUTE_DEFAULT; i++)
        add_domain(f, &router, (enum route_class)i, "all.tld");
    add_domain(f, &router, ROUTE_VIRTUAL_ALIAS, "two.tld");
    add_domain(f, &router, ROUTE_VIRTUAL_MAILBOX, "two.tld");
    add_domain(f, &router, ROUTE_VIRTUAL_ALIAS, "alias.tld");
    add_domain(f, &router, ROUTE_VIRTUAL_MAILBOX, "mailbox.tld");
    add_domain(f, &router, ROUTE_VIRTUAL_MAILBOX, ".dot.tld");
    router.classes.own = calloc(1, sizeof(*router.classes.own));
    assert_non_null(router.classes.own);
    assert_int_equal(address_parse(SPAN_LITERAL("192.0.2.1"), 0, router.classes.own), SLUICE_OK);
    router.classes.own_count = 1;
    for (size_t i = 0; i < sizeof(class_cases) / sizeof(class_cases[0]); i++) {
        print_message("  %s\n", class_cases[i].name);
        assert_route(&router, class_cases[i].path, SLUICE_OK, class_cases[i].class,
                     class_cases[i].route);
    }
    router_done(&router);
}

static void test_relocated(void **state)
{
    static const struct fake_entry entries[] = {
        {"gone@customer.tld", "new@else.tld"}, {"name", "bare"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;
    struct error err = ERROR_INIT;

    f->b.entries = entries;
    set_up_router(f, &router);
    table_list_done(&router.transport_maps);
    assert_int_equal(table_list_add(&router.relocated_maps, f->tables, "fake:b", &err), SLUICE_OK);
    assert_route(&router, "<gone+x@customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "error:5.1.6 User has moved to new@else.tld:gone+x@customer.tld");
    assert_string_equal(f->b.asked, "gone+x@customer.tld gone@customer.tld ");
    assert_route(&router, "<name@local.tld>", SLUICE_OK, ROUTE_LOCAL,
                 "error:5.1.6 User has moved to bare:name@local.tld");
    assert_route(&router, "<name@customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "relay:customer.tld:name@customer.tld");
    router_done(&router);
}

static void test_quoted_keys_first(void **state)
{
    static const struct fake_entry entries[] = {{"a b@customer.tld", "slow:"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;

    f->a.entries = entries;
    set_up_router(f, &router);
    assert_route(&router, "<\"a b\"@customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "slow:customer.tld:\"a b\"@customer.tld");
    assert_string_equal(f->a.asked, "\"a b\"@customer.tld a b@customer.tld ");
    router_done(&router);
}

static void test_keys_in_order(void **state)
{
    static const struct fake_entry star[] = {{"*", "smtp:[smart]"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;

    f->b.entries = star;
    set_up_router(f, &router);
    assert_route(&router, "<U+Ext@x.Other.tld>", SLUICE_OK, ROUTE_DEFAULT,
                 "smtp:[smart]:U+Ext@x.Other.tld");
    assert_string_equal(f->b.asked,
                        "u+ext@x.other.tld u@x.other.tld x.other.tld .other.tld .tld * ");
    assert_string_equal(f->a.asked, f->b.asked);
    router_done(&router);
}

static void test_patterns_see_whole_addresses(void **state)
{
    struct fixture *f = *state;
    struct router router;
    struct error err = ERROR_INIT;

    set_up_router(f, &router);
    assert_int_equal(table_list_add(&router.transport_maps, f->tables, "pat:p", &err), SLUICE_OK);
    assert_route(&router, "<U+e@Other.tld>", SLUICE_OK, ROUTE_DEFAULT,
                 "smtp:Other.tld:U+e@Other.tld");
    assert_string_equal(f->pattern.asked, "U+e@Other.tld ");
    router_done(&router);
}

static void test_whether_domains_alone_are_told_apart(void **state)
{
    static const struct fake_entry domains[] = {
        {"x.tld", "smtp:[x]"}, {".y.tld", "smtp:[y]"}, {"*", "smtp:[all]"}, {NULL, NULL}};
    static const struct fake_entry address[] = {
        {"x.tld", "smtp:[x]"}, {"u@x.tld", "smtp:[u]"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router = {.recipient_delimiter = ""};
    struct error err = ERROR_INIT;

    assert_true(router_goes_by_domain(&router));
    f->a.entries = domains;
    assert_int_equal(tables_add(f->tables, "fake:listed", &fake_listed_ops, fake_self(&f->a), NULL),
                     SLUICE_OK);
    assert_int_equal(table_list_add(&router.transport_maps, f->tables, "fake:listed", &err),
                     SLUICE_OK);
    assert_true(router_goes_by_domain(&router));
    f->a.entries = address;
    fake_number++; /* it is looked through when it has changed */
    assert_false(router_goes_by_domain(&router));
    f->a.entries = domains;
    assert_false(router_goes_by_domain(&router));
    fake_number++;
    assert_true(router_goes_by_domain(&router));
    assert_int_equal(table_list_add(&router.transport_maps, f->tables, "fake:b", &err), SLUICE_OK);
    assert_false(router_goes_by_domain(&router)); /* nobody knows what it has */
    router_done(&router);
}

static const struct {
    const char *path;
    bool is_of_domain;
} domain_cases[] = {
    {"<u@other.tld>", true},
    {"<u@customer.tld>", true},
    {"<a%b.tld@other.tld>", true},
    {"<a%b.tld@local.tld>", false}, /* goes where mail of b.tld goes, others of local.tld do not */
    {"<u@local.tld>", false},
    {"<u>", false},
    {"<postmaster>", false},
};

static void test_whether_the_domain_has_led_to_a_route(void **state)
{
    struct fixture *f = *state;
    struct router router;

    set_up_router(f, &router);
    router.postmaster_route = "admin@other.tld";
    for (size_t i = 0; i < sizeof(domain_cases) / sizeof(domain_cases[0]); i++) {
        struct mailbox mailbox = MAILBOX_INIT;
        struct route route = ROUTE_INIT;
        struct error err = ERROR_INIT;

        print_message("%s\n", domain_cases[i].path);
        assert_int_equal(mailbox_parse(sluice_span_of(domain_cases[i].path), &mailbox), SLUICE_OK);
        assert_int_equal(route_resolve(&router, SPAN_EMPTY, &mailbox, CLOCK_NEVER, &route, &err), SLUICE_OK);
        assert_int_equal(route.is_of_domain, domain_cases[i].is_of_domain);
        route_done(&route);
        mailbox_done(&mailbox);
    }
    router_done(&router);
}

static void test_next_hop_of_the_class(void **state)
{
    static const struct fake_entry entries[] = {{"reset.customer.tld", "relay"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;

    f->a.entries = entries;
    set_up_router(f, &router);
    router.transports[ROUTE_RELAY] = "relay:[hub]:26";
    assert_route(&router, "<u@customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "relay:[hub]:26:u@customer.tld");
    assert_route(&router, "<u@reset.customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "relay:reset.customer.tld:u@reset.customer.tld");
    router_done(&router);
}

static void test_failures_are_temporary(void **state)
{
    static const struct fake_entry entries[] = {{"customer.tld", "relay:[192.0.2.1]\r\nX"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;
    struct error err = ERROR_INIT;

    set_up_router(f, &router);
    assert_int_equal(table_list_add(&router.transport_maps, f->tables, "fake:broken", &err),
                     SLUICE_OK);
    assert_route(&router, "<u@customer.tld>", SLUICE_TEMP, ROUTE_RELAY, NULL);
    router_done(&router);
    set_up_router(f, &router);
    assert_int_equal(domain_list_add(&router.classes.domains[ROUTE_LOCAL], f->tables, "fake:broken", &err),
                     SLUICE_OK);
    assert_route(&router, "<u@customer.tld>", SLUICE_TEMP, ROUTE_RELAY, NULL);
    router_done(&router);
    f->a.entries = entries;
    set_up_router(f, &router);
    assert_route(&router, "<u@customer.tld>", SLUICE_TEMP, ROUTE_RELAY, NULL);
    router_done(&router);
}

static void test_postmaster(void **state)
{
    static const struct fake_entry entries[] = {{"customer.tld", "slow:"}, {NULL, NULL}};
    struct fixture *f = *state;
    struct router router;

    f->a.entries = entries;
    set_up_router(f, &router);
    assert_route(&router, "<PostMaster>", SLUICE_TEMP, ROUTE_LOCAL, NULL);
    router.postmaster_route = "admin@customer.tld";
    assert_route(&router, "<PostMaster>", SLUICE_OK, ROUTE_LOCAL,
                 "slow:customer.tld:admin@customer.tld");
    router.postmaster_route = "relay:[mail]:2525";
    assert_route(&router, "<PostMaster>", SLUICE_OK, ROUTE_LOCAL, "relay:[mail]:2525:PostMaster");
    router.postmaster_route = "not@an@[address";
    assert_route(&router, "<postmaster>", SLUICE_TEMP, ROUTE_LOCAL, NULL);
    router.postmaster_route = "";
    assert_route(&router, "<postmaster@customer.tld>", SLUICE_OK, ROUTE_RELAY,
                 "slow:customer.tld:postmaster@customer.tld");
    router_done(&router);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_table_answers),
        TEST(test_an_answer_that_is_no_status_is_named),
        TEST(test_table_keeps_case_where_exact),
        TEST(test_table_on_a_thread),
        TEST(test_domain_lists),
        TEST(test_domain_list_from_file),
        TEST(test_networks),
        TEST(test_bad_network_is_refused),
        TEST(test_routes),
        TEST(test_no_mail_ends_because_of_old_answers),
        TEST(test_classes),
        TEST(test_relocated),
        TEST(test_quoted_keys_first),
        TEST(test_keys_in_order),
        TEST(test_patterns_see_whole_addresses),
        TEST(test_whether_domains_alone_are_told_apart),
        TEST(test_whether_the_domain_has_led_to_a_route),
        TEST(test_next_hop_of_the_class),
        TEST(test_failures_are_temporary),
        TEST(test_postmaster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
