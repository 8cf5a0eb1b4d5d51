/* SPDX-License-Identifier: ISC */
/*
 * contract_lookup: what the routing relies on in every lookup plugin (T-1):
 *
 *   contract-lookup PLUGIN.so TABLE [KEY VALUE]...
 *
 * The keys and values are all that the table has; with "@" for TABLE the plugin's own writer builds
 * it first, and with "<TEXT" it is a file with that text, in which a "@" ends a line. The key "*" stands
 * for every other one: a value is then its answer, and "!" a temporary failure.
 */
#include "answers.h"
#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define LONG_KEY (64 * 1024)

#define ENTRIES_MAX 8

/* From the command line. */
static const char *plugin_path, *table_name;
static struct {
    const char *key, *value;
} entries[ENTRIES_MAX];
static size_t entry_count;
static const char *other_value; /* of every other key; NULL: there are none */

struct fixture {
    struct test_host host;
    const struct sluice_plugin_desc *desc;
    struct test_errors errors;
    const struct sluice_lookup_ops *ops;
    struct sluice_config *config;
    struct sluice_lookup *lookup;
    char folder[64], name[128];
};

/* A folder of our own. */
static void make_folder(struct fixture *fixture)
{
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/sluice-lookup-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->name, sizeof(fixture->name), "%s/table", fixture->folder);
}

/* Through the plugin's writer. */
static void build(struct fixture *fixture)
{
    struct sluice_lookup_writer *writer = NULL;
    const struct sluice_lookup_ops *ops = fixture->ops;

    make_folder(fixture);
    assert_int_equal(ops->write_open(&fixture->host.sdk, fixture->config, fixture->name, 0, 0600,
                                     &fixture->errors.sdk, &writer),
                     SLUICE_OK);
    for (size_t i = 0; i < entry_count; i++)
        assert_int_equal(ops->write_put(writer, sluice_span_of(entries[i].key),
                                        sluice_span_of(entries[i].value), 0, &fixture->errors.sdk),
                         SLUICE_OK);
    assert_int_equal(ops->write_commit(writer, &fixture->errors.sdk), SLUICE_OK);
}

static void write_source(struct fixture *fixture, const char *text)
{
    FILE *file;

    make_folder(fixture);
    file = fopen(fixture->name, "w");
    assert_non_null(file);
    for (; *text != '\0'; text++)
        assert_int_not_equal(fputc(*text == '@' ? '\n' : *text, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    static struct fixture fixture; /* one at a time, and cmocka ends a failed test by longjmp */
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    memset(&fixture, 0, sizeof(fixture));
    fixture.desc = desc;
    test_host_init(&fixture.host, desc->name);
    test_errors_init(&fixture.errors);
    fixture.ops = test_plugin_interface(desc, SLUICE_LOOKUP_ID);
    fixture.config = test_config_new(desc, NULL);
    if (strcmp(table_name, "@") == 0)
        build(&fixture);
    else if (table_name[0] == '<')
        write_source(&fixture, table_name + 1);
    else
        snprintf(fixture.name, sizeof(fixture.name), "%s", table_name);
    assert_int_equal(fixture.ops->open(&fixture.host.sdk, fixture.config, fixture.name,
                                       &fixture.errors.sdk, &fixture.lookup),
                     SLUICE_OK);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[160];

    fixture->ops->close(fixture->lookup);
    test_config_free(fixture->config);
    if (fixture->folder[0] == '\0')
        return 0;
    snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
    return system(command);
}

static sluice_status find(struct fixture *fixture, struct sluice_span key, struct answer *answer)
{
    answer_init(answer);
    return fixture->ops->find(fixture->lookup, key, fixture->host.monotonic_ms + 1000, &answer->sdk,
                              &fixture->errors.sdk);
}

static void assert_other(struct fixture *fixture, struct sluice_span key)
{
    struct answer answer;
    sluice_status status = find(fixture, key, &answer);

    if (other_value != NULL && strcmp(other_value, "!") != 0) {
        assert_int_equal(status, SLUICE_OK);
        assert_string_equal(answer.value, other_value);
        return;
    }
    assert_int_equal(status, other_value == NULL ? SLUICE_NOT_FOUND : SLUICE_TEMP);
    assert_int_equal(answer.count, 0);
    /* A miss is an answer, a failure has a reason. */
    assert_int_equal(fixture->errors.count, other_value == NULL ? 0 : 1);
    test_errors_init(&fixture->errors);
}

static void test_hits(void **state)
{
    struct answer answer;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < entry_count; i++) {
            assert_int_equal(find(*state, sluice_span_of(entries[i].key), &answer), SLUICE_OK);
            assert_int_equal(answer.count, 1);
            assert_string_equal(answer.value, entries[i].value);
            assert_int_equal(answer.len, strlen(entries[i].value));
        }
    }
}

static void test_misses(void **state)
{
    static const char *const keys[] = {
        "other.tld", "tld", "ustomer.tld", "customer.tl", "customer.tld.", "smtp", "=", ",", "\xff",
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        print_message("%s\n", keys[i]);
        assert_other(*state, sluice_span_of(keys[i]));
    }
}

