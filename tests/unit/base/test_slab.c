/* SPDX-License-Identifier: ISC */
/*
 * slab: items are apart, zeroed, and what they lay in goes back to the kernel.
 */
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 10000
#define ITEM_SIZE 72

static void fill(unsigned char *item, size_t number)
{
    memset(item, (int)(number % 255 + 1), ITEM_SIZE);
}

static void expect_filled(const unsigned char *item, size_t number)
{
    for (size_t i = 0; i < ITEM_SIZE; i++)
        assert_int_equal(item[i], number % 255 + 1);
}

static void expect_zeroed(const unsigned char *item)
{
    for (size_t i = 0; i < ITEM_SIZE; i++)
        assert_int_equal(item[i], 0);
}

static void test_items_do_not_overlap(void **state)
{
    static unsigned char *items[ITEMS];
    struct slab slab;

    (void)state;
    slab_init(&slab, ITEM_SIZE);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = slab_take(&slab);
        assert_int_equal((uintptr_t)items[i] % sizeof(uint64_t), 0);
        expect_zeroed(items[i]);
        fill(items[i], i);
    }
    for (size_t i = 0; i < ITEMS; i++)
        expect_filled(items[i], i);
    /* 1 % for what is not items. */
    assert_true(slab.chunk_count * SLAB_CHUNK_SIZE <= ITEMS * ITEM_SIZE / 99 * 100 + SLAB_CHUNK_SIZE);
    for (size_t i = 0; i < ITEMS; i++)
        slab_give(&slab, items[i]);
    slab_done(&slab);
}

static void test_what_was_given_back_is_taken_again(void **state)
{
    static unsigned char *items[ITEMS];
    struct slab slab;

    (void)state;
    slab_init(&slab, ITEM_SIZE);
    for (size_t i = 0; i < ITEMS; i++)
        items[i] = slab_take(&slab);
    size_t chunks = slab.chunk_count;
    for (size_t i = 0; i < ITEMS; i += 2) {
        fill(items[i], i);
        slab_give(&slab, items[i]);
    }
    for (size_t i = 0; i < ITEMS; i += 2) {
        items[i] = slab_take(&slab);
        expect_zeroed(items[i]);
    }
    assert_int_equal(slab.chunk_count, chunks);
    for (size_t i = 0; i < ITEMS; i++)
        slab_give(&slab, items[i]);
    assert_int_equal(slab.chunk_count, 1); /* for the next item */
    slab_done(&slab);
    assert_int_equal(slab.chunk_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_do_not_overlap),
        cmocka_unit_test(test_what_was_given_back_is_taken_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
