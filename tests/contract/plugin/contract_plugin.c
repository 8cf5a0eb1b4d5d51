/* SPDX-License-Identifier: ISC */
/*
 * contract_plugin: what holds for every plugin file, of whatever kind, also of third parties:
 *
 *   contract-plugin FILE.so PLACE/NAME
 */
#include "exports.h"
#include "host.h"

#include "sluice/access.h"
#include "sluice/deferral.h"
#include "sluice/lookup.h"
#include "sluice/nexthop.h"
#include "sluice/queue.h"
#include "sluice/transport.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *plugin_path, *plugin_name; /* from the command line */

static const char *const interfaces[] = {
    SLUICE_LOOKUP_ID, SLUICE_TRANSPORT_ID, SLUICE_NEXTHOP_ID,
    SLUICE_QUEUE_ID,  SLUICE_DEFERRAL_ID,  SLUICE_ACCESS_ID,
};

#define INTERFACE_COUNT (sizeof(interfaces) / sizeof(interfaces[0]))

static void test_one_export(void **state)
{
    char name[EXPORT_NAME_MAX];

    (void)state;
    assert_int_equal(exports_count(plugin_path, name), 1);
    assert_string_equal(name, "sluice_plugin_entry_v1");
    assert_int_equal(exports_bind_now(plugin_path), 1);
}

static void test_descriptor(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    (void)state;
    assert_ptr_equal(desc, test_plugin_load(plugin_path)); /* constant */
    assert_true(desc->struct_size >=
                offsetof(struct sluice_plugin_desc, get_interface) + sizeof(desc->get_interface));
    assert_string_equal(desc->name, plugin_name);
    assert_true(desc->version != NULL && desc->version[0] != '\0');
    assert_true(desc->license != NULL && desc->license[0] != '\0');
    assert_true(desc->summary != NULL && desc->summary[0] != '\0');
    assert_null(strchr(desc->summary, '\n'));
    assert_in_range(desc->mode, SLUICE_MODE_TASK, SLUICE_MODE_PARALLEL);
    assert_non_null(desc->get_interface);
}

/* The ids match whole: not a word more, not a word less, no other revision. */
static void test_interfaces(void **state)
{
    static const char *const unknown[] = {"", "sluice", "sluice.", "sluice.nosuch/1", "/1"};
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);
    size_t offered = desc->get_interface(SLUICE_DERIVE_ID) != NULL ? 1 : 0;

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_null(desc->get_interface(unknown[i]));
    for (size_t i = 0; i < INTERFACE_COUNT; i++) {
        size_t len = strlen(interfaces[i]);
        char other[64];

        snprintf(other, sizeof(other), "%s1", interfaces[i]);
        assert_null(desc->get_interface(other));
        snprintf(other, sizeof(other), "%s ", interfaces[i]);
        assert_null(desc->get_interface(other));
        snprintf(other, sizeof(other), "%.*s", (int)len - 1, interfaces[i]);
        assert_null(desc->get_interface(other));
        offered += desc->get_interface(interfaces[i]) != NULL ? 1 : 0;
    }
    assert_true(offered > 0);
}

/* Each struct of operations begins with its size and with flags. */
struct ops_head {
    uint32_t struct_size, flags;
};

/* Those that mean something there. */
static uint32_t flags_of(const char *interface)
{
    if (strcmp(interface, SLUICE_LOOKUP_ID) == 0)
        return SLUICE_LOOKUP_EXACT | SLUICE_LOOKUP_PATTERNS | SLUICE_LOOKUP_WRITABLE |
               SLUICE_LOOKUP_OF_TABLES;
    if (strcmp(interface, SLUICE_QUEUE_ID) == 0)
        return SLUICE_QUEUE_MAINTAIN_ASIDE;
    return strcmp(interface, SLUICE_TRANSPORT_ID) == 0
               ? SLUICE_TRANSPORT_VERIFIES | SLUICE_TRANSPORT_HAS_NO_RELAY
               : 0;
}

static void test_operations(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);

    (void)state;
    for (size_t i = 0; i < INTERFACE_COUNT; i++) {
        const struct ops_head *ops = desc->get_interface(interfaces[i]);

        if (ops == NULL)
            continue;
        assert_true(ops->struct_size > sizeof(*ops));
        assert_int_equal(ops->struct_size % sizeof(void *), 0);
        assert_int_equal(ops->flags & ~flags_of(interfaces[i]), 0);
    }
}