/* Keys that no table of text can have; a span may have NUL bytes, and no NUL at its end. */
static void test_odd_keys(void **state)
{
    char *long_key = malloc(LONG_KEY);
    struct answer answer;

    assert_non_null(long_key);
    memset(long_key, 'x', LONG_KEY);
    assert_other(*state, (struct sluice_span){long_key, LONG_KEY});
    free(long_key);
    assert_other(*state, (struct sluice_span){NULL, 0});
    assert_other(*state, (struct sluice_span){"", 0});
    for (size_t i = 0; i < entry_count; i++) {
        char key[64];
        size_t len = strlen(entries[i].key);

        snprintf(key, sizeof(key), "%s%cx", entries[i].key, '\0');
        assert_other(*state, (struct sluice_span){key, len + 2});
        key[len] = 'x'; /* behind the span */
        assert_int_equal(find(*state, (struct sluice_span){key, len}, &answer), SLUICE_OK);
    }
}

static void test_two_instances(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = *fixture;

    assert_int_equal(other.ops->open(&other.host.sdk, other.config, other.name, &other.errors.sdk,
                                     &other.lookup),
                     SLUICE_OK);
    other.ops->close(fixture->lookup);
    fixture->lookup = other.lookup; /* teardown closes it */
    assert_other(fixture, sluice_span_of("nothing"));
}

static void test_generation_stays(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first, second;

    if (!SLUICE_HAS(struct sluice_lookup_ops, fixture->ops, generation))
        return; /* optional */
    if (other_value != NULL && strcmp(other_value, "!") == 0 &&
        fixture->ops->generation(fixture->lookup, &first) == SLUICE_TEMP)
        return; /* what cannot be asked cannot say that either */
    assert_int_equal(fixture->ops->generation(fixture->lookup, &first), SLUICE_OK);
    assert_other(fixture, sluice_span_of("nothing"));
    assert_int_equal(fixture->ops->generation(fixture->lookup, &second), SLUICE_OK);
    assert_int_equal(first, second);
}

static void check_notice(const struct sluice_lookup_notice *notice)
{
    assert_int_equal(notice->struct_size, sizeof(*notice));
}

/* One that waits needs a host with tasks; one that cannot wait returns, and answers as before. */
static void test_maintain(void **state)
{
    const struct sluice_lookup_notice notice = {.struct_size = sizeof(notice),
                                                .changed = check_notice};
    struct fixture *fixture = *state;

    if (!SLUICE_HAS(struct sluice_lookup_ops, fixture->ops, maintain))
        return; /* optional */
    assert_int_not_equal(fixture->desc->mode, SLUICE_MODE_SERIAL);
    assert_int_not_equal(fixture->desc->mode, SLUICE_MODE_PARALLEL);
    if (fixture->desc->mode != SLUICE_MODE_INLINE)
        return;
    fixture->ops->maintain(fixture->lookup, &notice);
    test_hits(state);
    assert_other(fixture, sluice_span_of("nothing"));
}

static void test_list(void **state)
{
    struct fixture *fixture = *state;
    struct listing listing;

    if (!SLUICE_HAS(struct sluice_lookup_ops, fixture->ops, list))
        return; /* optional */
    listing_init(&listing);
    assert_int_equal(fixture->ops->list(fixture->lookup, &listing.sdk, &fixture->errors.sdk),
                     SLUICE_OK);
    assert_int_equal(listing.count, entry_count);
    if (listing.count == 0)
        return;
    for (size_t i = 0; i < entry_count; i++) {
        char line[ANSWER_MAX];

        snprintf(line, sizeof(line), "%s=%s\n", entries[i].key, entries[i].value);
        assert_non_null(strstr(listing.lines, line));
    }
    listing_init(&listing);
    listing.stop_after = 1; /* the sink's status ends it and comes back */
    assert_int_equal(fixture->ops->list(fixture->lookup, &listing.sdk, &fixture->errors.sdk),
                     SLUICE_PERM);
    assert_int_equal(listing.count, 1);
    assert_int_equal(fixture->errors.count, 0);
}

static void test_writer_is_whole_or_absent(void **state)
{
    const struct sluice_lookup_ops *ops = ((struct fixture *)*state)->ops;
    int members = (SLUICE_HAS(struct sluice_lookup_ops, ops, write_open) ? 1 : 0) +
                  (SLUICE_HAS(struct sluice_lookup_ops, ops, write_put) ? 1 : 0) +
                  (SLUICE_HAS(struct sluice_lookup_ops, ops, write_remove) ? 1 : 0) +
                  (SLUICE_HAS(struct sluice_lookup_ops, ops, write_commit) ? 1 : 0) +
                  (SLUICE_HAS(struct sluice_lookup_ops, ops, write_abort) ? 1 : 0);

    assert_int_equal(members, (ops->flags & SLUICE_LOOKUP_WRITABLE) != 0 ? 5 : 0);
    if (members != 0)
        ops->write_abort(NULL);
    ops->close(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_instances, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generation_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maintain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writer_is_whole_or_absent, setup, teardown),
    };

    if (argc < 3 || argc % 2 == 0 || argc > 3 + 2 * ENTRIES_MAX) {
        fprintf(stderr, "usage: %s PLUGIN.so TABLE|@|<TEXT [KEY VALUE]...\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    table_name = argv[2];
    for (int i = 3; i < argc; i += 2) {
        if (strcmp(argv[i], "*") == 0) {
            other_value = argv[i + 1];
            continue;
        }
        entries[entry_count].key = argv[i];
        entries[entry_count++].value = argv[i + 1];
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
