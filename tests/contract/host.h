/* SPDX-License-Identifier: ISC */
/*
 * host: the daemon's side of a plugin, for tests: loads the file, offers log, clock and memory, and
 * makes a configuration from the plugin's own option table. Links nothing of core.
 *
 * Order: test_host_init -> test_plugin_load -> test_config_new -> (open .. close) -> test_config_free.
 */
#ifndef TESTS_CONTRACT_HOST_H
#define TESTS_CONTRACT_HOST_H

#include "sluice/plugin.h"

#define TEST_TEXT_MAX 1024

/* ---- services -------------------------------------------------------------------------------- */

/* What the DNS says, up to one without a name. */
struct test_record {
    const char *name;
    uint32_t type;
    const char *target; /* NULL: no answer comes */
    uint32_t preference;
};

/* What a table has, up to one without a table. */
struct test_entry {
    const char *table, *key;
    const char *value; /* NULL: the table cannot be asked */
};

/* The time is what the test says; the last line that was logged is kept. */
struct test_host {
    struct sluice_host sdk;
    const struct test_record *records; /* NULL: there is no DNS */
    const struct test_entry *entries;  /* NULL: there are no tables */
    int64_t wall_ms, monotonic_ms;
    char log[TEST_TEXT_MAX];
};

void test_host_init(struct test_host *host, const char *instance);

/* ---- the plugin ------------------------------------------------------------------------------ */

/* Loads the file as the daemon does, with all symbols bound; fails the test if it cannot. */
const struct sluice_plugin_desc *test_plugin_load(const char *path);
/* Its interface of that id; fails the test if there is none. */
const void *test_plugin_interface(const struct sluice_plugin_desc *desc, const char *id);

/* ---- configuration --------------------------------------------------------------------------- */

/*
 * Options of one instance: "key", "value", ..., NULL; defaults for the rest. A list is parted by
 * commas. An unknown key or a value of the wrong type fails the test.
 */
struct sluice_config *test_config_new(const struct sluice_plugin_desc *desc,
                                      const char *const *key_values);
void test_config_free(struct sluice_config *config); /* accepts NULL */

/* 1 and the number if text is a value of that type ("5m", "10M", "true", "17"). */
int test_parse_number(int32_t type, const char *text, int64_t *ret_number);

/* ---- explanations ---------------------------------------------------------------------------- */

struct test_errors {
    struct sluice_errors sdk;
    int count;
    char dsn[TEST_TEXT_MAX];
    char text[TEST_TEXT_MAX];
};

void test_errors_init(struct test_errors *errors);

#endif /* TESTS_CONTRACT_HOST_H */
