/* SPDX-License-Identifier: ISC */
/*
 * Who asks before a table: what is kept, what is joined, and what is asked again.
 */
#include "lookup/front.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/span.h"
#include "task/explain.h"
#include "task/task.h"

#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ASKERS 20

static uint64_t counted[METRICS_SIZE / sizeof(uint64_t)];

/* A table whose answers wait until the test opens the gate. */
struct slow {
    struct task_queue gate;
    bool is_open;
    sluice_status status;
    unsigned asked;
};

struct fixture {
    struct slow slow;
    struct tables *tables;
    struct fronts *fronts;
    struct front *front;
    unsigned idle_count;
    unsigned finished; /* askers */
    sluice_status expected;
    bool is_old; /* what is expected */
    int64_t keep_until_ms; /* what the last one was told */
    uint64_t flags;
    char path[64]; /* of what is known */
};

static sluice_status slow_find(struct sluice_lookup *self, struct sluice_span key,
                               int64_t deadline_ms, const struct sluice_lookup_sink *sink,
                               const struct sluice_errors *errors)
{
    struct slow *slow = (struct slow *)self;

    slow->asked++;
    explain_begin("looked");
    explain_end(SLUICE_OK, NULL);
    while (!slow->is_open && task_queue_wait(&slow->gate, deadline_ms) == SLUICE_OK)
        ;
    sluice_status status = slow->is_open ? slow->status : SLUICE_TEMP;
    if (status == SLUICE_OK)
        sink->value(sink, key);
    if (status == SLUICE_TEMP)
        errors->explain(errors, "4.3.0", "it is down");
    return status;
}

static void slow_close(struct sluice_lookup *self)
{
    (void)self;
}

static const struct sluice_lookup_ops slow_ops = {
    .struct_size = sizeof(slow_ops), .close = slow_close, .find = slow_find};

static void count_idle(void *user)
{
    unsigned *count = user;

    ++*count;
}

static int set_up(void **state)
{
    const struct front_settings settings = {
        .kept = {.positive_ms = 60000, .negative_ms = 10000, .bytes_max = 100000}};
    struct fixture *f = calloc(1, sizeof(*f));
    struct table *table;

    assert_non_null(f);
    memset(counted, 0, sizeof(counted));
    metrics_attach(counted, sizeof(counted));
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(tables_new(NULL, &f->tables), SLUICE_OK);
    assert_int_equal(
        tables_add(f->tables, "slow:one", &slow_ops, (struct sluice_lookup *)&f->slow, NULL),
        SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "slow:one", &table, NULL), SLUICE_OK);
    assert_int_equal(fronts_new(count_idle, &f->idle_count, &f->fronts), SLUICE_OK);
    assert_int_equal(fronts_add(f->fronts, table, &settings), SLUICE_OK);
    f->front = fronts_find(f->fronts, sluice_span_of("slow:one"));
    assert_non_null(f->front);
    assert_null(fronts_find(f->fronts, sluice_span_of("slow:other")));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_true(fronts_are_idle(f->fronts));
    fronts_free(f->fronts);
    tables_free(f->tables);
    metrics_attach(NULL, 0);
    task_loop_done();
    free(f);
    return 0;
}

static void ask(void *arg)
{
    struct fixture *f = arg;
    struct buffer value = BUFFER_INIT;
    struct front_answer answer = {.value = &value};
    struct error err = ERROR_INIT;
    sluice_status st = front_find(f->front, sluice_span_of("joe"), f->flags,
                                  clock_monotonic_ms() + 5000, &answer, &err);

    assert_int_equal(st, f->expected);
    assert_int_equal(answer.is_old, f->is_old);
    f->keep_until_ms = answer.keep_until_ms;
    if (st == SLUICE_OK)
        assert_true(span_equal(buffer_span(&value), sluice_span_of("joe")));
    if (st == SLUICE_TEMP)
        assert_true(err.text[0] != '\0');
    buffer_done(&value);
    f->finished++;
}

/* Opens the gate when all have come to wait. */
static void open_gate(void *arg)
{
    struct fixture *f = arg;

    for (int i = 0; i < 5; i++)
        task_yield();
    f->slow.is_open = true;
    task_queue_wake_all(&f->slow.gate);
}

static void ask_all(struct fixture *f, sluice_status status)
{
    f->slow.status = f->expected = status;
    f->slow.is_open = false;
    f->finished = 0;
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(task_start("ask", ask, f, NULL), SLUICE_OK);
    assert_int_equal(task_start("open", open_gate, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, ASKERS);
}

static void test_one_search_for_all(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_OK);
    assert_int_equal(f->slow.asked, 1);
    assert_int_equal(f->idle_count, 1);
    ask_all(f, SLUICE_OK); /* kept */
    assert_int_equal(f->slow.asked, 1);
}

