/* SPDX-License-Identifier: ISC */
/*
 * Chains of derived plugins: whose operations, which options, and chains that cannot be.
 */
#include "plugin/derive.h"

#include "sluice/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins.h"

/* Defaults of the merged options, in the order of the table; NULL: not there. */
static const struct {
    const char *name;
    bool has_derived_ops;
    size_t plugin_count;
    const char *greeting;
    const char *limit;
    const char *own;
} chains[] = {
    {"test/base", false, 1, "hello", "5", NULL},
    {"test/plain", false, 2, "hello", "5", "plain"},
    {"test/changed", false, 2, "changed", "5", "changed"},
    {"test/changed-twice", false, 3, "changed", "9", "changed-twice"},
    {"test/with-find", true, 2, "hello", "5", "with-find"},
    {"test/above-find", true, 3, "above", "5", "above-find"},
    {"test/deep-2", false, 8, "hello", "5", "deep-2"},
};

static const char *fallback_of(const struct derivation *derivation, const char *key)
{
    for (size_t i = 0; i < derivation->option_count; i++) {
        if (strcmp(derivation->options[i].key, key) == 0)
            return derivation->options[i].fallback;
    }
    return NULL;
}

static void test_chains(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        struct error err = ERROR_INIT;
        struct derivation derivation;
        const struct sluice_lookup_ops *base;

        if (derive_resolve(chains[i].name, SLUICE_LOOKUP_ID, &derivation, &err) != SLUICE_OK)
            fail_msg("%s: %s", chains[i].name, err.text);
        base = derivation.base_ops;
        assert_non_null(base->open);
        assert_int_equal(derivation.derived_ops != NULL, chains[i].has_derived_ops);
        assert_int_equal(derivation.mode, SLUICE_MODE_INLINE);
        assert_int_equal(derivation.plugin_count, chains[i].plugin_count);
        assert_string_equal(derivation.plugins[0], chains[i].name);
        assert_string_equal(derivation.plugins[derivation.plugin_count - 1], "test/base");
        assert_int_equal(derivation.option_count, chains[i].own != NULL ? 3 : 2);
        assert_string_equal(fallback_of(&derivation, "greeting"), chains[i].greeting);
        assert_string_equal(fallback_of(&derivation, "limit"), chains[i].limit);
        if (chains[i].own != NULL)
            assert_string_equal(fallback_of(&derivation, "own"), chains[i].own);
        derive_done(&derivation);
    }
}

static const struct {
    const char *name;
    const char *interface;
    const char *text;
} refused[] = {
    {"test/base", "sluice.transport/1", "plugin test/base offers no sluice.transport/1"},
    {"test/plain", "sluice.transport/1", "plugin test/plain offers no sluice.transport/1"},
    {"test/base", "sluice.lookup/1x", "plugin test/base offers no sluice.lookup/1x"},
    {"test/find-twice", SLUICE_LOOKUP_ID,
     "plugin test/with-find: a plugin that derives from it has operations of its own, and so has "
     "it; one of a chain may"},
    {"test/unknown-key", SLUICE_LOOKUP_ID,
     "plugin test/unknown-key: it changes the option nothing, which its base does not have"},
    {"test/bad-value", SLUICE_LOOKUP_ID,
     "plugin test/bad-value: option default: limit: 11 is not in the range 1..10"},
    {"test/loop-a", SLUICE_LOOKUP_ID, "plugin test/loop-a: plugin test/loop-a derives from itself"},
    {"test/no-base", SLUICE_LOOKUP_ID,
     "plugin test/no-base: plugin test/nowhere: its file is not there"},
    {"test/other-mode", SLUICE_LOOKUP_ID,
     "plugin test/other-mode: its mode is not that of its base test/base"},
    {"test/deep-1", SLUICE_LOOKUP_ID,
     "plugin test/deep-1: plugin test/base: more than 8 plugins derive from each other"},
    {"test/small-ops", SLUICE_LOOKUP_ID,
     "plugin test/small-ops: its operations of sluice.lookup/1 make no sense"},
    {"test/no-find", SLUICE_LOOKUP_ID,
     "plugin test/no-find: sluice.lookup/1 has no operation find"},
    {"test/nowhere", SLUICE_LOOKUP_ID, "plugin test/nowhere: its file is not there"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct error err = ERROR_INIT;
        struct derivation derivation;
        sluice_status st = derive_resolve(refused[i].name, refused[i].interface, &derivation, &err);

        assert_string_equal(err.text, refused[i].text);
        assert_int_equal(st, SLUICE_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_refused),
    };

    plugin_set_finder(plugins_find);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
