/* SPDX-License-Identifier: ISC */
/*
 * Instances at work: both sides of derived ones, failures of open(), services, counts, threads.
 */
#include "plugin/instance.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "config/values.h"
#include "sluice/lookup.h"
#include "task/pool.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins.h"

static struct value list[] = {
    {.key = "greeting", .type = SLUICE_OPT_STRING, .is_set = true, .text = "good day"}};
static struct values values;

static struct config_instance configured(const char *plugin)
{
    if (values.count == 0)
        values_init(&values, list, 1);
    return (struct config_instance){.interface = SLUICE_LOOKUP_ID,
                                    .name = "test:table",
                                    .plugin = plugin,
                                    .argument = "table",
                                    .origin = "sluice.conf:1",
                                    .options = &values.sdk};
}

struct answer {
    struct sluice_lookup_sink sdk;
    char text[256];
};

static void take(const struct sluice_lookup_sink *sink, struct sluice_span value)
{
    struct answer *answer = (struct answer *)(uintptr_t)sink;

    (void)snprintf(answer->text, sizeof(answer->text), "%.*s", (int)value.len, value.ptr);
}

static sluice_status find(struct instance *instance, const char *key, struct answer *answer)
{
    const struct instance_side *side = INSTANCE_SIDE(instance, struct sluice_lookup_ops, find);
    struct instance_call call;
    sluice_status st;

    *answer = (struct answer){.sdk = {.struct_size = sizeof(answer->sdk), .value = take}};
    instance_enter(&call, instance, CLOCK_NEVER);
    st = INSTANCE_OPS(side, struct sluice_lookup_ops)
             ->find(side->self, sluice_span_of(key), CLOCK_NEVER, &answer->sdk, NULL);
    instance_leave(&call, st);
    return st;
}

/* ---- opening -------------------------------------------------------------------------------- */

static const struct {
    const char *plugin;
    const char *answer;
} openings[] = {
    {"test/base", "good day:key"},
    {"test/plain", "good day:key"},
    {"test/with-find", "find(good day:key)"},
    {"test/with-open", "open(good day:key)"},
    {"test/above-find", "find(good day:key)"},
};

static void test_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        struct config_instance config = configured(openings[i].plugin);
        struct error err = ERROR_INIT;
        struct instance *instance;
        struct answer answer;

        assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
        assert_int_equal(instance_open(instance, "table", &err), SLUICE_OK);
        assert_int_equal(find(instance, "key", &answer), SLUICE_OK);
        assert_string_equal(answer.text, openings[i].answer);
        assert_null(INSTANCE_SIDE(instance, struct sluice_lookup_ops, write_open));
        assert_string_equal(instance_name(instance), "test:table");
        instance_close(instance);
        instance_close(instance); /* once is enough */
        instance_free(instance);
    }
}

static void test_open_fails(void **state)
{
    struct config_instance config = configured("test/with-open");
    struct error err = ERROR_INIT;
    struct instance *instance;

    (void)state;
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    assert_int_equal(instance_open(instance, "broken", &err), SLUICE_CONFIG);
    assert_string_equal(err.text, "the table is broken");
    assert_string_equal(err.dsn, "4.3.5");
    err = (struct error)ERROR_INIT;
    /* The base is open by then and is closed again: LeakSanitizer looks on. */
    assert_int_equal(instance_open(instance, "derived is broken", &err), SLUICE_CONFIG);
    assert_string_equal(err.text, "the derived side is broken");
    assert_int_equal(instance_open(instance, "table", &err), SLUICE_OK);
    instance_close(instance);
    instance_free(instance);
    config.plugin = "test/no-find";
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_CONFIG);
    instance_free(NULL);
}

/* ---- services ------------------------------------------------------------------------------- */

static void test_services(void **state)
{
    static const char *const there[] = {SLUICE_LOG_ID, SLUICE_CLOCK_ID, SLUICE_MEMORY_ID,
                                        SLUICE_IO_ID,  SLUICE_DNS_ID,   SLUICE_OFFLOAD_ID,
                                        SLUICE_METRICS_ID};
    static const char *const absent[] = {SLUICE_TABLES_ID, SLUICE_BASE_ID, "sluice.log/1x",
                                         "sluice.log/2", ""};
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;
    const struct sluice_host *host;

    (void)state;
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    host = instance_host(instance);
    assert_string_equal(host->instance, "test:table");
    assert_string_not_equal(host->version, "");
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
        assert_non_null(host->get_service(host, there[i]));
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(host->get_service(host, absent[i]));
    instance_free(instance);
}