static void test_derived(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);
    const struct sluice_derive *derive = desc->get_interface(SLUICE_DERIVE_ID);
    size_t known = 0;

    (void)state;
    if (derive == NULL)
        return;
    assert_true(derive->struct_size >= sizeof(*derive));
    assert_non_null(strchr(derive->base, '/'));
    assert_string_not_equal(derive->base, desc->name);
    assert_null(desc->get_interface(derive->interface)); /* that is the host's to build */
    for (size_t i = 0; i < INTERFACE_COUNT; i++)
        known += strcmp(derive->interface, interfaces[i]) == 0 ? 1 : 0;
    assert_int_equal(known, 1);
    for (size_t i = 0; i < derive->override_count; i++)
        assert_true(derive->overrides[i].key != NULL && derive->overrides[i].value != NULL);
}

/* ---- options --------------------------------------------------------------------------------- */

static int is_word_of(const char *word, const char *range)
{
    size_t len = strlen(word);

    for (const char *at = range; at != NULL; at = strchr(at, '|')) {
        at += *at == '|' ? 1 : 0;
        if (strncmp(at, word, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return 1;
    }
    return 0;
}

/* "1..65535", "1s..", "..10M": the bounds are values of the type, and value is between them. */
static void check_range(const struct sluice_option *option, const char *value)
{
    const char *dots = strstr(option->range, "..");
    int64_t low = INT64_MIN, high = INT64_MAX, number;
    char text[64];

    assert_non_null(dots);
    snprintf(text, sizeof(text), "%.*s", (int)(dots - option->range), option->range);
    assert_true(text[0] == '\0' || test_parse_number(option->type, text, &low));
    assert_true(dots[2] == '\0' || test_parse_number(option->type, dots + 2, &high));
    assert_true(low <= high);
    if (value == NULL)
        return;
    assert_true(test_parse_number(option->type, value, &number));
    assert_true(number >= low && number <= high);
}

static void check_value(const struct sluice_option *option)
{
    int is_fixed = option->fallback != NULL && option->fallback[0] != '$'; /* else another's value */
    int64_t number;

    switch (option->type) {
    case SLUICE_OPT_ENUM:
        assert_non_null(option->range);
        assert_true(!is_fixed || is_word_of(option->fallback, option->range));
        break;
    case SLUICE_OPT_STRING:
    case SLUICE_OPT_PATH:
    case SLUICE_OPT_LIST:
        assert_null(option->range);
        break;
    default:
        if (is_fixed)
            assert_true(test_parse_number(option->type, option->fallback, &number));
        if (option->range != NULL)
            check_range(option, is_fixed ? option->fallback : NULL);
    }
}

static void check_option(const struct sluice_option *option)
{
    const uint32_t flags = SLUICE_OPT_REQUIRED | SLUICE_OPT_SECRET | SLUICE_OPT_RELOADABLE |
                           SLUICE_OPT_DEPRECATED | SLUICE_OPT_GLOBAL |
                           SLUICE_OPT_VERBATIM;

    print_message("%s\n", option->key);
    assert_true(isalpha((unsigned char)option->key[0])); /* libconfig's names */
    for (const char *at = option->key; *at != '\0'; at++)
        assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
    assert_in_range(option->type, SLUICE_OPT_STRING, SLUICE_OPT_LIST);
    assert_int_equal(option->flags & ~flags, 0);
    assert_true(option->summary != NULL && option->summary[0] != '\0');
    assert_null(strchr(option->summary, '\n'));
    if ((option->flags & SLUICE_OPT_REQUIRED) != 0)
        assert_null(option->fallback);
    check_value(option);
}

static void test_options(void **state)
{
    const struct sluice_plugin_desc *desc = test_plugin_load(plugin_path);
    const char *base = (const char *)desc->options;

    (void)state;
    assert_true(desc->option_size >= sizeof(struct sluice_option));
    assert_true(desc->option_count == 0 || desc->options != NULL);
    for (size_t i = 0; i < desc->option_count; i++) {
        const struct sluice_option *option = (const void *)(base + i * desc->option_size);

        check_option(option);
        for (size_t j = 0; j < i; j++) {
            const struct sluice_option *other = (const void *)(base + j * desc->option_size);

            assert_string_not_equal(option->key, other->key);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_export), cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_interfaces), cmocka_unit_test(test_operations),
        cmocka_unit_test(test_derived),    cmocka_unit_test(test_options),
    };

    if (argc != 3) {
        fprintf(stderr, "usage: %s FILE.so PLACE/NAME\n", argv[0]);
        return 2;
    }
    plugin_path = argv[1];
    plugin_name = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
