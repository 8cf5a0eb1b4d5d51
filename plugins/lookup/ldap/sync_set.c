/* SPDX-License-Identifier: ISC */
/* sync_set: see sync_set.h. */
#include "sync_set.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* What malloc and the tables take beside the bytes of an item: estimated, and measured as enough. */
#define ITEM_OVERHEAD 32

struct sync_row {
    struct sluice_span key;
    struct sync_entry *entry;
    struct sync_row *prev; /* rows with the same key: the first one is in the table */
    struct sync_row *next;
    UT_hash_handle hh;
};

/* One piece of memory: rows, then values, each behind its length, then keys. */
struct sync_entry {
    char uuid[SYNC_UUID_LEN];
    uint64_t order;   /* of arrival */
    uint64_t round;   /* of the refresh in which the server named it last */
    uint64_t content; /* its part of the generation */
    size_t size;
    size_t row_count;
    size_t values_len;
    UT_hash_handle hh;
    struct sync_row rows[];
};

struct sync_set {
    struct sync_entry *entries;
    struct sync_row *keys;
    uint64_t last_order;
    uint64_t round;
    uint64_t generation;
    size_t bytes;
    bool has_no_memory; /* for all that belongs in it */
};

struct sync_set *sync_set_new(void)
{
    return calloc(1, sizeof(struct sync_set));
}

void sync_set_begin(struct sync_set *set)
{
    set->round++;
}

uint64_t sync_set_generation(const struct sync_set *set)
{
    return set->generation;
}

bool sync_set_is_whole(const struct sync_set *set)
{
    return !set->has_no_memory;
}

size_t sync_set_count(const struct sync_set *set)
{
    return HASH_COUNT(set->entries);
}

size_t sync_set_bytes(const struct sync_set *set)
{
    return set->bytes;
}

/* ---- bytes of an entry ------------------------------------------------------------------------ */

static char *values_of(struct sync_entry *entry)
{
    return (char *)&entry->rows[entry->row_count];
}

static struct sluice_span trimmed(struct sluice_span key)
{
    while (key.len > 0 && key.ptr[0] == ' ')
        key = (struct sluice_span){key.ptr + 1, key.len - 1};
    while (key.len > 0 && key.ptr[key.len - 1] == ' ')
        key.len--;
    return key;
}

static size_t copy_values(char *to, const struct sluice_span *values, size_t count)
{
    size_t end = 0;

    for (size_t i = 0; i < count; i++) {
        if (to != NULL) {
            memcpy(to + end, &values[i].len, sizeof(values[i].len));
            memcpy(to + end + sizeof(values[i].len), values[i].ptr, values[i].len);
        }
        end += sizeof(values[i].len) + values[i].len;
    }
    return end;
}

static void fold(char *to, struct sluice_span key)
{
    for (size_t i = 0; i < key.len; i++)
        to[i] =
            key.ptr[i] >= 'A' && key.ptr[i] <= 'Z' ? (char)(key.ptr[i] - 'A' + 'a') : key.ptr[i];
}

/* FNV-1a, of the keys and values of an entry: a sum over all entries does not depend on their order. */
static uint64_t digest(const char *bytes, size_t len)
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static struct sync_entry *entry_new(const char uuid[SYNC_UUID_LEN], const struct sluice_span *keys,
                                    size_t key_count, const struct sluice_span *values,
                                    size_t value_count)
{
    size_t values_len = copy_values(NULL, values, value_count);
    size_t size = sizeof(struct sync_entry) + key_count * sizeof(struct sync_row) + values_len;
    struct sync_entry *entry;
    char *at;

    for (size_t i = 0; i < key_count; i++)
        size += trimmed(keys[i]).len;
    entry = calloc(1, size);
    if (entry == NULL)
        return NULL;
    memcpy(entry->uuid, uuid, SYNC_UUID_LEN);
    entry->size = size;
    entry->row_count = key_count;
    entry->values_len = copy_values(values_of(entry), values, value_count);
    at = values_of(entry) + values_len;
    for (size_t i = 0; i < key_count; i++) {
        struct sluice_span key = trimmed(keys[i]);

        fold(at, key);
        entry->rows[i] = (struct sync_row){.key = {at, key.len}, .entry = entry};
        at += key.len;
    }
    entry->content = digest(values_of(entry), (size_t)(at - values_of(entry)));
    return entry;
}

/* ---- under its keys --------------------------------------------------------------------------- */

/* The row that is found by its key. The one before it goes only then: a table that is not empty needs no
 * memory to begin. */
static void put_first(struct sync_set *set, struct sync_row *row, struct sync_row *before)
{
    HASH_ADD_KEYPTR(hh, set->keys, row->key.ptr, row->key.len, row);
    if (row->hh.tbl == NULL)
        set->has_no_memory = true;
    if (before != NULL)
        HASH_DEL(set->keys, before);
}

