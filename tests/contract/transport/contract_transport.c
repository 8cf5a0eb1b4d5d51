/* SPDX-License-Identifier: ISC */
/*
 * What every transport keeps: one report for each recipient, NULL accepted by close and disconnect,
 * connect and disconnect together. With a transport that connects, a friendly SMTP server listens.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *plugin_path; /* the program's first argument */
static const char *const *settings; /* what follows: keys and values of its options; NULL: none */

static const char content[] = "Subject: x\r\n\r\nbody\r\n";
static const struct peer_script friendly;

static void test_operations(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, plugin_path, settings, &friendly);
    assert_true(f.ops->struct_size >= offsetof(struct sluice_transport_ops, disconnect));
    assert_non_null(f.ops->deliver);
    assert_int_equal(f.ops->connect == NULL, f.ops->disconnect == NULL);
    fixture_close(&f);
    fixture_done(&f);
}

static void test_each_recipient_is_reported_once(void **state)
{
    static const char *const lists[] = {
        "a@x.test",
        "a@x.test b@x.test c@x.test",
        "a@x.test r550@x.test r450@x.test",
        "r550@x.test r450@x.test",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct fixture f;
        struct test_message message;

        fixture_open(&f, plugin_path, settings, &friendly);
        test_message_init(&message, content, sizeof(content) - 1);
        if (f.ops->connect != NULL)
            assert_int_equal(fixture_connect(&f, 0, 1), SLUICE_OK);
        (void)fixture_deliver(&f, &message, lists[i]); /* asserts it */
        fixture_close(&f);
        fixture_done(&f);
    }
}

static void test_opens_and_closes_many_times(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct fixture f;

        fixture_open(&f, plugin_path, settings, NULL);
        fixture_close(&f);
        fixture_done(&f);
    }
}

/* What transports say that deliver nothing, by their next hop (spec ). */
static const struct {
    const char *plugin;
    const char *nexthop;
    const char *summary;
    const char *text;
} settled[] = {
    {"transport/null", "x", "TEMP:4.3.0 TEMP:4.3.0", "this transport delivers nothing"},
    {"transport/error", "gone", "PERM:5.0.0 PERM:5.0.0", "gone"},
    {"transport/error", "5.7.9  gone away", "PERM:5.7.9 PERM:5.7.9", "gone away"},
    {"transport/error", "4.7.9 another class", "PERM:5.0.0 PERM:5.0.0", "another class"},
    {"transport/error", "5.7 no code", "PERM:5.0.0 PERM:5.0.0", "5.7 no code"},
    {"transport/error", "5.7.9999 no code", "PERM:5.0.0 PERM:5.0.0", "5.7.9999 no code"},
    {"transport/error", "5.7.9", "PERM:5.7.9 PERM:5.7.9", ""},
    {"transport/retry", "later", "TEMP:4.0.0 TEMP:4.0.0", "later"},
    {"transport/retry", "4.7.9 later", "TEMP:4.7.9 TEMP:4.7.9", "later"},
    {"transport/discard", "not wanted", "OK OK", "not wanted"},
};

static void test_transports_that_deliver_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
        struct test_message message;
        struct fixture f;

        fixture_open(&f, plugin_path, settings, NULL);
        if (strcmp(f.desc->name, settled[i].plugin) == 0) {
            test_message_init(&message, content, sizeof(content) - 1);
            message.message.nexthop = sluice_span_of(settled[i].nexthop);
            (void)fixture_deliver(&f, &message, "a@x.test b@x.test");
            assert_string_equal(f.summary, settled[i].summary);
            assert_string_equal(f.results[0].text, settled[i].text);
        }
        fixture_close(&f);
        fixture_done(&f);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_each_recipient_is_reported_once),
        cmocka_unit_test(test_opens_and_closes_many_times),
        cmocka_unit_test(test_transports_that_deliver_nothing),
    };

    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s PLUGIN.so [KEY VALUE]...\n", argv[0]);
        return 64;
    }
    plugin_path = argv[1];
    settings = argc > 2 ? (const char *const *)argv + 2 : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
