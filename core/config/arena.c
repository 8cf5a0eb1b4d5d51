/* SPDX-License-Identifier: ISC */
/*
 * arena: see arena.h.
 */
#include "config/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void arena_done(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}

static void out_of_memory(void)
{
    (void)fputs("sluice: out of memory while reading the configuration\n", stderr);
    exit(EX_OSERR);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = calloc(1, sizeof(*block) + size);

    if (block == NULL)
        out_of_memory();
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

char *arena_text(struct arena *arena, struct sluice_span text)
{
    char *copy = arena_alloc(arena, text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    char *text;
    int len;

    va_start(arguments, format);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0)
        out_of_memory();
    text = arena_alloc(arena, (size_t)len + 1);
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size)
{
    void *larger;

    if (count > 0 && (count & (count - 1)) != 0)
        return array; /* it has room up to the next power of two */
    larger = arena_alloc(arena, (count > 0 ? 2 * count : 1) * element_size);
    if (count > 0)
        memcpy(larger, array, count * element_size);
    return larger;
}
