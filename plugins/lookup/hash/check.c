/* SPDX-License-Identifier: ISC */
/*
 * check: the layout is that of Berkeley DB 4.2 to 5.3, in this machine's
 * byte order, without the library's own checksums and encryption, which postmap does not use.
 */
#include "check.h"

#include "pages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_PAGE_MIN 512u
#define CHECK_PAGE_MAX 65536u

static const char cut_off[] = "the file is cut off";
const char check_damaged[] = "the file is damaged";
const char check_no_memory[] = "out of memory";
const char check_unreadable[] = "cannot be read";

int check_read(int fd, unsigned char *buffer, size_t size, uint64_t offset)
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

    if (get32(meta + META_MAGIC) == __builtin_bswap32(check_method.magic))
        return "written on a machine of the other byte order; build it again here";
    if (get32(meta + META_MAGIC) != check_method.magic || meta[META_TYPE] != check_method.meta_type)
        return check_method.foreign;
    if (version < check_method.version_min || version > check_method.version_max || meta[META_ENCRYPTION] != 0 ||
        meta[META_FLAGS] != 0 || get32(meta + META_PARTS) != 0)
        return "not of a version that is read here; build it again with postmap";
    check->page_size = get32(meta + META_PAGE_SIZE);
    if (check->page_size < CHECK_PAGE_MIN || check->page_size > CHECK_PAGE_MAX ||
        (check->page_size & (check->page_size - 1)) != 0)
        return check_damaged;
    if (check->file_size % check->page_size != 0 ||
        check->file_size / check->page_size <= get32(meta + META_LAST_PAGE))
        return cut_off;
    if (check->file_size / check->page_size > UINT32_MAX)
        return check_damaged;
    check->page_count = (uint32_t)(check->file_size / check->page_size);
    return NULL;
}

/* An item that is kept on pages of its own. */
const char *check_overflow_item(const struct check *check, const unsigned char *item)
{
    uint32_t page = get32(item + 4);

    if (page == 0 || page >= check->page_count || get32(item + 8) > check->file_size)
        return check_damaged;
    check->links[page].is_head = 1;
    return NULL;
}

static const char *check_page(const struct check *check, uint32_t number, const unsigned char *page)
{
    struct link *link = &check->links[number];

    link->type = page[PAGE_TYPE];
    link->level = page[PAGE_LEVEL];
    link->previous = get32(page + PAGE_PREVIOUS);
    link->next = get32(page + PAGE_NEXT);
    /* Never written, given back, or of a sort that is in no chain. */
    if (link->type != TYPE_OVERFLOW && !check_method.is_chained(link->type))
        link->previous = link->next = 0;
    if (link->type != TYPE_UNUSED && get32(page + PAGE_NUMBER) != number)
        return check_damaged;
    switch (link->type) {
    case TYPE_UNUSED:
        return get16(page + PAGE_ENTRIES) == 0 ? NULL : check_damaged;
    case TYPE_OVERFLOW:
        return get16(page + PAGE_FREE) <= check->page_size - PAGE_OFFSETS ? NULL : check_damaged;
    default:
        return check_method.is_page(link->type) ? check_method.check_items(check, page) : check_damaged;
    }
}

static const char *check_pages(struct check *check, int fd)
{
    unsigned char *page = malloc(check->page_size);
    const char *wrong = NULL;

    if (page == NULL)
        return check_no_memory;
    for (uint32_t i = 1; i < check->page_count && wrong == NULL; i++) {
        if (check_read(fd, page, check->page_size, (uint64_t)i * check->page_size) == 0)
            wrong = check_unreadable;
        else
            wrong = check_page(check, i, page);
    }
    free(page);
    return wrong;
}

/* Neighbours agree, and what begins a chain has nothing before it: then each chain has an end. */
static const char *check_links(const struct check *check)
{
    for (uint32_t i = 1; i < check->page_count; i++) {
        const struct link *link = &check->links[i];

        if (link->next >= check->page_count || link->previous >= check->page_count)
            return check_damaged;
        if (link->next != 0 && (check->links[link->next].previous != i ||
                                check_method.is_chained(check->links[link->next].type) !=
                                    check_method.is_chained(link->type)))
            return check_damaged;
        if (link->is_head != 0 && (link->type != TYPE_OVERFLOW || link->previous != 0))
            return check_damaged;
    }
    return NULL;
}

const char *check_file(int fd, uint64_t size)
{
    unsigned char meta[META_SIZE];
    struct check check = {.file_size = size, .meta = meta};
    const char *wrong;

    if (size < sizeof(meta))
        return size == 0 ? "the file is empty" : check_method.foreign;
    if (check_read(fd, meta, sizeof(meta), 0) == 0)
        return check_unreadable;
    wrong = check_meta(&check);
    if (wrong != NULL)
        return wrong;
    check.links = calloc(check.page_count, sizeof(check.links[0]));
    if (check.links == NULL)
        return check_no_memory;
    wrong = check_pages(&check, fd);
    if (wrong == NULL)
        wrong = check_links(&check);
    if (wrong == NULL)
        wrong = check_method.check_whole(&check, fd);
    free(check.links);
    return wrong;
}