static void test_clock_and_memory(void **state)
{
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;
    const struct sluice_host *host;
    const struct sluice_clock *clock;
    const struct sluice_memory *memory;
    char *bytes;

    (void)state;
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    host = instance_host(instance);
    clock = host->get_service(host, SLUICE_CLOCK_ID);
    clock_set(5000, 1700000000000);
    assert_true(clock->monotonic_ms(host) == 5000);
    assert_true(clock->wall_ms(host) == 1700000000000);
    clock_real();
    memory = host->get_service(host, SLUICE_MEMORY_ID);
    bytes = memory->alloc(host, 100);
    assert_non_null(bytes);
    memset(bytes, 1, 100);
    memory->free(host, bytes);
    memory->free(host, NULL);
    instance_free(instance);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;
    struct instance_call call;
    struct buffer text = BUFFER_INIT;
    void *memory = calloc(1, METRICS_SIZE);

    (void)state;
    assert_non_null(memory);
    metrics_attach(memory, METRICS_SIZE);
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    clock_set(1000, 0);
    instance_enter(&call, instance, CLOCK_NEVER);
    clock_set(1030, 0);
    instance_leave(&call, SLUICE_OK);
    instance_enter(&call, instance, CLOCK_NEVER);
    clock_set(1035, 0);
    instance_leave(&call, 99); /* unknown: TEMP */
    clock_real();
    metrics_format(memory, METRICS_SIZE, &text);
    static const char *const lines[] = {
        "calls_total{kind=\"lookup\",name=\"test:table\",status=\"ok\"} 1\n",
        "calls_total{kind=\"lookup\",name=\"test:table\",status=\"temp\"} 1\n",
        "calls_total{kind=\"lookup\",name=\"test:table\",status=\"perm\"} 0\n",
        "call_duration_seconds_sum{kind=\"lookup\",name=\"test:table\"} 0.035\n",
        "call_duration_seconds_count{kind=\"lookup\",name=\"test:table\"} 2\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(buffer_text(&text), lines[i]) == NULL)
            fail_msg("%s is not in\n%s", lines[i], buffer_text(&text));
    }
    buffer_done(&text);
    instance_free(instance);
    metrics_attach(NULL, 0);
    free(memory);
}

/* What crashes on a task is named with the task. */
static void enter_on_task(void *arg)
{
    struct instance *instance = arg;
    struct instance_call call;
    const char *during;

    (void)task_set_activity("before");
    instance_enter(&call, instance, CLOCK_NEVER);
    during = task_set_activity("test/base test:table"); /* returns what it was */
    assert_string_equal(during, "test/base test:table");
    instance_leave(&call, SLUICE_OK);
    assert_string_equal(task_set_activity(NULL), "before");
    task_loop_stop();
}

static void test_activity(void **state)
{
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    assert_int_equal(task_start("test", enter_on_task, instance, NULL), SLUICE_OK);
    task_loop_run();
    instance_free(instance);
    task_loop_done();
}

static void test_pool(void **state)
{
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    assert_int_equal(instance_mode(instance), SLUICE_MODE_INLINE);
    assert_null(instance_pool(instance));
    instance_free(instance);
    config.plugin = "test/serial";
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    assert_int_equal(instance_mode(instance), SLUICE_MODE_SERIAL);
    assert_non_null(instance_pool(instance));
    instance_free(instance);
    task_loop_done();
}

/* ---- offload -------------------------------------------------------------------------------- */

static sluice_status work(void *argument)
{
    *(int *)argument += 1;
    return SLUICE_NOT_FOUND;
}

static int worked;

static void offload_on_task(void *arg)
{
    const struct sluice_host *host = arg;
    const struct sluice_offload *offload = host->get_service(host, SLUICE_OFFLOAD_ID);
    sluice_status status = SLUICE_OK;

    for (int i = 0; i < 3; i++) {
        if (offload->run(host, work, NULL, &worked, CLOCK_NEVER, &status) != SLUICE_OK ||
            status != SLUICE_NOT_FOUND)
            break;
    }
    task_loop_stop();
}

static void test_offload(void **state)
{
    struct config_instance config = configured("test/base");
    struct error err = ERROR_INIT;
    struct instance *instance;

    (void)state;
    assert_int_equal(task_loop_init(), SLUICE_OK);
    assert_int_equal(instance_new(&config, &instance, &err), SLUICE_OK);
    assert_int_equal(
        task_start("test", offload_on_task, (void *)(uintptr_t)instance_host(instance), NULL),
        SLUICE_OK);
    task_loop_run();
    assert_int_equal(worked, 3);
    instance_free(instance);
    task_loop_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),     cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_services), cmocka_unit_test(test_clock_and_memory),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_activity),
        cmocka_unit_test(test_pool),     cmocka_unit_test(test_offload),
    };

    plugin_set_finder(plugins_find);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