static void test_that_there_is_none_is_kept(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_NOT_FOUND);
    ask_all(f, SLUICE_NOT_FOUND);
    assert_int_equal(f->slow.asked, 1);
}

static void test_a_failure_is_not_kept(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_TEMP);
    assert_int_equal(f->slow.asked, 1);
    ask_all(f, SLUICE_OK);
    assert_int_equal(f->slow.asked, 2);
}

static uint64_t count_of(enum metric_family family, const char *from, const char *status)
{
    struct metric_reading reading;

    metric_read(family, "slow:one", from, status, &reading);
    return reading.value;
}

static void test_all_is_counted(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_TEMP);
    assert_true(count_of(METRIC_TABLE_FAILING_SINCE, NULL, NULL) > 0);
    ask_all(f, SLUICE_OK);
    ask_all(f, SLUICE_OK);
    assert_int_equal(count_of(METRIC_TABLE_LOOKUPS, "search", "temp"), 1);
    assert_int_equal(count_of(METRIC_TABLE_LOOKUPS, "joined", "temp"), ASKERS - 1);
    assert_int_equal(count_of(METRIC_TABLE_LOOKUPS, "search", "ok"), 1);
    assert_int_equal(count_of(METRIC_TABLE_LOOKUPS, "joined", "ok"), ASKERS - 1);
    assert_int_equal(count_of(METRIC_TABLE_LOOKUPS, "cache", "ok"), ASKERS);
    assert_int_equal(count_of(METRIC_TABLE_SEARCH_SECONDS, NULL, NULL), 2);
    assert_int_equal(count_of(METRIC_TABLE_SEARCHES, NULL, NULL), 0);
    assert_int_equal(count_of(METRIC_TABLE_CACHE_ENTRIES, NULL, NULL), 1);
    assert_true(count_of(METRIC_TABLE_CACHE_BYTES, NULL, NULL) > 0);
    assert_int_equal(count_of(METRIC_TABLE_FAILING_SINCE, NULL, NULL), 0);
}

/* An answer for something else: that value might have been refused. */
static void test_flags_are_part_of_the_question(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_OK);
    f->flags = SLUICE_SINK_NO_SUBSTITUTION;
    ask_all(f, SLUICE_OK);
    assert_int_equal(f->slow.asked, 2);
}

static void test_known_without_a_task(void **state)
{
    struct fixture *f = *state;
    struct buffer value = BUFFER_INIT;
    struct front_answer answer = {.value = &value};

    assert_int_equal(front_known(f->front, sluice_span_of("joe"), 0, &answer), SLUICE_TEMP);
    ask_all(f, SLUICE_OK);
    assert_int_equal(front_known(f->front, sluice_span_of("joe"), 0, &answer), SLUICE_OK);
    assert_true(span_equal(buffer_span(&value), sluice_span_of("joe")));
    buffer_done(&value);
}

/* Who asks may keep an answer as long as it is kept here. */
static void test_how_long_it_is_kept(void **state)
{
    struct fixture *f = *state;
    struct buffer value = BUFFER_INIT;
    struct front_answer answer = {.value = &value};

    clock_set(clock_monotonic_ms(), clock_wall_ms());
    ask_all(f, SLUICE_OK);
    assert_int_equal(f->keep_until_ms, clock_monotonic_ms() + 60000);
    clock_set(clock_monotonic_ms() + 7000, clock_wall_ms());
    assert_int_equal(front_known(f->front, sluice_span_of("joe"), 0, &answer), SLUICE_OK);
    assert_int_equal(answer.keep_until_ms, clock_monotonic_ms() + 53000);
    (void)front_forget(f->front, SPAN_EMPTY);
    ask_all(f, SLUICE_NOT_FOUND);
    assert_int_equal(f->keep_until_ms, clock_monotonic_ms() + 10000);
    clock_set(clock_monotonic_ms() + 10000, clock_wall_ms());
    ask_all(f, SLUICE_TEMP);
    assert_int_equal(f->keep_until_ms, 0);
    clock_real();
    buffer_done(&value);
}

