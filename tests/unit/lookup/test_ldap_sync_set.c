/* SPDX-License-Identifier: ISC */
/*
 * test_ldap_sync_set: entries by UUID and by key, played against a plain list.
 */
#include "sync_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ENTRIES 40
#define KEYS 12
#define STEPS 2000

static int set_up(void **state)
{
    *state = sync_set_new();
    return *state == NULL;
}

static int tear_down(void **state)
{
    sync_set_free(*state);
    return 0;
}

/* Up to three of each; NULL: none. */
static void put(struct sync_set *set, int number, const char *const keys[3],
                const char *const values[3])
{
    char uuid[SYNC_UUID_LEN] = {0};
    struct sluice_span key_spans[3], value_spans[3];
    size_t key_count = 0, value_count = 0;

    memcpy(uuid, &number, sizeof(number));
    for (int i = 0; i < 3; i++) {
        if (keys[i] != NULL)
            key_spans[key_count++] = sluice_span_of(keys[i]);
        if (values[i] != NULL)
            value_spans[value_count++] = sluice_span_of(values[i]);
    }
    sync_set_put(set, uuid, key_spans, key_count, value_spans, value_count);
}

static void see(struct sync_set *set, int number)
{
    char uuid[SYNC_UUID_LEN] = {0};

    memcpy(uuid, &number, sizeof(number));
    sync_set_see(set, uuid);
}

static void take(struct sync_set *set, int number)
{
    char uuid[SYNC_UUID_LEN] = {0};

    memcpy(uuid, &number, sizeof(number));
    sync_set_remove(set, uuid);
}

/* All values of a key, with commas. */
static const char *found(const struct sync_set *set, const char *key)
{
    static char text[4096];
    size_t end = 0;

    text[0] = '\0';
    for (const struct sync_row *row = sync_set_find(set, sluice_span_of(key)); row != NULL;
         row = sync_row_next(row)) {
        struct sluice_span value;

        for (size_t at = 0; sync_row_value(row, &at, &value);)
            end += (size_t)snprintf(text + end, sizeof(text) - end, "%s%.*s", end > 0 ? "," : "",
                                    (int)value.len, value.ptr);
    }
    return text;
}

#define LIST(...) ((const char *const[3]){__VA_ARGS__})

static void test_keys_and_values(void **state)
{
    struct sync_set *set = *state;

    put(set, 1, LIST("Joe@A.tld", " other@a.tld "), LIST("one", "two", ""));
    assert_string_equal(found(set, "joe@a.tld"), "one,two,");
    assert_string_equal(found(set, "other@a.tld"), "one,two,");
    assert_string_equal(found(set, "joe@a.tl"), "");
    put(set, 2, LIST("joe@a.tld", "JOE@a.tld"), LIST("three"));
    assert_string_equal(found(set, "joe@a.tld"), "one,two,,three");
    put(set, 1, LIST("joe@a.tld"), LIST("1")); /* keeps its place */
    assert_string_equal(found(set, "joe@a.tld"), "1,three");
    assert_string_equal(found(set, "other@a.tld"), "");
    take(set, 1);
    take(set, 3);
    assert_string_equal(found(set, "joe@a.tld"), "three");
    put(set, 2, LIST("joe@a.tld"), LIST(NULL)); /* no value: as good as none */
    assert_null(sync_set_find(set, sluice_span_of("joe@a.tld")));
    assert_int_equal(sync_set_count(set), 0);
    assert_int_equal(sync_set_bytes(set), 0);
}

static void test_a_refresh(void **state)
{
    struct sync_set *set = *state;

    sync_set_begin(set);
    put(set, 1, LIST("a"), LIST("1"));
    put(set, 2, LIST("b"), LIST("2"));
    put(set, 3, LIST("c"), LIST("3"));
    sync_set_begin(set);
    see(set, 1);
    see(set, 9);
    put(set, 4, LIST("d"), LIST("4"));
    put(set, 3, LIST("c"), LIST("33"));
    sync_set_remove_unseen(set);
    assert_string_equal(found(set, "a"), "1");
    assert_string_equal(found(set, "b"), "");
    assert_string_equal(found(set, "c"), "33");
    assert_string_equal(found(set, "d"), "4");
    assert_true(sync_set_is_whole(set));
}

static void test_generation(void **state)
{
    struct sync_set *set = *state;
    struct sync_set *other = sync_set_new();

    assert_non_null(other);
    put(set, 1, LIST("a"), LIST("1", "2"));
    put(set, 2, LIST("b"), LIST("2"));
    put(other, 2, LIST("b"), LIST("2"));
    assert_true(sync_set_generation(set) != sync_set_generation(other));
    put(other, 1, LIST("A"), LIST("1", "2"));
    assert_true(sync_set_generation(set) == sync_set_generation(other));
    put(other, 1, LIST("a"), LIST("12"));
    assert_true(sync_set_generation(set) != sync_set_generation(other));
    put(other, 1, LIST("a"), LIST("1", "2"));
    assert_true(sync_set_generation(set) == sync_set_generation(other));
    take(other, 1);
    take(set, 1);
    assert_true(sync_set_generation(set) == sync_set_generation(other));
    sync_set_free(other);
}

/* What it should be. */
struct model {
    bool is_there, is_seen;
    unsigned order;
    const char *keys[3];
    char value[16];
};

static const char *expected(const struct model *model, const char *key)
{
    static char text[4096];
    size_t end = 0;
    unsigned last = 0;

    text[0] = '\0';
    for (;;) {
        const struct model *next = NULL;

        for (int i = 0; i < ENTRIES; i++) {
            bool has = false;

            for (int k = 0; k < 3; k++)
                has = has || (model[i].keys[k] != NULL && strcmp(model[i].keys[k], key) == 0);
            if (model[i].is_there && has && model[i].order > last &&
                (next == NULL || model[i].order < next->order))
                next = &model[i];
        }
        if (next == NULL)
            return text;
        last = next->order;
        end += (size_t)snprintf(text + end, sizeof(text) - end, "%s%s", end > 0 ? "," : "",
                                next->value);
    }
}

static void test_any_order_of_changes(void **state)
{
    static const char *const names[KEYS] = {"a", "b", "c", "d", "e", "f",
                                            "g", "h", "i", "j", "k", "l"};
    struct sync_set *set = *state;
    struct model model[ENTRIES] = {0};
    unsigned last_order = 0;

    srandom(4533);
    for (int step = 0; step < STEPS; step++) {
        int number = (int)(random() % ENTRIES);
        struct model *one = &model[number];

        switch (random() % 8) {
        case 0:
            take(set, number);
            one->is_there = false;
            break;
        case 1:
            see(set, number);
            one->is_seen = true;
            break;
        case 2:
            if (random() % 20 != 0)
                break;
            sync_set_remove_unseen(set);
            sync_set_begin(set);
            for (int i = 0; i < ENTRIES; i++) {
                model[i].is_there = model[i].is_there && model[i].is_seen;
                model[i].is_seen = false;
            }
            break;
        default:
            for (int k = 0; k < 3; k++)
                one->keys[k] = random() % 2 == 0 ? names[random() % KEYS] : NULL;
            (void)snprintf(one->value, sizeof(one->value), "%d", step);
            put(set, number, one->keys, LIST(one->value));
            if (!one->is_there)
                one->order = ++last_order;
            one->is_there = one->keys[0] != NULL || one->keys[1] != NULL || one->keys[2] != NULL;
            one->is_seen = true;
        }
        for (int k = 0; k < KEYS; k++)
            assert_string_equal(found(set, names[k]), expected(model, names[k]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_and_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refresh, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_generation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_order_of_changes, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
