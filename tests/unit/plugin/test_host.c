/* SPDX-License-Identifier: ISC */
/*
 * What a plugin of mode "task" needs for a library with a connection of its own: its descriptor, and
 * gates at which tasks wait for the one that reads it.
 */
#include "plugin/host.h"

#include "base/clock.h"
#include "base/span.h"
#include "sluice/host.h"
#include "task/explain.h"
#include "task/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 60000

static struct host host;
static const struct sluice_io *io;
static const struct sluice_gates *gates;
static int ends[2]; /* of a pipe */
static struct sluice_gate *gate;
static char told[64]; /* what happened, in order */
static int reads;

static int64_t in_ms(int64_t ms)
{
    return clock_monotonic_ms() + ms;
}

static void tell(const char *word)
{
    strncat(told, word, sizeof(told) - strlen(told) - 1);
}

static int set_up(void **state)
{
    (void)state;
    told[0] = '\0';
    reads = 0;
    host_init(&host, "ldap:staff", "lookup/ldap staff");
    io = host.sdk.get_service(&host.sdk, SLUICE_IO_ID);
    gates = host.sdk.get_service(&host.sdk, SLUICE_GATES_ID);
    if (io == NULL || gates == NULL || pipe(ends) == -1)
        return -1;
    return task_loop_init() == SLUICE_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    task_loop_done();
    host_done(&host);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static void run(task_fn *first, task_fn *second)
{
    assert_int_equal(task_start("first", first, "1", NULL), SLUICE_OK);
    if (second != NULL)
        assert_int_equal(task_start("second", second, "2", NULL), SLUICE_OK);
    task_loop_run();
}

/* ---- time ------------------------------------------------------------------------------------ */

static void work_in_pieces(void *arg)
{
    for (int i = 0; i < 3; i++) {
        tell(arg);
        assert_int_equal(io->sleep(&host.sdk, in_ms(0)), SLUICE_OK);
    }
}

static void test_a_turn_for_each(void **state)
{
    (void)state;
    run(work_in_pieces, work_in_pieces);
    assert_string_equal(told, "121212");
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void read_twice(void *arg)
{
    char byte;

    (void)arg;
    assert_int_equal(io->keep_fd(&host.sdk, ends[0]), SLUICE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(io->wait_fd(&host.sdk, ends[0], SLUICE_IO_READABLE, in_ms(LONG_MS)),
                         SLUICE_OK);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        tell("read ");
        reads++;
    }
    assert_int_equal(io->wait_fd(&host.sdk, ends[0], SLUICE_IO_READABLE, in_ms(1)), SLUICE_TEMP);
    io->forget_fd(&host.sdk, ends[0]);
    tell("nothing ");
}

static void write_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(io->wait_fd(&host.sdk, ends[1], SLUICE_IO_WRITABLE, in_ms(LONG_MS)),
                         SLUICE_OK);
        tell("write ");
        assert_int_equal(write(ends[1], "x", 1), 1);
        while (reads <= i)
            task_yield();
    }
}

static void test_descriptors(void **state)
{
    (void)state;
    run(read_twice, write_twice);
    assert_string_equal(told, "write read write read nothing ");
}

/* ---- explanations ---------------------------------------------------------------------------- */

static void say(void *arg)
{
    const struct sluice_explain *service = host.sdk.get_service(&host.sdk, SLUICE_EXPLAIN_ID);
    const struct {
        struct sluice_note note;
        uint64_t later; /* as of a plugin built with headers in which notes have grown */
    } notes[] = {{{"server", SPAN_LITERAL("ldap://[::1]")}, 1},
                 {{"steps", SPAN_LITERAL("ours")}, 2},
                 {{"No Name", SPAN_LITERAL("x")}, 3}};

    assert_int_equal(service->is_wanted(&host.sdk), 0);
    service->say(&host.sdk, "lost", SLUICE_OK, &notes[0].note, 3, sizeof(notes[0]));
    task_set_explanation(arg);
    assert_int_equal(service->is_wanted(&host.sdk), 1);
    service->say(&host.sdk, "search", SLUICE_TEMP, &notes[0].note, 3, sizeof(notes[0]));
    service->say(&host.sdk, "not a word", SLUICE_OK, &notes[0].note, 3, sizeof(notes[0]));
    task_set_explanation(NULL);
}

static void test_what_a_plugin_says(void **state)
{
    struct explanation *explanation;
    struct buffer text = BUFFER_INIT;

    (void)state;
    assert_int_equal(explanation_new(&explanation), SLUICE_OK);
    assert_int_equal(task_start("say", say, explanation, NULL), SLUICE_OK);
    task_loop_run();
    explanation_format(explanation, &text);
    assert_string_equal(buffer_text(&text), "{\"steps\":[{\"step\":\"search\",\"server\":"
                                            "\"ldap://[::1]\",\"status\":\"TEMP\"}]}");
    buffer_done(&text);
    explanation_free(explanation);
}

/* ---- gates ----------------------------------------------------------------------------------- */

static void wait_at_gate(void *arg)
{
    assert_int_equal(gates->wait(gate, in_ms(LONG_MS)), SLUICE_OK);
    tell(arg);
}

static void open_gate(void *arg)
{
    (void)arg;
    assert_int_equal(gates->make(&host.sdk, &gate), SLUICE_OK);
    assert_int_equal(gates->open_one(gate), 0);
    assert_int_equal(gates->wait(gate, in_ms(1)), SLUICE_TEMP); /* that was not kept */
    for (const char *name = "123"; *name != '\0'; name++)
        assert_int_equal(task_start("waiter", wait_at_gate, (void *)(uintptr_t)name, NULL),
                         SLUICE_OK);
    task_yield();
    tell("one ");
    assert_int_equal(gates->open_one(gate), 1);
    task_yield();
    tell("all ");
    gates->open_all(gate);
    task_yield();
    assert_int_equal(gates->open_one(gate), 0);
    gates->free(gate);
    gates->free(NULL);
}

static void test_gates(void **state)
{
    (void)state;
    run(open_gate, NULL);
    assert_string_equal(told, "one 123all 233");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_turn_for_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_plugin_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gates, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
