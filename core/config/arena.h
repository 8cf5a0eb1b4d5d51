/* SPDX-License-Identifier: ISC */
/*
 * arena: memory for a configuration while it is being checked; all of it goes at once.
 *
 * When there is no memory the process ends with a message: only the short-lived check role and the
 * commands read a configuration, and neither holds mail.
 */
#ifndef CONFIG_ARENA_H
#define CONFIG_ARENA_H

#include "sluice/types.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

#define ARENA_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

void arena_done(struct arena *arena);
/* Zeroed, aligned for anything. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_text(struct arena *arena, struct sluice_span text);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An array with room for one more element than count: the old one while that has room, else a copy
 * of twice its size. Start with NULL and 0. */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size);

#endif
