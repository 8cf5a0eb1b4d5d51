/* SPDX-License-Identifier: ISC */
/*
 * heap: a binary heap of due times; the children of place n are 2n and 2n + 1.
 */
#include "base/heap.h"

#include <stdlib.h>

#define HEAP_MIN_CAPACITY 16

void heap_done(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap)HEAP_INIT;
}

bool heap_reserve(struct heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return true;
    size_t capacity = heap->capacity > 0 ? heap->capacity * 2 : HEAP_MIN_CAPACITY;
    while (capacity < count)
        capacity *= 2;

    struct heap_node **nodes = realloc(heap->nodes, capacity * sizeof(struct heap_node *));
    if (nodes == NULL)
        return false;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return true;
}

static struct heap_node *at(const struct heap *heap, size_t place)
{
    return heap->nodes[place - 1];
}

static void set(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

static void move_up(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;

    while (place > 1 && at(heap, place / 2)->due_ms > node->due_ms) {
        set(heap, place, at(heap, place / 2));
        place /= 2;
    }
    set(heap, place, node);
}

static void move_down(struct heap *heap, struct heap_node *node)
{
    size_t place = node->place;

    for (;;) {
        size_t child = place * 2;
        if (child < heap->count && at(heap, child + 1)->due_ms < at(heap, child)->due_ms)
            child++;
        if (child > heap->count || at(heap, child)->due_ms >= node->due_ms)
            break;
        set(heap, place, at(heap, child));
        place = child;
    }
    set(heap, place, node);
}

bool heap_put(struct heap *heap, struct heap_node *node, int64_t due_ms)
{
    if (node->place == 0) {
        if (!heap_reserve(heap, heap->count + 1))
            return false;
        heap->count++;
        set(heap, heap->count, node);
    }
    node->due_ms = due_ms;
    move_up(heap, node);
    move_down(heap, node);
    return true;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    struct heap_node *last = at(heap, heap->count);
    heap->count--;
    if (last != node) {
        set(heap, node->place, last);
        move_up(heap, last);
        move_down(heap, last);
    }
    node->place = 0;
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
