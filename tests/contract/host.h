/* SPDX-License-Identifier: ISC */
/*
 * host: enough of a Sluice host to run one plugin in a test.
 *
 * Loads the plugin from the build, reads its options from their table's defaults and the test's
 * settings, and offers sluice.io/1 over plain blocking sockets, sluice.clock/1, sluice.log/1 and a
 * sluice.dns/1 that answers from a table. The plugin cannot tell it from the daemon. Each function
 * asserts (cmocka) where something is wrong.
 */
#ifndef CONTRACT_HOST_H
#define CONTRACT_HOST_H

#include "sluice/plugin.h"

#define TEST_HOST_TEXT_MAX 8192

/* An option of the instance, written as in the configuration; durations may also have "ms". */
struct test_setting {
    const char *key; /* NULL ends a table */
    const char *value;
};

/* What the DNS answers; a name that is in no row of its type does not exist. */
struct test_zone {
    const char *name;   /* NULL ends a table */
    const char *type;   /* "A", "AAAA", "MX" */
    const char *answer; /* "192.0.2.1 192.0.2.2", "10:mx1.d.test 20:", "SERVFAIL" */
};

struct test_host {
    struct sluice_host host;     /* first: services get it back */
    struct sluice_config config; /* follows: the config's functions find their test_host by it */
    struct sluice_errors errors;
    const struct sluice_plugin_desc *desc;
    const struct test_setting *settings;
    const struct test_zone *zone;
    char item[256];     /* of a list option */
    char error_dsn[16]; /* of the last explain() */
    char error_text[2048];
    int explain_count;
    char queries[TEST_HOST_TEXT_MAX]; /* "MX d.test\n" for each DNS query */
    char log[TEST_HOST_TEXT_MAX];     /* its lines */
};

/* The descriptor of "transport/smtp", from the build folder in $SLUICE_BUILD. */
const struct sluice_plugin_desc *test_plugin_load(const char *place_and_name);

void test_host_init(struct test_host *host, const struct sluice_plugin_desc *desc,
                    const struct test_setting *settings, const struct test_zone *zone);

/* Forgets errors, queries and log lines. */
void test_host_clear(struct test_host *host);

int64_t test_now_ms(void);

#endif /* CONTRACT_HOST_H */
