/* SPDX-License-Identifier: ISC */
/*
 * heap: what is due first? A binary heap of nodes that are embedded in the caller's structs and know
 * their place, so that any of them can be moved and removed.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t due_ms;
    size_t place; /* in the heap, from 1; 0: in none */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

#define HEAP_INIT {0}

void heap_done(struct heap *heap); /* the nodes stay the caller's */
/* Room for count nodes in all, so that the puts up to there cannot fail. False: no memory. */
bool heap_reserve(struct heap *heap, size_t count);
/* Puts a node in, or moves one that is in it. False: no memory (never for a move). */
bool heap_put(struct heap *heap, struct heap_node *node, int64_t due_ms);
/* Takes a node out; nothing happens if it is not in. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node that is due first, or NULL. */
struct heap_node *heap_first(const struct heap *heap);

#endif
