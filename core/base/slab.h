/* SPDX-License-Identifier: ISC */
/*
 * slab: many items of one size, without malloc's 16 bytes for each.
 *
 * Items lie in chunks of SLAB_CHUNK_SIZE that come from the kernel and go back to it as soon as
 * nothing in them is in use (but the last one): what a queue of millions has taken is there for
 * others when it is empty. Not locked.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

#define SLAB_CHUNK_SIZE ((size_t)64 * 1024)

struct slab_chunk;

struct slab {
    size_t item_size;
    struct slab_chunk *open; /* those with room */
    size_t chunk_count;
};

/* item_size: at most 1 KiB. */
void slab_init(struct slab *slab, size_t item_size);
/* All items have been given back. */
void slab_done(struct slab *slab);
/* An item, zeroed, aligned to 8 bytes; NULL: no memory. */
void *slab_take(struct slab *slab);
/* One of this slab's. */
void slab_give(struct slab *slab, void *item);

#endif