/* Who waits gives up; the search does not, and the next one has its answer. */
static void test_a_search_outlives_who_began_it(void **state)
{
    struct fixture *f = *state;
    struct task *asker;

    f->expected = SLUICE_TEMP;
    f->slow.status = SLUICE_OK;
    assert_int_equal(task_start("ask", ask, f, &asker), SLUICE_OK);
    task_cancel(asker);
    assert_int_equal(task_start("open", open_gate, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 1);
    ask_all(f, SLUICE_OK);
    assert_int_equal(f->slow.asked, 1);
}

/* ---- how it came by an answer ------------------------------------------------------------------- */

struct curious {
    struct fixture *f;
    struct explanation *explanation;
};

static void ask_and_listen(void *arg)
{
    struct curious *curious = arg;

    task_set_explanation(curious->explanation);
    ask(curious->f);
    task_set_explanation(NULL);
}

/* What one asker is told, while others ask the same. */
static void expect_explained(struct fixture *f, uint64_t flags, const char *expected)
{
    struct curious curious = {.f = f};
    struct buffer text = BUFFER_INIT;

    f->flags = flags;
    f->slow.is_open = true;
    assert_int_equal(explanation_new(&curious.explanation), SLUICE_OK);
    assert_int_equal(task_start("curious", ask_and_listen, &curious, NULL), SLUICE_OK);
    assert_int_equal(task_start("ask", ask, f, NULL), SLUICE_OK);
    task_loop_run();
    explanation_format(curious.explanation, &text);
    assert_string_equal(buffer_text(&text), expected);
    buffer_done(&text);
    explanation_free(curious.explanation);
}

static void test_it_is_explained(void **state)
{
    static const char searched[] =
        "{\"from\":\"search\",\"steps\":[{\"step\":\"looked\",\"status\":\"OK\"}]}";
    struct fixture *f = *state;

    f->slow.status = f->expected = SLUICE_OK;
    expect_explained(f, 0, searched);
    clock_set(clock_monotonic_ms() + 7000, clock_wall_ms());
    expect_explained(f, 0, "{\"from\":\"cache\",\"age\":7}");
    clock_real();
    expect_explained(f, TABLE_FRESH, searched);
    assert_int_equal(f->slow.asked, 3);
}

/* Its answer may be older than the question. */
static void test_a_fresh_question_joins_nobody(void **state)
{
    struct fixture *f = *state;

    f->slow.status = f->expected = SLUICE_OK;
    assert_int_equal(task_start("ask", ask, f, NULL), SLUICE_OK);
    f->flags = TABLE_FRESH;
    assert_int_equal(task_start("fresh", ask, f, NULL), SLUICE_OK);
    assert_int_equal(task_start("open", open_gate, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 2);
    assert_int_equal(f->slow.asked, 2);
}

/* ---- forgetting --------------------------------------------------------------------------------- */

static void forget_joe(void *arg)
{
    struct fixture *f = arg;

    task_yield(); /* who asks has begun */
    assert_int_equal(front_forget(f->front, sluice_span_of("JOE")), 0);
}

static void test_forgetting(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_OK);
    f->flags = SLUICE_SINK_NO_SUBSTITUTION;
    ask_all(f, SLUICE_OK);
    assert_int_equal(front_forget(f->front, sluice_span_of("ann")), 0);
    assert_int_equal(front_forget(f->front, sluice_span_of("JOE")), 2); /* for each use */
    ask_all(f, SLUICE_OK);
    assert_int_equal(front_forget(f->front, SPAN_EMPTY), 1);
    assert_int_equal(f->slow.asked, 3);
}

/* What was asked before counts for those who wait for it, and is not kept. */
static void test_forgetting_what_is_searched_for(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(task_start("forget", forget_joe, f, NULL), SLUICE_OK);
    ask_all(f, SLUICE_OK);
    assert_int_equal(f->keep_until_ms, 0);
    ask_all(f, SLUICE_OK);
    assert_true(f->keep_until_ms > 0);
    assert_int_equal(f->slow.asked, 2);
}

/* ---- while the table gives no answer -------------------------------------------------------------- */

static const struct last_known_limits known_limits = {.age_ms = 3600000, .bytes_max = 1024 * 1024};

/* As set_up, with a file of what is known. */
static int set_up_with(void **state, int64_t stale_after_ms)
{
    struct front_settings settings = {.stale_after_ms = stale_after_ms};
    struct fixture *f;
    struct table *table;
    int rc = set_up(state);

    f = *state;
    (void)snprintf(f->path, sizeof(f->path), "/tmp/sluice-test-known.%ld", (long)getpid());
    assert_int_equal(last_known_open(f->path, &known_limits, &settings.known, NULL), SLUICE_OK);
    assert_int_equal(
        tables_add(f->tables, "slow:known", &slow_ops, (struct sluice_lookup *)&f->slow, NULL),
        SLUICE_OK);
    assert_int_equal(tables_get(f->tables, "slow:known", &table, NULL), SLUICE_OK);
    assert_int_equal(fronts_add(f->fronts, table, &settings), SLUICE_OK);
    f->front = fronts_find(f->fronts, sluice_span_of("slow:known"));
    fronts_hurry(f->fronts);
    return rc;
}

static int set_up_known(void **state)
{
    return set_up_with(state, 5000);
}

static int set_up_impatient(void **state)
{
    return set_up_with(state, 10);
}

static int tear_down_known(void **state)
{
    struct fixture *f = *state;
    char lock[80];

    (void)snprintf(lock, sizeof(lock), "%s-lock", f->path);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(unlink(lock), 0);
    return tear_down(state);
}

static void ask_while_it_is_down(struct fixture *f, sluice_status expected)
{
    f->slow.status = SLUICE_TEMP;
    f->slow.is_open = true;
    f->expected = expected;
    f->is_old = expected != SLUICE_TEMP;
    f->finished = 0;
    assert_int_equal(task_start("ask", ask, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 1);
    f->is_old = false;
}

static uint64_t known_of(enum metric_family family, const char *from, const char *status)
{
    struct metric_reading reading;

    metric_read(family, "slow:known", from, status, &reading);
    return reading.value;
}

static void test_what_stands_in_is_counted(void **state)
{
    struct fixture *f = *state;

    ask_all(f, SLUICE_OK);
    assert_int_equal(known_of(METRIC_TABLE_KNOWN_ENTRIES, NULL, NULL), 1);
    assert_true(known_of(METRIC_TABLE_KNOWN_BYTES, NULL, NULL) > 0);
    assert_true(known_of(METRIC_TABLE_KNOWN_OLDEST, NULL, NULL) > 0);
    assert_int_equal(known_of(METRIC_TABLE_STALE_SINCE, NULL, NULL), 0);
    ask_while_it_is_down(f, SLUICE_OK);
    assert_int_equal(known_of(METRIC_TABLE_LOOKUPS, "last_known", "ok"), 1);
    assert_true(known_of(METRIC_TABLE_STALE_SINCE, NULL, NULL) > 0);
    ask_all(f, SLUICE_OK);
    assert_int_equal(known_of(METRIC_TABLE_STALE_SINCE, NULL, NULL), 0);
}

static void test_what_is_known_stands_in(void **state)
{
    struct fixture *f = *state;

    ask_while_it_is_down(f, SLUICE_TEMP); /* never answered */
    ask_all(f, SLUICE_OK);
    ask_while_it_is_down(f, SLUICE_OK);
    ask_all(f, SLUICE_NOT_FOUND); /* the table's own answer, and the last one */
    ask_while_it_is_down(f, SLUICE_NOT_FOUND);
}

/* ---- a table that does not even fail ----------------------------------------------------------- */

static void find(struct fixture *f, const char *key, int64_t time_ms, sluice_status status,
                 bool is_old)
{
    struct buffer value = BUFFER_INIT;
    struct front_answer answer = {.value = &value};
    struct error err = ERROR_INIT;

    assert_int_equal(front_find(f->front, sluice_span_of(key), 0, clock_monotonic_ms() + time_ms,
                                &answer, &err),
                     status);
    assert_int_equal(answer.is_old, is_old);
    buffer_done(&value);
}

/* Searches are begun by tasks of their own, and so not before this one waits. */
static void ask_late(void *arg)
{
    struct fixture *f = arg;

    f->slow.is_open = true;
    f->slow.status = SLUICE_OK;
    find(f, "joe", 60000, SLUICE_OK, false);
    f->slow.status = SLUICE_NOT_FOUND;
    find(f, "ann", 60000, SLUICE_NOT_FOUND, false);
    assert_int_equal(f->slow.asked, 2);

    f->slow.is_open = false;
    find(f, "joe", 60000, SLUICE_OK, true); /* is waited for first */
    assert_int_equal(f->slow.asked, 3);
    find(f, "ann", 60000, SLUICE_NOT_FOUND, true);
    find(f, "joe", 60000, SLUICE_OK, true);
    assert_int_equal(f->slow.asked, 3); /* nobody has waited */
    find(f, "never", 10, SLUICE_TEMP, false);
    assert_int_equal(f->slow.asked, 5); /* and it was asked for all the same */

    f->slow.is_open = true;
    task_queue_wake_all(&f->slow.gate);
    find(f, "ann", 60000, SLUICE_NOT_FOUND, true); /* as long as no answer has come */
    for (int i = 0; i < 5; i++)
        task_yield();
    f->slow.status = SLUICE_OK;
    find(f, "ann", 60000, SLUICE_OK, false);
    f->finished++;
}

static void test_a_late_table_is_waited_for_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(task_start("ask late", ask_late, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 1);
}

/* ---- a disk that is slow ---------------------------------------------------------------------- */

/* Another process, in the middle of a write, for which ours waits; until the pipe is closed. */
static pid_t hold_disk(const struct fixture *f, int *ret_release_fd)
{
    char ready;
    int told[2];
    int release[2];
    pid_t child;

    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(release), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        MDB_env *env;
        MDB_txn *txn;
        int rc = mdb_env_create(&env);

        (void)close(release[1]);
        if (rc == 0)
            rc = mdb_env_open(env, f->path, MDB_NOSUBDIR, 0600);
        if (rc == 0)
            rc = mdb_txn_begin(env, NULL, 0, &txn);
        if (rc == 0 && write(told[1], "x", 1) == 1)
            (void)read(release[0], &ready, 1);
        if (rc == 0)
            mdb_txn_abort(txn);
        _exit(rc);
    }
    assert_int_equal(read(told[0], &ready, 1), 1);
    (void)close(told[0]);
    (void)close(told[1]);
    (void)close(release[0]);
    *ret_release_fd = release[1];
    return child;
}

static void release_disk(pid_t child, int release_fd)
{
    int status;

    assert_int_equal(close(release_fd), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static sluice_status forget_known(struct fixture *f, int64_t time_ms)
{
    struct error err = ERROR_INIT;
    int64_t limit_ms = task_set_limit(clock_monotonic_ms() + time_ms);
    sluice_status st = front_forget_known(f->front, sluice_span_of("ann"), &err);

    (void)task_set_limit(limit_ms);
    assert_true(st == SLUICE_OK || err.text[0] != '\0');
    return st;
}

static void forget_late(void *arg)
{
    struct fixture *f = arg;
    int release_fd;
    pid_t child = hold_disk(f, &release_fd);

    f->slow.is_open = true;
    f->slow.status = SLUICE_OK;
    assert_int_equal(forget_known(f, 50), SLUICE_TEMP);
    find(f, "joe", 60000, SLUICE_OK, false); /* waits to be written behind that */
    for (int i = 0; i < 5; i++)
        task_yield();
    release_disk(child, release_fd);
    assert_int_equal(forget_known(f, 60000), SLUICE_OK);
    f->finished++;
}

/* Who gives up waiting for a write ends nothing: it is ended when the disk has it, and what has come
 * meanwhile is written then. */
static void test_a_disk_that_is_late(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(task_start("forget late", forget_late, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 1);
    assert_true(fronts_are_idle(f->fronts));
}

static void keep_late(void *arg)
{
    struct fixture *f = arg;
    int release_fd;
    pid_t child = hold_disk(f, &release_fd);

    f->slow.is_open = true;
    f->slow.status = SLUICE_OK;
    find(f, "joe", 60000, SLUICE_OK, false);
    for (int i = 0; i < 5; i++)
        task_yield();
    find(f, "ann", 60000, SLUICE_OK, false); /* its writer finds the disk busy */
    for (int i = 0; i < 5; i++)
        task_yield();
    release_disk(child, release_fd);
    f->finished++;
}

/* What is known while a write is under way is written after that, without another answer's help. */
static void test_what_comes_during_a_write(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(task_start("keep late", keep_late, f, NULL), SLUICE_OK);
    task_loop_run();
    assert_int_equal(f->finished, 1);
    assert_int_equal(known_of(METRIC_TABLE_KNOWN_ENTRIES, NULL, NULL), 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_search_for_all),
        TEST(test_that_there_is_none_is_kept),
        TEST(test_a_failure_is_not_kept),
        TEST(test_all_is_counted),
        TEST(test_flags_are_part_of_the_question),
        TEST(test_known_without_a_task),
        TEST(test_how_long_it_is_kept),
        TEST(test_a_search_outlives_who_began_it),
        TEST(test_it_is_explained),
        TEST(test_a_fresh_question_joins_nobody),
        TEST(test_forgetting),
        TEST(test_forgetting_what_is_searched_for),
        cmocka_unit_test_setup_teardown(test_what_is_known_stands_in, set_up_known,
                                        tear_down_known),
        cmocka_unit_test_setup_teardown(test_a_late_table_is_waited_for_once, set_up_impatient,
                                        tear_down_known),
        cmocka_unit_test_setup_teardown(test_what_stands_in_is_counted, set_up_known,
                                        tear_down_known),
        cmocka_unit_test_setup_teardown(test_a_disk_that_is_late, set_up_known, tear_down_known),
        cmocka_unit_test_setup_teardown(test_what_comes_during_a_write, set_up_known,
                                        tear_down_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
