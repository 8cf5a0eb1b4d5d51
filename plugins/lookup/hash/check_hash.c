/* SPDX-License-Identifier: ISC */
/*
 * check_hash: the items and buckets of a hash file (versions 8 and 9).
 */
#include "pages.h"

#define META_MAX_BUCKET 72u
#define META_HIGH_MASK 76u
#define META_LOW_MASK 80u
#define META_SPARES 96u
#define SPARES 32u

#define TYPE_HASH_UNSORTED 2u
#define TYPE_HASH 13u

static int is_page(uint8_t type)
{
    return type == TYPE_HASH || type == TYPE_HASH_UNSORTED;
}

/* Items are laid down from the end of the page; each one's offset is below the one before. */
static const char *check_items(const struct check *check, const unsigned char *page)
{
    uint32_t count = get16(page + PAGE_ENTRIES);
    uint32_t floor = PAGE_OFFSETS + 2 * count;
    uint32_t end = check->page_size;

    if (count % 2 != 0 || floor > check->page_size)
        return check_damaged;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = get16(page + PAGE_OFFSETS + 2 * i);
        const char *wrong = NULL;

        if (offset < floor || offset >= end)
            return check_damaged;
        if (page[offset] == ITEM_OVERFLOW && end - offset >= ITEM_OVERFLOW_SIZE)
            wrong = check_overflow_item(check, page + offset);
        else if (page[offset] != ITEM_INLINE)
            wrong = check_damaged;
        if (wrong != NULL)
            return wrong;
        end = offset;
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
static const char *check_buckets(const struct check *check, int fd)
{
    uint32_t max_bucket = get32(check->meta + META_MAX_BUCKET);
    uint32_t high = get32(check->meta + META_HIGH_MASK);

    (void)fd;
    if ((high & (high + 1)) != 0 || max_bucket > high || max_bucket >= check->page_count ||
        get32(check->meta + META_LOW_MASK) != high >> 1 || max_bucket < high >> 1)
        return check_damaged;
    for (uint32_t bucket = 0; bucket <= max_bucket; bucket++) {
        uint32_t group = bit_count(bucket);
        uint64_t page;

        if (group >= SPARES)
            return check_damaged;
        page = (uint64_t)bucket + get32(check->meta + META_SPARES + 4 * (size_t)group);
        if (page == 0 || page >= check->page_count || check->links[page].previous != 0 ||
            check->links[page].type == TYPE_OVERFLOW)
            return check_damaged;
    }
    return NULL;
}

const struct check_method check_method = {
    .magic = 0x061561u,
    .version_min = 8,
    .version_max = 9,
    .meta_type = 8,
    .foreign = "not a Berkeley DB hash file",
    .is_page = is_page,
    .is_chained = is_page,
    .check_items = check_items,
    .check_whole = check_buckets,
};
