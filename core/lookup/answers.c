/* SPDX-License-Identifier: ISC */
/* answers: see answers.h. */
#include "lookup/answers.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ENTRY_OVERHEAD 48 /* of the heap, and the entry's part of the hash's buckets */

struct entry {
    sluice_status status;
    int64_t since_ms;
    int64_t until_ms;
    size_t key_len;
    size_t value_len;
    struct entry *prev; /* asked for more recently */
    struct entry *next;
    UT_hash_handle hh;
    char bytes[]; /* key, value */
};

struct answers {
    struct answers_limits limits;
    struct entry *by_key;
    struct entry *latest; /* asked for last; then the others in that order */
    size_t bytes;
};

sluice_status answers_new(const struct answers_limits *limits, struct answers **ret_answers)
{
    struct answers *answers = calloc(1, sizeof(*answers));

    if (answers == NULL)
        return SLUICE_TEMP;
    answers->limits = *limits;
    *ret_answers = answers;
    return SLUICE_OK;
}

static size_t cost(size_t key_len, size_t value_len)
{
    return sizeof(struct entry) + ENTRY_OVERHEAD + key_len + value_len;
}

static void drop(struct answers *answers, struct entry *entry)
{
    HASH_DEL(answers->by_key, entry);
    DL_DELETE(answers->latest, entry);
    answers->bytes -= cost(entry->key_len, entry->value_len);
    free(entry);
}

void answers_free(struct answers *answers)
{
    if (answers == NULL)
        return;
    (void)answers_forget_all(answers);
    free(answers);
}

static struct entry *find(const struct answers *answers, struct sluice_span key)
{
    struct entry *entry = NULL;

    HASH_FIND(hh, answers->by_key, key.ptr, key.len, entry);
    return entry;
}

sluice_status answers_find(struct answers *answers, struct sluice_span key, int64_t now_ms,
                           struct sluice_span *ret_value)
{
    struct entry *entry = find(answers, key);

    if (entry == NULL)
        return SLUICE_TEMP;
    if (now_ms >= entry->until_ms) {
        drop(answers, entry);
        return SLUICE_TEMP;
    }
    DL_DELETE(answers->latest, entry);
    DL_PREPEND(answers->latest, entry);
    if (entry->status == SLUICE_OK)
        *ret_value =
            (struct sluice_span){.ptr = entry->bytes + entry->key_len, .len = entry->value_len};
    return entry->status;
}

static struct entry *entry_new(struct sluice_span key, sluice_status status,
                               struct sluice_span value)
{
    struct entry *entry = calloc(1, sizeof(*entry) + key.len + value.len);

    if (entry == NULL)
        return NULL;
    entry->status = status;
    entry->key_len = key.len;
    entry->value_len = value.len;
    memcpy(entry->bytes, key.ptr, key.len);
    if (value.len > 0)
        memcpy(entry->bytes + key.len, value.ptr, value.len);
    return entry;
}

void answers_put(struct answers *answers, struct sluice_span key, sluice_status status,
                 struct sluice_span value, int64_t now_ms)
{
    int64_t lifetime_ms =
        status == SLUICE_OK ? answers->limits.positive_ms : answers->limits.negative_ms;
    struct entry *entry = find(answers, key);

    if (entry != NULL)
        drop(answers, entry);
    if (lifetime_ms == 0 || cost(key.len, value.len) > answers->limits.bytes_max)
        return;
    entry = entry_new(key, status, value);
    if (entry == NULL)
        return;
    entry->since_ms = now_ms;
    entry->until_ms = now_ms + lifetime_ms;
    HASH_ADD_KEYPTR(hh, answers->by_key, entry->bytes, entry->key_len, entry);
    if (!hash_has(entry)) {
        free(entry);
        return;
    }
    DL_PREPEND(answers->latest, entry);
    answers->bytes += cost(key.len, value.len);
    while (answers->bytes > answers->limits.bytes_max)
        drop(answers, answers->latest->prev); /* utlist: the head's is the tail */
}

size_t answers_forget(struct answers *answers, struct sluice_span key)
{
    struct entry *entry = find(answers, key);

    if (entry == NULL)
        return 0;
    drop(answers, entry);
    return 1;
}

size_t answers_forget_all(struct answers *answers)
{
    size_t count = answers_count(answers);

    while (answers->latest != NULL)
        drop(answers, answers->latest);
    return count;
}

size_t answers_count(const struct answers *answers)
{
    return HASH_COUNT(answers->by_key);
}

size_t answers_bytes(const struct answers *answers)
{
    return answers->bytes;
}

int64_t answers_age(const struct answers *answers, struct sluice_span key, int64_t now_ms)
{
    const struct entry *entry = find(answers, key);

    return entry != NULL ? now_ms - entry->since_ms : 0;
}
