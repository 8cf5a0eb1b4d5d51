/* SPDX-License-Identifier: ISC */
/*
 * check: the layout is that of Berkeley DB 4.2 to 5.3 (hash versions 8 and 9), in this machine's
 * byte order, without the library's own checksums and encryption, which postmap does not use.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_MAGIC 0x061561u
#define CHECK_MAGIC_SWAPPED 0x61150600u
#define CHECK_VERSION_MIN 8u
#define CHECK_VERSION_MAX 9u
#define CHECK_PAGE_MIN 512u
#define CHECK_PAGE_MAX 65536u
#define CHECK_SPARES 32u

/* Where things are on the first page. */
#define META_MAGIC 12u
#define META_VERSION 16u
#define META_PAGE_SIZE 20u
#define META_ENCRYPTION 24u
#define META_TYPE 25u
#define META_FLAGS 26u
#define META_LAST_PAGE 32u
#define META_PARTS 36u
#define META_MAX_BUCKET 72u
#define META_HIGH_MASK 76u
#define META_LOW_MASK 80u
#define META_SPARES 96u
#define META_SIZE 224u

/* Where things are on the others. */
#define PAGE_NUMBER 8u
#define PAGE_PREVIOUS 12u
#define PAGE_NEXT 16u
#define PAGE_ENTRIES 20u
#define PAGE_FREE 22u
#define PAGE_TYPE 25u
#define PAGE_OFFSETS 26u

#define TYPE_UNUSED 0u
#define TYPE_HASH_UNSORTED 2u
#define TYPE_OVERFLOW 7u
#define TYPE_META 8u
#define TYPE_HASH 13u

#define ITEM_INLINE 1u   /* the bytes themselves */
#define ITEM_OVERFLOW 3u /* page and length of a long one */
#define ITEM_OVERFLOW_SIZE 12u

static const char not_hash[] = "not a Berkeley DB hash file";
static const char cut_off[] = "the file is cut off";
static const char damaged[] = "the file is damaged";
static const char no_memory[] = "out of memory";
static const char unreadable[] = "cannot be read";

struct link {
    uint32_t previous, next;
    uint8_t type;
    uint8_t is_head; /* pointed to by an item: must begin a chain */
};

struct check {
    uint32_t page_size, page_count;
    uint64_t file_size;
    const unsigned char *meta;
    struct link *links; /* page_count of them */
};

