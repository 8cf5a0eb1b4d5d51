/* SPDX-License-Identifier: ISC */
/*
 * What a table does beside its look-ups: it is done again and again, what it says of its content reaches
 * who asks, and it ends when it is told to.
 */
#include "lookup/upkeep.h"

#include "base/clock.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A table that has another content at each call of maintain. */
struct busy {
    struct task_queue gate; /* nobody opens it */
    uint64_t generation;
    bool waits;
};

struct fixture {
    struct busy busy;
    struct tables *tables;
    struct fronts *fronts;
    struct front *front;
    struct upkeep *upkeep;
    unsigned news_count, ended_count;
    struct upkeep_news news;
};

static sluice_status busy_find(struct sluice_lookup *self, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    (void)self;
    (void)deadline_ms;
    (void)errors;
    sink->value(sink, key);
    return SLUICE_OK;
}

static sluice_status busy_generation(struct sluice_lookup *self, uint64_t *ret_generation)
{
    *ret_generation = ((struct busy *)self)->generation;
    return SLUICE_OK;
}

static void busy_maintain(struct sluice_lookup *self, const struct sluice_lookup_notice *notice)
{
    struct busy *busy = (struct busy *)self;

    busy->generation++;
    notice->changed(notice);
    while (busy->waits && task_queue_wait(&busy->gate, CLOCK_NEVER) == SLUICE_OK)
        continue;
}

static void no_close(struct sluice_lookup *self)
{
    (void)self;
}

static const struct sluice_lookup_ops busy_ops = {
    .struct_size = sizeof(busy_ops),
    .close = no_close,
    .find = busy_find,
    .generation = busy_generation,
    .maintain = busy_maintain,
};

/* One of before there was such a thing. */
static const struct sluice_lookup_ops old_ops = {
    .struct_size = offsetof(struct sluice_lookup_ops, maintain),
    .close = no_close,
    .find = busy_find,
    .maintain = busy_maintain,
};

static void on_changed(const struct upkeep_news *news, void *user)
{
    struct fixture *f = user;

    f->news_count++;
    f->news = *news;
    front_changed(news->front);
}

static void on_ended(void *user)
{
    struct fixture *f = user;

    f->ended_count++;
}

static void no_matter(void *user)
{
    (void)user;
}

static void add_table(struct fixture *f, const struct sluice_lookup_ops *ops)
{
    const struct front_settings settings = {
        .kept = {.positive_ms = 60000, .negative_ms = 10000, .bytes_max = 100000}};
    struct table *table;

    assert_int_equal(tables_add(f->tables, "a:b", ops, (struct sluice_lookup *)&f->busy, NULL),
                     SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "a:b", &table, NULL), SLUICE_OK);
    assert_int_equal(fronts_add(f->fronts, table, &settings), SLUICE_OK);
    f->front = fronts_find(f->fronts, sluice_span_of("a:b"));
    assert_int_equal(upkeep_start(f->upkeep, f->front), SLUICE_OK);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(fronts_new(no_matter, NULL, &f->fronts), SLUICE_OK);
    f->upkeep = upkeep_new(on_changed, on_ended, f);
    assert_non_null(f->upkeep);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    upkeep_free(f->upkeep);
    fronts_free(f->fronts);
    tables_free(f->tables);
    task_loop_done();
    free(f);
    return 0;
}

static void until_three(void *arg)
{
    struct fixture *f = arg;

    while (f->news_count < 3)
        assert_int_equal(task_sleep_until(clock_monotonic_ms() + 10), SLUICE_OK);
    upkeep_stop(f->upkeep);
}

static void test_again_and_again(void **state)
{
    struct fixture *f = *state;

    add_table(f, &busy_ops);
    assert_int_equal(task_start("test", until_three, f, NULL), SLUICE_OK);
    assert_false(upkeep_is_idle(f->upkeep));
    task_loop_run();
    assert_true(upkeep_is_idle(f->upkeep));
    assert_int_equal(f->ended_count, 1);
    assert_int_equal(f->news.generation, 3);
    assert_true(f->news.has_generation);
}

static void stop_the_patient(void *arg)
{
    struct fixture *f = arg;
    struct buffer value = BUFFER_INIT;
    struct front_answer answer = {.value = &value};
    struct error err = ERROR_INIT;

    while (f->news_count < 1)
        assert_int_equal(task_sleep_until(clock_monotonic_ms() + 10), SLUICE_OK);
    /* what is kept goes with the next change */
    assert_int_equal(front_find(f->front, sluice_span_of("joe"), 0, CLOCK_NEVER, &answer, &err),
                     SLUICE_OK);
    assert_int_equal(front_known(f->front, sluice_span_of("joe"), 0, &answer), SLUICE_OK);
    upkeep_repeat(f->upkeep, on_changed, f);
    assert_int_equal(front_known(f->front, sluice_span_of("joe"), 0, &answer), SLUICE_TEMP);
    assert_int_equal(f->news_count, 2);
    assert_int_equal(f->news.generation, 1);
    buffer_done(&value);
    upkeep_stop(f->upkeep);
}

static void test_one_that_waits(void **state)
{
    struct fixture *f = *state;

    f->busy.waits = true;
    add_table(f, &busy_ops);
    assert_int_equal(task_start("test", stop_the_patient, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->ended_count, 1);
    assert_int_equal(f->busy.generation, 1);
}

static void test_a_table_without(void **state)
{
    struct fixture *f = *state;

    add_table(f, &old_ops);
    assert_true(upkeep_is_idle(f->upkeep));
    task_loop_run();
    assert_int_equal(f->news_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_again_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_table_without, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
