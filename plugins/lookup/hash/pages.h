/* SPDX-License-Identifier: ISC */
/*
 * pages: what check.c and the method's own check_method see of a Berkeley DB file.
 */
#ifndef SLUICE_PLUGIN_PAGES_H
#define SLUICE_PLUGIN_PAGES_H

#include <stdint.h>
#include <string.h>

/* Where things are on the first page; a method's own follow. */
#define META_MAGIC 12u
#define META_VERSION 16u
#define META_PAGE_SIZE 20u
#define META_ENCRYPTION 24u
#define META_TYPE 25u
#define META_FLAGS 26u
#define META_LAST_PAGE 32u
#define META_PARTS 36u
#define META_METHOD_FLAGS 48u
#define META_SIZE 224u

/* Where things are on the others. */
#define PAGE_NUMBER 8u
#define PAGE_PREVIOUS 12u
#define PAGE_NEXT 16u
#define PAGE_ENTRIES 20u
#define PAGE_FREE 22u
#define PAGE_LEVEL 24u
#define PAGE_TYPE 25u
#define PAGE_OFFSETS 26u

#define TYPE_UNUSED 0u
#define TYPE_OVERFLOW 7u

#define ITEM_INLINE 1u   /* the bytes themselves */
#define ITEM_OVERFLOW 3u /* page and length of a long one */
#define ITEM_OVERFLOW_SIZE 12u

struct link {
    uint32_t previous, next;
    uint8_t type;
    uint8_t level;
    uint8_t is_head; /* pointed to by an item: must begin a chain */
};

struct check {
    uint32_t page_size, page_count;
    uint64_t file_size;
    const unsigned char *meta;
    struct link *links; /* page_count of them */
};

/* What a method has of its own; texts as check_file. */
struct check_method {
    uint32_t magic;
    uint32_t version_min, version_max;
    uint8_t meta_type;
    const char *foreign; /* what a file of another kind is called */
    int (*is_page)(uint8_t type);    /* one that has items */
    int (*is_chained)(uint8_t type); /* and neighbours that count */
    const char *(*check_items)(const struct check *check, const unsigned char *page);
    /* Every page has been looked at, and chains have an end: do they make a whole table? */
    const char *(*check_whole)(const struct check *check, int fd);
};

extern const struct check_method check_method;
extern const char check_damaged[], check_unreadable[], check_no_memory[];

/* The page and length of a long item; marks its page as the head of a chain. */
const char *check_overflow_item(const struct check *check, const unsigned char *item);
int check_read(int fd, unsigned char *buffer, size_t size, uint64_t offset); /* 1: all of it */

static inline uint32_t get32(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t get16(const unsigned char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

#endif /* SLUICE_PLUGIN_PAGES_H */
