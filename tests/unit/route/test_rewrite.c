/* SPDX-License-Identifier: ISC */
/*
 * Aliases, canonical addresses and lists of recipients: spec, tables.md's orders
 * of keys.
 */
#include "fake_table.h"
#include "route/address_map.h"
#include "route/recipients.h"
#include "route/rewrite.h"

#include "base/clock.h"
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct tables *tables;
    struct fake_table table;
    struct router router;
    struct rewriter rewriter;
    struct recipients recipients;
};

static void add_table(struct fixture *f, struct table_list *list)
{
    struct error err = ERROR_INIT;

    assert_int_equal(table_list_add(list, f->tables, "fake:t", &err), SLUICE_OK);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = ERROR_INIT;

    assert_non_null(f);
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:t", &fake_ops, fake_self(&f->table), NULL),
                     SLUICE_OK);
    f->router = (struct router){
        .myorigin = "here.test",
        .transports = {"local", NULL, "virtual", "relay", "smtp"},
        .relayhost = "",
        .postmaster_route = "",
        .recipient_delimiter = "+",
    };
    f->rewriter = (struct rewriter){
        .router = &f->router,
        .is_canonical_for_senders = true,
        .is_canonical_for_recipients = true,
        .propagates_canonical = true,
        .propagates_virtual = true,
        .expansion_limit = 5,
        .recursion_limit = 8,
        .address_limit = 60,
    };
    f->recipients.double_bounce_sender = "double-bounce";
    assert_int_equal(domain_list_add(&f->router.classes.domains[ROUTE_LOCAL], f->tables,
                                     "local.tld", &err),
                     SLUICE_OK);
    assert_int_equal(domain_list_add(&f->router.classes.domains[ROUTE_RELAY], f->tables,
                                     "relay.tld", &err),
                     SLUICE_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    recipients_done(&f->recipients);
    rewriter_done(&f->rewriter);
    router_done(&f->router);
    tables_free(f->tables);
    free(f);
    return 0;
}

/* ---- aliases --------------------------------------------------------------------------------- */

static void assert_aliases(struct fixture *f, const char *path, sluice_status want,
                           const char *want_list)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct mailbox_list list = {0};
    struct error err = ERROR_INIT;
    struct buffer got = BUFFER_INIT;

    print_message("  %s\n", path);
    f->table.asked[0] = '\0';
    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_OK);
    assert_int_equal(rewrite_recipient(&f->rewriter, &mailbox, CLOCK_NEVER, &list, &err), want);
    for (size_t i = 0; i < list.count; i++)
        buffer_printf(&got, "%s%.*s", i > 0 ? " " : "", SPAN_ARGS(list.items[i].address));
    assert_string_equal(buffer_text(&got), want_list);
    if (want == SLUICE_TEMP)
        assert_int_not_equal(strlen(err.text), 0);
    buffer_done(&got);
    mailbox_list_done(&list);
    mailbox_done(&mailbox);
}

static const struct fake_entry aliases[] = {
    {"one@relay.tld", "a@x.tld"},
    {"many@relay.tld", "a@x.tld, \"b c\"@x.tld d, a@x.tld"},
    {"chain@relay.tld", "one@relay.tld, e@x.tld"},
    {"self@relay.tld", "f@x.tld, self@relay.tld"},
    {"round@relay.tld", "trip@relay.tld"},
    {"trip@relay.tld", "round@relay.tld"},
    {"@old.tld", "@new.tld"},
    {"@any.tld", "box@x.tld"},
    {"name", "local@x.tld"},
    {"six@relay.tld", "1@x.tld 2@x.tld 3@x.tld 4@x.tld 5@x.tld 6@x.tld"},
    {"bad@relay.tld", "no@-address"},
    {"none@relay.tld", " , "},
    {"long@relay.tld", "a-very-very-very-very-very-long-name-indeed@a-long-domain.x.tld"},
    {"s1@relay.tld", "s2@relay.tld"},
    {"s2@relay.tld", "s3@relay.tld"},
    {"s3@relay.tld", "s4@relay.tld"},
    {"s4@relay.tld", "s5@relay.tld"},
    {"s5@relay.tld", "s6@relay.tld"},
    {"s6@relay.tld", "s7@relay.tld"},
    {"s7@relay.tld", "s8@relay.tld"},
    {"s8@relay.tld", "s9@relay.tld"},
    {"s9@relay.tld", "end@relay.tld"},
    {NULL, NULL}};

