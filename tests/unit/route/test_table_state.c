/* SPDX-License-Identifier: ISC */
/*
 * One number for all tables that routes come from (spec R-28).
 */
#include "fake_table.h"
#include "route/route.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fake_entry entries[] = {{"x.tld", "smtp:[x]"}, {NULL, NULL}};

static sluice_status the_status;

static sluice_status say_status(struct sluice_lookup *self, uint64_t *ret_generation)
{
    (void)self;
    *ret_generation = 1;
    return the_status;
}

static const struct sluice_lookup_ops status_ops = {
    .struct_size = sizeof(status_ops),
    .close = fake_close,
    .find = fake_find,
    .generation = say_status,
};

struct fixture {
    struct tables *tables;
    struct fake_table table;
    struct router router;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->table.entries = entries;
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:told", &fake_listed_ops, fake_self(&f->table), NULL),
                     SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:mute", &fake_ops, fake_self(&f->table), NULL),
                     SLUICE_OK);
    assert_int_equal(tables_add(f->tables, "fake:status", &status_ops, fake_self(&f->table), NULL),
                     SLUICE_OK);
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

static uint64_t number_of(const struct router *router, bool is_whole)
{
    struct table_state state = {0};

    assert_int_equal(router_table_state(router, &state), SLUICE_OK);
    assert_int_equal(state.is_whole, is_whole);
    assert_true(state.number != 0);
    return state.number;
}

static void assert_noticed(const struct router *router, bool is_whole)
{
    uint64_t before = number_of(router, is_whole);

    fake_number++;
    assert_true(number_of(router, is_whole) != before);
    fake_number--;
    assert_true(number_of(router, is_whole) == before);
}

static void test_each_table_counts(void **state)
{
    struct fixture *f = *state;
    struct table_list *const lists[] = {
        &f->router.transport_maps,
        &f->router.relocated_maps,
        &f->router.sender_transports.tables,
        &f->router.sender_relayhosts.tables,
        &f->router.alias_maps,
        &f->router.users,
    };
    struct error err = ERROR_INIT;

    (void)number_of(&f->router, true); /* of no tables */
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_int_equal(table_list_add(lists[i], f->tables, "fake:told", &err), SLUICE_OK);
        assert_noticed(&f->router, true);
        table_list_done(lists[i]);
    }
    for (int i = 0; i < ROUTE_DEFAULT; i++) {
        assert_int_equal(domain_list_add(&f->router.classes.domains[i], f->tables, "name.tld", &err),
                         SLUICE_OK);
        assert_int_equal(domain_list_add(&f->router.classes.domains[i], f->tables, "fake:told", &err),
                         SLUICE_OK);
        assert_noticed(&f->router, true);
        domain_list_done(&f->router.classes.domains[i]);
    }
}

/* What others have is told all the same. */
static void test_a_table_that_cannot_tell(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;

    assert_int_equal(table_list_add(&f->router.transport_maps, f->tables, "fake:mute", &err),
                     SLUICE_OK);
    assert_int_equal(table_list_add(&f->router.transport_maps, f->tables, "fake:told", &err),
                     SLUICE_OK);
    assert_noticed(&f->router, false);
}

static void test_what_a_table_may_answer(void **state)
{
    struct fixture *f = *state;
    struct table_state got;
    struct error err = ERROR_INIT;

    assert_int_equal(table_list_add(&f->router.transport_maps, f->tables, "fake:status", &err),
                     SLUICE_OK);
    the_status = SLUICE_OK;
    (void)number_of(&f->router, true);
    the_status = SLUICE_UNSUPPORTED;
    (void)number_of(&f->router, false);
    the_status = SLUICE_TEMP;
    assert_int_equal(router_table_state(&f->router, &got), SLUICE_TEMP);
    the_status = (sluice_status)99; /* what nobody understands is temporary */
    assert_int_equal(router_table_state(&f->router, &got), SLUICE_TEMP);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_table_counts),
        TEST(test_a_table_that_cannot_tell),
        TEST(test_what_a_table_may_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