static uint32_t get32(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get16(const unsigned char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static int read_whole(int fd, unsigned char *buffer, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t got = pread(fd, buffer, size, (off_t)offset);

        if (got <= 0)
            return 0;
        buffer += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 1;
}

static const char *check_meta(struct check *check)
{
    const unsigned char *meta = check->meta;
    uint32_t version = get32(meta + META_VERSION);

    if (get32(meta + META_MAGIC) == CHECK_MAGIC_SWAPPED)
        return "written on a machine of the other byte order; build it again here";
    if (get32(meta + META_MAGIC) != CHECK_MAGIC || meta[META_TYPE] != TYPE_META)
        return not_hash;
    if (version < CHECK_VERSION_MIN || version > CHECK_VERSION_MAX || meta[META_ENCRYPTION] != 0 ||
        meta[META_FLAGS] != 0 || get32(meta + META_PARTS) != 0)
        return "not of a version that is read here; build it again with postmap";
    check->page_size = get32(meta + META_PAGE_SIZE);
    if (check->page_size < CHECK_PAGE_MIN || check->page_size > CHECK_PAGE_MAX ||
        (check->page_size & (check->page_size - 1)) != 0)
        return damaged;
    if (check->file_size % check->page_size != 0 ||
        check->file_size / check->page_size <= get32(meta + META_LAST_PAGE))
        return cut_off;
    if (check->file_size / check->page_size > UINT32_MAX)
        return damaged;
    check->page_count = (uint32_t)(check->file_size / check->page_size);
    return NULL;
}

/* An item that is kept on pages of its own. */
static const char *check_overflow_item(const struct check *check, const unsigned char *item)
{
    uint32_t page = get32(item + 4);

    if (page == 0 || page >= check->page_count || get32(item + 8) > check->file_size)
        return damaged;
    check->links[page].is_head = 1;
    return NULL;
}

/* Items are laid down from the end of the page; each one's offset is below the one before. */
static const char *check_items(const struct check *check, const unsigned char *page)
{
    uint32_t count = get16(page + PAGE_ENTRIES);
    uint32_t floor = PAGE_OFFSETS + 2 * count;
    uint32_t end = check->page_size;

    if (count % 2 != 0 || floor > check->page_size)
        return damaged;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = get16(page + PAGE_OFFSETS + 2 * i);
        const char *wrong = NULL;

        if (offset < floor || offset >= end)
            return damaged;
        if (page[offset] == ITEM_OVERFLOW && end - offset >= ITEM_OVERFLOW_SIZE)
            wrong = check_overflow_item(check, page + offset);
        else if (page[offset] != ITEM_INLINE)
            wrong = damaged;
        if (wrong != NULL)
            return wrong;
        end = offset;
    }
    return NULL;
}

static const char *check_page(const struct check *check, uint32_t number, const unsigned char *page)
{
    struct link *link = &check->links[number];

    link->type = page[PAGE_TYPE];
    link->previous = get32(page + PAGE_PREVIOUS);
    link->next = get32(page + PAGE_NEXT);
    if (link->type == TYPE_UNUSED) /* never written, or given back: no part of a chain */
        link->previous = link->next = 0;
    else if (get32(page + PAGE_NUMBER) != number)
        return damaged;
    switch (link->type) {
    case TYPE_UNUSED:
        return get16(page + PAGE_ENTRIES) == 0 ? NULL : damaged;
    case TYPE_HASH:
    case TYPE_HASH_UNSORTED:
        return check_items(check, page);
    case TYPE_OVERFLOW:
        return get16(page + PAGE_FREE) <= check->page_size - PAGE_OFFSETS ? NULL : damaged;
    default:
        return damaged;
    }
}

static const char *check_pages(struct check *check, int fd)
{
    unsigned char *page = malloc(check->page_size);
    const char *wrong = NULL;

    if (page == NULL)
        return no_memory;
    for (uint32_t i = 1; i < check->page_count && wrong == NULL; i++) {
        if (read_whole(fd, page, check->page_size, (uint64_t)i * check->page_size) == 0)
            wrong = unreadable;
        else
            wrong = check_page(check, i, page);
    }
    free(page);
    return wrong;
}

static int is_hash(const struct link *link)
{
    return link->type == TYPE_HASH || link->type == TYPE_HASH_UNSORTED;
}

/* Neighbours agree, and what begins a chain has nothing before it: then each chain has an end. */
static const char *check_links(const struct check *check)
{
    for (uint32_t i = 1; i < check->page_count; i++) {
        const struct link *link = &check->links[i];

        if (link->next >= check->page_count || link->previous >= check->page_count)
            return damaged;
        if (link->next != 0 && (check->links[link->next].previous != i ||
                                is_hash(&check->links[link->next]) != is_hash(link)))
            return damaged;
        if (link->is_head != 0 && (link->type != TYPE_OVERFLOW || link->previous != 0))
            return damaged;
    }
    return NULL;
}

/* The number of bits that it takes to write number down. */
static uint32_t bit_count(uint32_t number)
{
    uint32_t bits = 0;

    for (; number != 0; number >>= 1)
        bits++;
    return bits;
}

/* Each bucket has a page of its own, the first of a chain; buckets double in groups. */
static const char *check_buckets(const struct check *check)
{
    uint32_t max_bucket = get32(check->meta + META_MAX_BUCKET);
    uint32_t high = get32(check->meta + META_HIGH_MASK);

    if ((high & (high + 1)) != 0 || max_bucket > high || max_bucket >= check->page_count ||
        get32(check->meta + META_LOW_MASK) != high >> 1 || max_bucket < high >> 1)
        return damaged;
    for (uint32_t bucket = 0; bucket <= max_bucket; bucket++) {
        uint32_t group = bit_count(bucket);
        uint64_t page;

        if (group >= CHECK_SPARES)
            return damaged;
        page = (uint64_t)bucket + get32(check->meta + META_SPARES + 4 * (size_t)group);
        if (page == 0 || page >= check->page_count || check->links[page].previous != 0 ||
            check->links[page].type == TYPE_OVERFLOW)
            return damaged;
    }
    return NULL;
}

const char *check_file(int fd, uint64_t size)
{
    unsigned char meta[META_SIZE];
    struct check check = {.file_size = size, .meta = meta};
    const char *wrong;

    if (size < sizeof(meta))
        return size == 0 ? "the file is empty" : not_hash;
    if (read_whole(fd, meta, sizeof(meta), 0) == 0)
        return unreadable;
    wrong = check_meta(&check);
    if (wrong != NULL)
        return wrong;
    check.links = calloc(check.page_count, sizeof(check.links[0]));
    if (check.links == NULL)
        return no_memory;
    wrong = check_pages(&check, fd);
    if (wrong == NULL)
        wrong = check_links(&check);
    if (wrong == NULL)
        wrong = check_buckets(&check);
    free(check.links);
    return wrong;
}