static void test_aliases(void **state)
{
    struct fixture *f = *state;

    f->table.entries = aliases;
    add_table(f, &f->rewriter.virtual_alias_maps);
    assert_aliases(f, "<u@relay.tld>", SLUICE_NOT_FOUND, "");
    assert_string_equal(f->table.asked, "u@relay.tld @relay.tld ");
    assert_aliases(f, "<one@relay.tld>", SLUICE_OK, "a@x.tld");
    assert_aliases(f, "<one+ext@relay.tld>", SLUICE_OK, "a+ext@x.tld");
    assert_aliases(f, "<many@relay.tld>", SLUICE_OK, "a@x.tld \"b c\"@x.tld d@here.test");
    assert_aliases(f, "<chain@relay.tld>", SLUICE_OK, "a@x.tld e@x.tld");
    assert_aliases(f, "<self@relay.tld>", SLUICE_OK, "self@relay.tld f@x.tld");
    assert_aliases(f, "<round@relay.tld>", SLUICE_OK, "round@relay.tld");
    assert_aliases(f, "<u+e@old.tld>", SLUICE_OK, "u+e@new.tld");
    assert_aliases(f, "<whoever@any.tld>", SLUICE_OK, "box@x.tld");
    assert_aliases(f, "<name@local.tld>", SLUICE_OK, "local@x.tld");
    assert_string_equal(f->table.asked, "name@local.tld name local@x.tld @x.tld ");
    assert_aliases(f, "<name>", SLUICE_OK, "local@x.tld");
    assert_aliases(f, "<name@relay.tld>", SLUICE_NOT_FOUND, "");
}

static void test_aliases_that_are_too_much(void **state)
{
    struct fixture *f = *state;

    f->table.entries = aliases;
    add_table(f, &f->rewriter.virtual_alias_maps);
    assert_aliases(f, "<six@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<bad@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<none@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<long@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<s1@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<s2@relay.tld>", SLUICE_OK, "end@relay.tld");
}

static void test_a_broken_table_is_temporary(void **state)
{
    static const struct fake_entry broken[] = {{"FAIL", ""}, {NULL, NULL}};
    struct fixture *f = *state;

    f->table.entries = broken;
    add_table(f, &f->rewriter.virtual_alias_maps);
    assert_aliases(f, "<u@relay.tld>", SLUICE_TEMP, "");
}

/* ---- canonical addresses --------------------------------------------------------------------- */

static void test_canonical(void **state)
{
    static const struct fake_entry entries[] = {{"u@relay.tld", "v@relay.tld"},
                                                {"v@relay.tld", "w@relay.tld, x@relay.tld"},
                                                {"ping@relay.tld", "pong@relay.tld"},
                                                {"pong@relay.tld", "ping@relay.tld"},
                                                {"same@relay.tld", "same@relay.tld"},
                                                {NULL, NULL}};
    struct fixture *f = *state;
    struct mailbox given = MAILBOX_INIT;
    struct mailbox sender = MAILBOX_INIT;
    struct error err = ERROR_INIT;

    f->table.entries = entries;
    add_table(f, &f->rewriter.canonical_maps);
    assert_aliases(f, "<u+e@relay.tld>", SLUICE_OK, "w+e@relay.tld");
    assert_aliases(f, "<ping@relay.tld>", SLUICE_TEMP, "");
    assert_aliases(f, "<same@relay.tld>", SLUICE_NOT_FOUND, "");
    assert_int_equal(mailbox_parse(SPAN_LITERAL("<u@relay.tld>"), &given), SLUICE_OK);
    assert_int_equal(rewrite_sender(&f->rewriter, &given, CLOCK_NEVER, &sender, &err), SLUICE_OK);
    assert_true(span_equal(sender.address, SPAN_LITERAL("w@relay.tld")));
    mailbox_done(&sender);
    f->rewriter.is_canonical_for_senders = false;
    assert_int_equal(rewrite_sender(&f->rewriter, &given, CLOCK_NEVER, &sender, &err),
                     SLUICE_NOT_FOUND);
    mailbox_done(&given);
    f->rewriter.is_canonical_for_recipients = false;
    assert_aliases(f, "<u@relay.tld>", SLUICE_NOT_FOUND, "");
}