static struct sync_row *first_row(const struct sync_set *set, struct sluice_span key)
{
    struct sync_row *row = NULL;

    HASH_FIND(hh, set->keys, key.ptr, key.len, row);
    return row;
}

/* An entry stands once under a key, however often it has it. */
static void link_row(struct sync_set *set, struct sync_row *row)
{
    struct sync_row *first = first_row(set, row->key);
    struct sync_row *head = first;
    struct sync_row *before = first != NULL ? first->prev : NULL; /* the last: most come in order */

    while (before != first && before->entry->order > row->entry->order)
        before = before->prev;
    if (before == NULL || before->entry->order > row->entry->order) {
        DL_PREPEND(head, row);
        put_first(set, row, first);
    } else if (before->entry != row->entry) {
        DL_APPEND_ELEM(head, before, row);
    }
}

static void unlink_row(struct sync_set *set, struct sync_row *row)
{
    struct sync_row *head = first_row(set, row->key);

    if (row->prev == NULL)
        return; /* another row of the entry has the same key */
    if (head == row && row->next != NULL)
        put_first(set, row->next, row);
    else if (head == row)
        HASH_DEL(set->keys, row);
    DL_DELETE(head, row);
}

static struct sync_entry *find_entry(const struct sync_set *set, const char uuid[SYNC_UUID_LEN])
{
    struct sync_entry *entry = NULL;

    HASH_FIND(hh, set->entries, uuid, SYNC_UUID_LEN, entry);
    return entry;
}

static size_t cost(const struct sync_entry *entry)
{
    return entry->size + ITEM_OVERHEAD * (1 + entry->row_count);
}

static void drop(struct sync_set *set, struct sync_entry *entry)
{
    for (size_t i = 0; i < entry->row_count; i++)
        unlink_row(set, &entry->rows[i]);
    HASH_DEL(set->entries, entry);
    set->bytes -= cost(entry);
    set->generation -= entry->content;
    free(entry);
}

void sync_set_free(struct sync_set *set)
{
    struct sync_entry *entry;
    struct sync_entry *next;

    if (set == NULL)
        return;
    HASH_CLEAR(hh, set->keys);
    HASH_ITER(hh, set->entries, entry, next)
    {
        HASH_DEL(set->entries, entry);
        free(entry);
    }
    free(set);
}

static void add(struct sync_set *set, struct sync_entry *entry)
{
    HASH_ADD(hh, set->entries, uuid, SYNC_UUID_LEN, entry);
    if (entry->hh.tbl == NULL) {
        set->has_no_memory = true;
        free(entry);
        return;
    }
    set->bytes += cost(entry);
    set->generation += entry->content;
    for (size_t i = 0; i < entry->row_count; i++)
        link_row(set, &entry->rows[i]);
}

/* ---- changes ---------------------------------------------------------------------------------- */

void sync_set_put(struct sync_set *set, const char uuid[SYNC_UUID_LEN],
                  const struct sluice_span *keys, size_t key_count,
                  const struct sluice_span *values, size_t value_count)
{
    struct sync_entry *old = find_entry(set, uuid);
    uint64_t order = old != NULL ? old->order : ++set->last_order;
    struct sync_entry *entry;

    if (old != NULL)
        drop(set, old);
    if (key_count == 0 || value_count == 0)
        return;
    entry = entry_new(uuid, keys, key_count, values, value_count);
    if (entry == NULL) {
        set->has_no_memory = true;
        return;
    }
    entry->order = order;
    entry->round = set->round;
    add(set, entry);
}

void sync_set_see(struct sync_set *set, const char uuid[SYNC_UUID_LEN])
{
    struct sync_entry *entry = find_entry(set, uuid);

    if (entry != NULL)
        entry->round = set->round;
}

void sync_set_remove(struct sync_set *set, const char uuid[SYNC_UUID_LEN])
{
    struct sync_entry *entry = find_entry(set, uuid);

    if (entry != NULL)
        drop(set, entry);
}

void sync_set_remove_unseen(struct sync_set *set)
{
    struct sync_entry *entry;
    struct sync_entry *next;

    HASH_ITER(hh, set->entries, entry, next)
    {
        if (entry->round != set->round)
            drop(set, entry);
    }
}

/* ---- asking ----------------------------------------------------------------------------------- */

const struct sync_row *sync_set_find(const struct sync_set *set, struct sluice_span key)
{
    return first_row(set, key);
}

const struct sync_row *sync_row_next(const struct sync_row *row)
{
    return row->next;
}

bool sync_row_value(const struct sync_row *row, size_t *at, struct sluice_span *ret_value)
{
    const char *values = values_of(row->entry);

    if (*at >= row->entry->values_len)
        return false;
    memcpy(&ret_value->len, values + *at, sizeof(ret_value->len));
    ret_value->ptr = values + *at + sizeof(ret_value->len);
    *at += sizeof(ret_value->len) + ret_value->len;
    return true;
}
