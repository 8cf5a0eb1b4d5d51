/* SPDX-License-Identifier: ISC */
/*
 * The heap against a plain search, through many random changes.
 */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODES 200
#define CHANGES 20000

static int64_t smallest(const struct heap_node *nodes)
{
    int64_t due_ms = INT64_MAX;

    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].place != 0 && nodes[i].due_ms < due_ms)
            due_ms = nodes[i].due_ms;
    }
    return due_ms;
}

static void test_random_changes(void **state)
{
    struct heap heap = HEAP_INIT;
    static struct heap_node nodes[NODES];
    unsigned seed = 1; /* the same changes each time */

    (void)state;
    for (int i = 0; i < CHANGES; i++) {
        struct heap_node *node = &nodes[rand_r(&seed) % NODES];
        if (rand_r(&seed) % 3 == 0)
            heap_remove(&heap, node);
        else
            assert_true(heap_put(&heap, node, rand_r(&seed) % 1000));
        struct heap_node *first = heap_first(&heap);
        assert_true((first != NULL ? first->due_ms : INT64_MAX) == smallest(nodes));
    }
    heap_done(&heap);
}

static void test_all_come_out_in_order(void **state)
{
    struct heap heap = HEAP_INIT;
    struct heap_node nodes[NODES] = {{0}};
    int64_t last_ms = -1;

    (void)state;
    assert_true(heap_reserve(&heap, NODES));
    for (size_t i = 0; i < NODES; i++)
        assert_true(heap_put(&heap, &nodes[i], (int64_t)(i * 37 % NODES)));
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *first = heap_first(&heap);
        assert_true(first->due_ms > last_ms);
        last_ms = first->due_ms;
        heap_remove(&heap, first);
        heap_remove(&heap, first); /* twice does nothing */
    }
    assert_null(heap_first(&heap));
    heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_all_come_out_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