/* ---- who is there ---------------------------------------------------------------------------- */

static sluice_status is_there(struct fixture *f, const char *path)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;

    print_message("  %s\n", path);
    assert_int_equal(mailbox_parse(sluice_span_of(path), &mailbox), SLUICE_OK);
    assert_int_equal(route_resolve(&f->router, SPAN_EMPTY, &mailbox, CLOCK_NEVER, &route, &err), SLUICE_OK);
    f->table.asked[0] = '\0';
    sluice_status st = recipients_find(&f->recipients, &f->router, &route, CLOCK_NEVER, &err);
    route_done(&route);
    mailbox_done(&mailbox);
    return st;
}

static void test_recipients(void **state)
{
    static const struct fake_entry entries[] = {{"full@relay.tld", "x"},
                                                {"ext+e@relay.tld", "0"},
                                                {"name", "x"},
                                                {"*@relay.tld", "x"},
                                                {NULL, NULL}};
    struct fixture *f = *state;

    f->table.entries = entries;
    assert_int_equal(is_there(f, "<any@relay.tld>"), SLUICE_OK); /* no tables */
    add_table(f, &f->recipients.maps[ROUTE_RELAY]);
    add_table(f, &f->recipients.maps[ROUTE_LOCAL]);
    assert_int_equal(is_there(f, "<full@relay.tld>"), SLUICE_OK);
    assert_int_equal(is_there(f, "<Full+x@Relay.TLD>"), SLUICE_OK);
    assert_int_equal(is_there(f, "<ext+e@relay.tld>"), SLUICE_OK);
    assert_int_equal(is_there(f, "<ext@relay.tld>"), SLUICE_NOT_FOUND);
    assert_int_equal(is_there(f, "<none+y@relay.tld>"), SLUICE_NOT_FOUND);
    assert_string_equal(f->table.asked, "none+y@relay.tld none@relay.tld @relay.tld ");
    assert_int_equal(is_there(f, "<name@relay.tld>"), SLUICE_NOT_FOUND);
    assert_int_equal(is_there(f, "<name+y@local.tld>"), SLUICE_OK);
    assert_string_equal(f->table.asked, "name+y@local.tld name@local.tld name+y name ");
    assert_int_equal(is_there(f, "<none@local.tld>"), SLUICE_NOT_FOUND);
    assert_int_equal(is_there(f, "<PostMaster@local.tld>"), SLUICE_OK); /* */
    assert_int_equal(is_there(f, "<postmaster@relay.tld>"), SLUICE_NOT_FOUND);
    assert_int_equal(is_there(f, "<any@foreign.tld>"), SLUICE_OK);
    f->router.recipient_delimiter = "";
    assert_int_equal(is_there(f, "<full+x@relay.tld>"), SLUICE_NOT_FOUND); /* */
}

/* R-71, and as Postfix's split_addr() has it. */
static const struct {
    const char *local;
    const char *delimiters;
    size_t len;
} extension_cases[] = {
    {"user+ext", "+", 4},        {"user-a+b", "+-", 4},     {"a+b+c", "+", 1},
    {"user+", "+", 4},           {"+ext", "+", 4},          {"+a+b", "+", 4},
    {"user", "", 4},             {"user+ext", "", 8},       {"PostMaster", "t", 10},
    {"mailer-daemon", "-", 13},  {"Double-Bounce", "-", 13}, {"owner-list", "-", 10},
    {"List-Request", "-", 12},   {"-request", "-", 8},      {"owner-list+x", "+", 10},
    {"a-request-x", "-", 1},     {"owner", "-", 5},
};

static void test_extensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(extension_cases) / sizeof(extension_cases[0]); i++) {
        print_message("  %s by %s\n", extension_cases[i].local, extension_cases[i].delimiters);
        assert_int_equal(sluice_user_len(sluice_span_of(extension_cases[i].local),
                                         extension_cases[i].delimiters),
                         extension_cases[i].len);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_aliases),
        TEST(test_aliases_that_are_too_much),
        TEST(test_a_broken_table_is_temporary),
        TEST(test_canonical),
        TEST(test_recipients),
        cmocka_unit_test(test_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
