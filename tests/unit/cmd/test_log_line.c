/* SPDX-License-Identifier: ISC */
/*
 * Lines of the log in their three forms, and lines that are none.
 */
#include "log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "2026-11-22T03:50:00.123+01:00 mx sluice/"
#define ID "00000000000000AB"

static const struct {
    const char *name;
    const char *line;
    const char *want; /* with sorted keys; NULL: no line of ours */
} cases[] = {
    {"client", HEAD "smtpd[12]: " ID ": client=mx.example[192.0.2.1], sasl_username=joe",
     "{\"client\":\"mx.example[192.0.2.1]\",\"component\":\"smtpd\",\"event\":\"client\","
     "\"queue_id\":\"" ID "\",\"sasl_username\":\"joe\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"message-id with everything", HEAD "cleanup[1]: " ID ": message-id=<a, b=(c)@d> e",
     "{\"component\":\"cleanup\",\"event\":\"message-id\",\"message_id\":\"<a, b=(c)@d> e\","
     "\"queue_id\":\"" ID "\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"active, of syslog", "Nov  2 03:50:00 mx postfix/qmgr[1]: " ID
                          ": from=<>, size=10, nrcpt=2 (queue active)",
     "{\"component\":\"qmgr\",\"event\":\"active\",\"from\":\"\",\"nrcpt\":2,\"queue_id\":\"" ID
     "\",\"size\":10,\"text\":\"queue active\",\"time\":\"Nov  2 03:50:00\"}"},
    {"delivery", HEAD "relay[1]: " ID ": to=<\"a, b> c\"@d>, orig_to=<x@y>, relay=none, delay=1.5, "
                 "delays=0/1/0.5/0, dsn=4.4.1, status=deferred (connect (to) h: no, (x))",
     "{\"component\":\"relay\",\"delay\":1.5,\"delays\":[0.0,1.0,0.5,0.0],\"dsn\":\"4.4.1\","
     "\"event\":\"delivery\",\"orig_to\":\"x@y\",\"queue_id\":\"" ID "\",\"relay\":\"none\","
     "\"status\":\"deferred\",\"text\":\"connect (to) h: no, (x)\","
     "\"time\":\"2026-11-22T03:50:00.123+01:00\",\"to\":\"\\\"a, b> c\\\"@d\"}"},
    {"expired", HEAD "qmgr[1]: " ID ": from=<a@b>, status=expired, returned to sender",
     "{\"component\":\"qmgr\",\"event\":\"expired\",\"from\":\"a@b\",\"queue_id\":\"" ID
     "\",\"status\":\"expired\",\"text\":\"returned to sender\","
     "\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"rerouted", HEAD "qmgr[1]: " ID ": to=<a@b>, goes to smtp: now",
     "{\"component\":\"qmgr\",\"event\":\"note\",\"queue_id\":\"" ID
     "\",\"text\":\"to=<a@b>, goes to smtp: now\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"removed", HEAD "qmgr[1]: " ID ": removed",
     "{\"component\":\"qmgr\",\"event\":\"removed\",\"queue_id\":\"" ID
     "\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"warning", HEAD "smtpd[1]: warning: " ID ": not accepted from x: y",
     "{\"component\":\"smtpd\",\"event\":\"note\",\"queue_id\":\"" ID
     "\",\"text\":\"not accepted from x: y\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"release", HEAD "qmgr[1]: release: <@customer.tld>, 12 messages, by ETRN",
     "{\"by\":\"ETRN\",\"component\":\"qmgr\",\"event\":\"release\",\"released\":\"@customer.tld\","
     "\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"json", "{\"time\":\"t\",\"event\":\"removed\",\"queue_id\":\"" ID "\"}",
     "{\"event\":\"removed\",\"queue_id\":\"" ID "\",\"time\":\"t\"}"},
    {"journal",
     "{\"__REALTIME_TIMESTAMP\":\"1795312200123456\",\"SYSLOG_IDENTIFIER\":\"sluice/qmgr\","
     "\"MESSAGE\":\"x\",\"_PID\":\"1\",\"SLUICE_EVENT\":\"active\",\"SLUICE_QUEUE_ID\":\"" ID
     "\",\"SLUICE_SIZE\":\"10\",\"SLUICE_ODD\":[1]}",
     "{\"component\":\"qmgr\",\"event\":\"active\",\"queue_id\":\"" ID
     "\",\"size\":10,\"time\":\"2026-11-22T01:50:00.123+00:00\"}"},
    {"another program's", "Nov 22 03:50:00 mx cron[1]: " ID ": removed", NULL},
    {"empty", "", NULL},
    {"a word", "word", NULL},
    {"half a line", HEAD "qmgr", NULL},
    {"half an object", "{\"time\":\"t\",\"ev", NULL},
    {"half an id", HEAD "qmgr[1]: 0000000000", 
     "{\"component\":\"qmgr\",\"event\":\"note\",\"text\":\"0000000000\","
     "\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
    {"half a value", HEAD "relay[1]: " ID ": to=<a@b",
     "{\"component\":\"relay\",\"event\":\"note\",\"queue_id\":\"" ID
     "\",\"text\":\"to=<a@b\",\"time\":\"2026-11-22T03:50:00.123+01:00\"}"},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].line);
        char *line = malloc(len > 0 ? len : 1); /* whoever reads behind it is caught */
        print_message("  %s\n", cases[i].name);
        assert_non_null(line);
        memcpy(line, cases[i].line, len);
        json_t *event = log_line_parse((struct sluice_span){.ptr = line, .len = len});
        if (cases[i].want == NULL) {
            assert_null(event);
        } else {
            char *got = json_dumps(event, JSON_SORT_KEYS | JSON_COMPACT);
            assert_string_equal(got, cases[i].want);
            free(got);
        }
        json_decref(event);
        free(line);
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *time;
        int64_t want;
    } times[] = {
        {"2026-11-22T03:50:00.123+02:00", INT64_C(1795312200123)},
        {"2026-11-22T01:50:00Z", INT64_C(1795312200000)},
        {"2026-11-21T20:20:00.123456-05:30", INT64_C(1795312200123)},
        {"Nov 22 03:50:00", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        json_t *event = json_pack("{s:s}", "time", times[i].time);
        print_message("  %s\n", times[i].time);
        assert_true(log_line_ms(event) == times[i].want);
        json_decref(event);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
