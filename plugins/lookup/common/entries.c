/* SPDX-License-Identifier: ISC */
/* entries: see entries.h. */
#include "entries.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
    char *value;
    size_t value_len;
    UT_hash_handle hh;
    char key[];
};

struct entries {
    struct entry *by_key;
};

struct entries *entries_new(void)
{
    return calloc(1, sizeof(struct entries));
}

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    free(entry->value);
    free(entry);
}

void entries_free(struct entries *entries)
{
    struct entry *entry;
    struct entry *next;

    if (entries == NULL)
        return;
    HASH_ITER(hh, entries->by_key, entry, next)
    {
        HASH_DEL(entries->by_key, entry);
        entry_free(entry);
    }
    free(entries);
}

/* NULL: no memory. */
static char *copy_of(struct sluice_span text)
{
    char *copy = malloc(text.len + 1);

    if (copy != NULL && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static struct entry *entry_new(struct sluice_span key, char *value, size_t value_len)
{
    struct entry *entry = calloc(1, sizeof(*entry) + key.len + 1);

    if (entry == NULL)
        return NULL;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];

        entry->key[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    entry->value = value;
    entry->value_len = value_len;
    return entry;
}

/* Takes the entry. */
static sluice_status insert(struct entries *entries, struct entry *entry, size_t key_len,
                            bool replace)
{
    struct entry *old = NULL;

    HASH_FIND(hh, entries->by_key, entry->key, key_len, old);
    if (old != NULL && !replace) {
        entry_free(entry);
        return SLUICE_NOT_FOUND;
    }
    if (old != NULL) {
        HASH_DEL(entries->by_key, old);
        entry_free(old);
    }
    HASH_ADD_KEYPTR(hh, entries->by_key, entry->key, key_len, entry);
    if (entry->hh.tbl == NULL) { /* what uthash says when there is no memory */
        entry_free(entry);
        return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

sluice_status entries_add(struct entries *entries, struct sluice_span key, struct sluice_span value,
                          bool replace)
{
    char *value_copy = copy_of(value);
    struct entry *entry = value_copy != NULL ? entry_new(key, value_copy, value.len) : NULL;

    if (entry == NULL) {
        free(value_copy);
        return SLUICE_TEMP;
    }
    return insert(entries, entry, key.len, replace);
}

sluice_status entries_find(const struct entries *entries, struct sluice_span key,
                           const struct sluice_lookup_sink *sink)
{
    struct entry *entry = NULL;

    if (key.len > 0)
        HASH_FIND(hh, entries->by_key, key.ptr, key.len, entry);
    if (entry == NULL)
        return SLUICE_NOT_FOUND;
    sink->value(sink, (struct sluice_span){entry->value, entry->value_len});
    return SLUICE_OK;
}

sluice_status entries_list(const struct entries *entries,
                           const struct sluice_lookup_entry_sink *sink)
{
    for (struct entry *entry = entries->by_key; entry != NULL; entry = entry->hh.next) {
        struct sluice_span key = {entry->key, entry->hh.keylen};
        sluice_status st =
            sink->entry(sink, key, (struct sluice_span){entry->value, entry->value_len});

        if (st != SLUICE_OK)
            return st;
    }
    return SLUICE_OK;
}
