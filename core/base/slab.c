/* SPDX-License-Identifier: ISC */
/*
 * slab: a chunk begins with its own struct and is aligned to its size, so that an item's address
 * leads to it. What was never taken is never touched, and so takes no memory yet.
 */
#include "base/slab.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <utlist.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
/* Items point to what malloc has given: the search for leaks looks there too. */
#define ROOT_ADD(memory, size) __lsan_register_root_region(memory, size)
#define ROOT_REMOVE(memory, size) __lsan_unregister_root_region(memory, size)
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ROOT_ADD(memory, size) ((void)(memory), (void)(size))
#define ROOT_REMOVE(memory, size) ((void)(memory), (void)(size))
#endif

#define ITEM_SIZE_MAX 1024
#define ITEM_ALIGNMENT sizeof(uint64_t)

/* What is in an item that is not in use. */
struct unused {
    struct unused *next;
};

struct slab_chunk {
    struct slab_chunk *prev; /* among those with room */
    struct slab_chunk *next;
    struct unused *unused; /* that were given back */
    size_t used;
    size_t touched; /* items that were ever taken */
};

void slab_init(struct slab *slab, size_t item_size)
{
    assert(item_size >= sizeof(struct unused) && item_size <= ITEM_SIZE_MAX);
    item_size = (item_size + ITEM_ALIGNMENT - 1) / ITEM_ALIGNMENT * ITEM_ALIGNMENT;
    *slab = (struct slab){.item_size = item_size};
}

static size_t items_of_chunk(const struct slab *slab)
{
    return (SLAB_CHUNK_SIZE - sizeof(struct slab_chunk)) / slab->item_size;
}

static struct slab_chunk *chunk_of(const void *item)
{
    uintptr_t address = (uintptr_t)item;

    return (struct slab_chunk *)(address - address % SLAB_CHUNK_SIZE);
}

static struct slab_chunk *chunk_new(struct slab *slab)
{
    char *map = mmap(NULL, 2 * SLAB_CHUNK_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED)
        return NULL;
    size_t before = (SLAB_CHUNK_SIZE - (uintptr_t)map % SLAB_CHUNK_SIZE) % SLAB_CHUNK_SIZE;
    if (before > 0)
        (void)munmap(map, before); /* what stays for want of memory is address space */
    (void)munmap(map + before + SLAB_CHUNK_SIZE, SLAB_CHUNK_SIZE - before);
    struct slab_chunk *chunk = (struct slab_chunk *)(void *)(map + before);
    ROOT_ADD(chunk, SLAB_CHUNK_SIZE);
    DL_APPEND(slab->open, chunk);
    slab->chunk_count++;
    return chunk;
}

static void chunk_free(struct slab *slab, struct slab_chunk *chunk)
{
    assert(chunk->used == 0);
    DL_DELETE(slab->open, chunk);
    slab->chunk_count--;
    ROOT_REMOVE(chunk, SLAB_CHUNK_SIZE);
    ASAN_UNPOISON_MEMORY_REGION(chunk, SLAB_CHUNK_SIZE); /* others may get this address */
    (void)munmap(chunk, SLAB_CHUNK_SIZE);
}

void slab_done(struct slab *slab)
{
    while (slab->open != NULL)
        chunk_free(slab, slab->open);
    assert(slab->chunk_count == 0);
}

void *slab_take(struct slab *slab)
{
    struct slab_chunk *chunk = slab->open != NULL ? slab->open : chunk_new(slab);

    if (chunk == NULL)
        return NULL;
    void *item = chunk->unused;
    if (item == NULL)
        item = (char *)(chunk + 1) + chunk->touched++ * slab->item_size;
    ASAN_UNPOISON_MEMORY_REGION(item, slab->item_size);
    if (chunk->unused != NULL)
        chunk->unused = chunk->unused->next;
    if (++chunk->used == items_of_chunk(slab))
        DL_DELETE(slab->open, chunk);
    memset(item, 0, slab->item_size);
    return item;
}

void slab_give(struct slab *slab, void *item)
{
    struct slab_chunk *chunk = chunk_of(item);
    struct unused *unused = item;

    if (chunk->used-- == items_of_chunk(slab))
        DL_APPEND(slab->open, chunk);
    unused->next = chunk->unused;
    chunk->unused = unused;
    ASAN_POISON_MEMORY_REGION(item, slab->item_size);
    if (chunk->used == 0 && slab->open->next != NULL) /* the last one stays: it is needed at once */
        chunk_free(slab, chunk);
}
