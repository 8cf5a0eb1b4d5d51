/* SPDX-License-Identifier: ISC */
/* answers: see answers.h. */
#include "route/answers.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ENTRY_OVERHEAD 48 /* of the heap, and the entry's part of the hash's buckets */

struct entry {
    struct answers_kept kept; /* its value is behind the key */
    size_t key_len;
    struct entry *prev; /* asked for more recently */
    struct entry *next;
    UT_hash_handle hh;
    char bytes[]; /* key, value */
};

struct answers {
    size_t bytes_max;
    struct entry *by_key;
    struct entry *latest; /* asked for last; then the others in that order */
    size_t bytes;
};

sluice_status answers_new(size_t bytes_max, struct answers **ret_answers)
{
    struct answers *answers = calloc(1, sizeof(*answers));

    if (answers == NULL)
        return SLUICE_TEMP;
    answers->bytes_max = bytes_max;
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
    answers->bytes -= cost(entry->key_len, entry->kept.value.len);
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
                           struct answers_kept *ret_kept)
{
    struct entry *entry = find(answers, key);

    if (entry == NULL)
        return SLUICE_TEMP;
    if (now_ms >= entry->kept.until_ms) {
        drop(answers, entry);
        return SLUICE_TEMP;
    }
    DL_DELETE(answers->latest, entry);
    DL_PREPEND(answers->latest, entry);
    *ret_kept = entry->kept;
    return entry->kept.status;
}

static struct entry *entry_new(struct sluice_span key, const struct answers_kept *kept)
{
    struct entry *entry = calloc(1, sizeof(*entry) + key.len + kept->value.len);

    if (entry == NULL)
        return NULL;
    entry->kept = *kept;
    entry->kept.value.ptr = entry->bytes + key.len;
    entry->key_len = key.len;
    memcpy(entry->bytes, key.ptr, key.len);
    if (kept->value.len > 0)
        memcpy(entry->bytes + key.len, kept->value.ptr, kept->value.len);
    return entry;
}

void answers_put(struct answers *answers, struct sluice_span key, const struct answers_kept *kept)
{
    size_t bytes = cost(key.len, kept->value.len);
    struct entry *entry;

    (void)answers_forget(answers, key);
    if (kept->until_ms <= kept->since_ms || bytes > answers->bytes_max)
        return;
    entry = entry_new(key, kept);
    if (entry == NULL)
        return;
    HASH_ADD_KEYPTR(hh, answers->by_key, entry->bytes, entry->key_len, entry);
    if (!hash_has(entry)) {
        free(entry);
        return;
    }
    DL_PREPEND(answers->latest, entry);
    answers->bytes += bytes;
    while (answers->bytes > answers->bytes_max)
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
