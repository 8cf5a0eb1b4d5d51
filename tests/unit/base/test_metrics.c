/* SPDX-License-Identifier: ISC */
/*
 * Metrics in a block that processes share, and that they may leave at any moment.
 */
#include "base/metrics.h"

#include "base/span.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ADDS 20000
#define PROCESSES 4

static void *memory;

static int attach(void **state)
{
    (void)state;
    memory = mmap(NULL, METRICS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    metrics_attach(memory, METRICS_SIZE);
    return 0;
}

static int detach(void **state)
{
    (void)state;
    metrics_attach(NULL, 0);
    return munmap(memory, METRICS_SIZE);
}

/* The caller frees it. */
static char *show(void)
{
    struct buffer out = BUFFER_INIT;
    char *text;

    metrics_format(memory, METRICS_SIZE, &out);
    assert_false(buffer_failed(&out));
    text = span_dup(buffer_span(&out));
    assert_non_null(text);
    buffer_done(&out);
    return text;
}

static void assert_shown(const char *line)
{
    char *text = show();

    if (strstr(text, line) == NULL)
        fail_msg("\"%s\" is not in\n%s", line, text);
    free(text);
}

static void assert_not_shown(const char *line)
{
    char *text = show();

    if (strstr(text, line) != NULL)
        fail_msg("\"%s\" is in\n%s", line, text);
    free(text);
}

static void test_format(void **state)
{
    struct metric *delay = metric_get(METRIC_COMMIT_SECONDS, NULL, NULL, NULL);

    (void)state;
    metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 3);
    metric_add(metric_get(METRIC_DELIVERY_ATTEMPTS, "smtp", "sent", NULL), 2);
    metric_add(metric_get(METRIC_DELIVERY_ATTEMPTS, "etrn-only", "sent", NULL), 1);
    metric_add(metric_get(METRIC_DELIVERY_ATTEMPTS, "smtp", "sent", NULL), 2);
    metric_add(metric_get(METRIC_PLUGIN_EVENTS, "a\"b\\c\nd", "x", NULL), 1);
    metric_set(metric_get(METRIC_QUEUE_MESSAGES, NULL, NULL, NULL), 7);
    metric_observe(delay, METRIC_COMMIT_SECONDS, 100);
    metric_observe(delay, METRIC_COMMIT_SECONDS, 101);
    metric_observe(delay, METRIC_COMMIT_SECONDS, UINT64_C(90000000));
    assert_shown("# HELP sluice_connections_total Clients that connected\n"
                 "# TYPE sluice_connections_total counter\n"
                 "sluice_connections_total 3\n");
    assert_shown("# TYPE sluice_delivery_attempts_total counter\n"
                 "sluice_delivery_attempts_total{transport=\"etrn-only\",result=\"sent\"} 1\n"
                 "sluice_delivery_attempts_total{transport=\"smtp\",result=\"sent\"} 4\n");
    assert_shown("{plugin=\"a\\\"b\\\\c\\nd\",event=\"x\"} 1\n");
    assert_shown("# TYPE sluice_queue_messages gauge\nsluice_queue_messages 7\n");
    assert_shown("sluice_commit_duration_seconds_bucket{le=\"0.0001\"} 1\n"
                 "sluice_commit_duration_seconds_bucket{le=\"0.0005\"} 2\n");
    assert_shown("_bucket{le=\"60\"} 2\nsluice_commit_duration_seconds_bucket{le=\"+Inf\"} 3\n"
                 "sluice_commit_duration_seconds_count 3\n"
                 "sluice_commit_duration_seconds_sum 90.000201\n");
}

static void test_reading(void **state)
{
    struct metric *delay = metric_get(METRIC_PLUGIN_CALL_SECONDS, "lookup", "hash", NULL);
    struct metric_reading reading;

    (void)state;
    metric_add(metric_get(METRIC_DELIVERY_ATTEMPTS, "smtp", "sent", NULL), 4);
    metric_read(METRIC_DELIVERY_ATTEMPTS, "smtp", "sent", NULL, &reading);
    assert_int_equal(reading.value, 4);
    metric_read(METRIC_DELIVERY_ATTEMPTS, "smtp", "deferred", NULL, &reading);
    assert_int_equal(reading.value, 0);
    for (int i = 0; i < 98; i++)
        metric_observe(delay, METRIC_PLUGIN_CALL_SECONDS, i < 50 ? 90 : 900);
    metric_observe(delay, METRIC_PLUGIN_CALL_SECONDS, 40000);
    metric_observe(delay, METRIC_PLUGIN_CALL_SECONDS, UINT64_C(90000000));
    metric_read(METRIC_PLUGIN_CALL_SECONDS, "lookup", "hash", NULL, &reading);
    assert_int_equal(reading.value, 100);
    assert_int_equal(reading.sum_us, 50 * 90 + 48 * 900 + 40000 + 90000000);
    assert_int_equal(reading.half_us, 100);
    assert_int_equal(reading.most_us, 1000);
    assert_int_equal(reading.nearly_all_us, 50000);
    metric_observe(delay, METRIC_PLUGIN_CALL_SECONDS, UINT64_C(90000000));
    metric_read(METRIC_PLUGIN_CALL_SECONDS, "lookup", "hash", NULL, &reading);
    assert_true(reading.nearly_all_us == UINT64_MAX);
}

