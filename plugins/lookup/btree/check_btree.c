/* SPDX-License-Identifier: ISC */
/*
 * check_btree: the items and the tree of a B-tree file (versions 8 and 9). Its keys are not sorted
 * anew: what is looked at is that each page leads to pages that are there, and down.
 */
#include "pages.h"

#include <stdlib.h>

#define META_ROOT 88u

#define TYPE_INTERNAL 3u
#define TYPE_LEAF 5u
#define LEVEL_LEAF 1u

/* An item of a leaf, and one of an internal page. */
#define ITEM_LENGTH 0u
#define ITEM_TYPE 2u
#define ITEM_DELETED 0x80u
#define LEAF_DATA 3u
#define INTERNAL_PAGE 4u
#define INTERNAL_DATA 12u

static int is_page(uint8_t type)
{
    return type == TYPE_INTERNAL || type == TYPE_LEAF;
}

/* The library does not keep the neighbours of internal pages. */
static int is_leaf(uint8_t type)
{
    return type == TYPE_LEAF;
}

/* room: bytes from the item to the end of the page; data: where its bytes begin. */
static const char *check_item(const struct check *check, const unsigned char *item, uint32_t room,
                              uint32_t data)
{
    const unsigned char *overflow = data == LEAF_DATA ? item : item + data;

    if (room < data)
        return check_damaged;
    switch (item[ITEM_TYPE] & ~ITEM_DELETED) {
    case ITEM_INLINE:
        return get16(item + ITEM_LENGTH) <= room - data ? NULL : check_damaged;
    case ITEM_OVERFLOW:
        if (room < (uint32_t)(overflow - item) + ITEM_OVERFLOW_SIZE)
            return check_damaged;
        return check_overflow_item(check, overflow);
    default:
        return check_damaged;
    }
}

static const char *check_items(const struct check *check, const unsigned char *page)
{
    int has_values = is_leaf(page[PAGE_TYPE]);
    uint32_t count = get16(page + PAGE_ENTRIES);
    uint32_t floor = PAGE_OFFSETS + 2 * count;

    if (floor > check->page_size || (has_values && count % 2 != 0) ||
        (page[PAGE_LEVEL] == LEVEL_LEAF) != has_values)
        return check_damaged;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = get16(page + PAGE_OFFSETS + 2 * i);
        const char *wrong;

        if (offset < floor || offset >= check->page_size)
            return check_damaged;
        wrong = check_item(check, page + offset, check->page_size - offset,
                           has_values ? LEAF_DATA : INTERNAL_DATA);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* Each child is one level below; a leaf is in the tree once, and the first one begins the chain. */
static const char *check_children(const struct check *check, uint32_t number,
                                  const unsigned char *page, uint8_t *parents)
{
    uint32_t count = get16(page + PAGE_ENTRIES);

    if (count == 0)
        return check_damaged;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t child = get32(page + get16(page + PAGE_OFFSETS + 2 * i) + INTERNAL_PAGE);

        if (child == 0 || child >= check->page_count || parents[child] != 0 ||
            !is_page(check->links[child].type) ||
            check->links[child].level + 1u != check->links[number].level)
            return check_damaged;
        parents[child] = 1;
    }
    return NULL;
}

/* Every page with items is the root or has one parent, and so each key has its one way down. */
static const char *check_parents(const struct check *check, uint32_t root, const uint8_t *parents)
{
    for (uint32_t i = 1; i < check->page_count; i++) {
        if (is_page(check->links[i].type) && (parents[i] != 0) == (i == root))
            return check_damaged;
    }
    return NULL;
}

static const char *walk(const struct check *check, int fd, unsigned char *page, uint8_t *parents)
{
    uint32_t root = get32(check->meta + META_ROOT);

    if (root == 0 || root >= check->page_count || !is_page(check->links[root].type) ||
        get32(check->meta + META_METHOD_FLAGS) != 0)
        return check_damaged;
    for (uint32_t i = 1; i < check->page_count; i++) {
        const char *wrong;

        if (check->links[i].type != TYPE_INTERNAL)
            continue;
        if (check_read(fd, page, check->page_size, (uint64_t)i * check->page_size) == 0)
            return check_unreadable;
        wrong = check_items(check, page); /* it may be another one by now */
        if (wrong == NULL)
            wrong = check_children(check, i, page, parents);
        if (wrong != NULL)
            return wrong;
    }
    return check_parents(check, root, parents);
}

static const char *check_tree(const struct check *check, int fd)
{
    unsigned char *page = malloc(check->page_size);
    uint8_t *parents = calloc(check->page_count, 1);
    const char *wrong = check_no_memory;

    if (page != NULL && parents != NULL)
        wrong = walk(check, fd, page, parents);
    free(page);
    free(parents);
    return wrong;
}

const struct check_method check_method = {
    .magic = 0x053162u,
    .version_min = 8,
    .version_max = 9,
    .meta_type = 9,
    .foreign = "not a Berkeley DB B-tree file",
    .is_page = is_page,
    .is_chained = is_leaf,
    .check_items = check_items,
    .check_whole = check_tree,
};