static void test_long_labels_leave_room(void **state)
{
    char name[500];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    metric_add(metric_get(METRIC_PLUGIN_CALLS, name, name, "ok"), 1);
    metric_add(metric_get(METRIC_PLUGIN_CALLS, name, name, "temp"), 2);
    assert_shown("nn\",status=\"ok\"} 1\n");
    assert_shown("nn\",status=\"temp\"} 2\n");
}

/* What a plugin makes up must leave room for others. */
static void test_too_many_series(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "event_%d", i);
        metric_add(metric_get(METRIC_PLUGIN_EVENTS, "lookup bad", name, NULL), 1);
    }
    metric_add(metric_get(METRIC_REJECTS, "RCPT", NULL, NULL), 1);
    assert_shown("event=\"event_0\"} 1\n");
    assert_not_shown("event=\"event_99999\"} 1\n");
    assert_shown("sluice_rejects_total{command=\"RCPT\"} 1\n");
}

/* Counts for ever; its parent kills it. */
__attribute__((noreturn)) static void count_until_killed(void)
{
    char name[32];

    for (unsigned i = 0;; i++) {
        (void)snprintf(name, sizeof(name), "event_%u", i % 400);
        metric_add(metric_get(METRIC_PLUGIN_EVENTS, "p", name, NULL), 1);
        metric_set(metric_get(METRIC_SESSIONS, NULL, NULL, NULL), 1000);
    }
}

static void test_processes_that_are_killed(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0)
            count_until_killed();
        (void)usleep((useconds_t)(round * 100));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    metric_add(metric_get(METRIC_PLUGIN_EVENTS, "p", "event_399", NULL), 1);
    metric_set(metric_get(METRIC_SESSIONS, NULL, NULL, NULL), 5);
    assert_shown("event=\"event_399\"}");
    assert_shown("sluice_sessions 5\n"); /* those of the dead do not count */
}

static void test_no_addition_is_lost(void **state)
{
    char line[64];

    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            for (int n = 0; n < ADDS; n++)
                metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 1);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        (void)wait(NULL);
    (void)snprintf(line, sizeof(line), "sluice_connections_total %d\n", PROCESSES * ADDS);
    assert_shown(line);
}

/* Two living processes have a gauge each. */
static void test_gauges_add_up(void **state)
{
    int ready[2];
    int done[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(done[1]);
        metric_set(metric_get(METRIC_SESSIONS, NULL, NULL, NULL), 30);
        metric_set(metric_get(METRIC_TABLE_STALE_SINCE, "ldap:x", NULL, NULL), 1700000000);
        _exit(write(ready[1], "x", 1) == 1 && read(done[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    metric_set(metric_get(METRIC_SESSIONS, NULL, NULL, NULL), 4);
    metric_set(metric_get(METRIC_TABLE_STALE_SINCE, "ldap:x", NULL, NULL), 1700000009);
    assert_shown("sluice_sessions 34\n");
    assert_shown("{table=\"ldap:x\"} 1700000009\n"); /* a time is no sum */
    (void)close(done[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_shown("sluice_sessions 4\n");
    (void)close(ready[0]);
    (void)close(ready[1]);
    (void)close(done[0]);
}

/* Whatever another role has written there. */
static void test_rubbish(void **state)
{
    struct metric *own = metric_get(METRIC_COMMIT_SECONDS, NULL, NULL, NULL);
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < METRICS_SIZE; i++)
        ((unsigned char *)memory)[i] = (unsigned char)rand_r(&seed);
    metric_observe(own, METRIC_COMMIT_SECONDS, 5);
    metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 1);
    free(show());
    memset(memory, 2, METRICS_SIZE);
    metric_observe(own, METRIC_COMMIT_SECONDS, 5);
    metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 1);
    free(show());
}

static void test_without_memory(void **state)
{
    (void)state;
    metrics_attach(NULL, 0);
    metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 1);
    metric_observe(metric_get(METRIC_COMMIT_SECONDS, NULL, NULL, NULL), METRIC_COMMIT_SECONDS, 5);
    assert_not_shown("sluice_");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_format, attach, detach),
        cmocka_unit_test_setup_teardown(test_reading, attach, detach),
        cmocka_unit_test_setup_teardown(test_long_labels_leave_room, attach, detach),
        cmocka_unit_test_setup_teardown(test_too_many_series, attach, detach),
        cmocka_unit_test_setup_teardown(test_processes_that_are_killed, attach, detach),
        cmocka_unit_test_setup_teardown(test_no_addition_is_lost, attach, detach),
        cmocka_unit_test_setup_teardown(test_gauges_add_up, attach, detach),
        cmocka_unit_test_setup_teardown(test_rubbish, attach, detach),
        cmocka_unit_test_setup_teardown(test_without_memory, attach, detach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
