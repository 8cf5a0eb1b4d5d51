/* SPDX-License-Identifier: ISC */
#include "deliver/cache.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "task/task.h"

#include <stdlib.h>
#include <utlist.h>

#define CACHE_CONNECTIONS_MAX 500 /* each may hold a socket and some buffers */
#define CACHE_KEY_SIZE 160        /* transport, address, port; a longer one is not kept */

struct entry {
    struct entry *next; /* of the same key, the latest first */
    struct entry *prev;
    struct entry *older_next; /* of all, the oldest first */
    struct entry *older_prev;
    struct bucket *bucket;
    struct transport *transport;
    struct sluice_connection *connection;
    int64_t expires_ms;
};

struct bucket {
    UT_hash_handle hh;
    struct entry *entries;
    char key[CACHE_KEY_SIZE];
};

struct cache {
    int64_t time_limit_ms;
    struct bucket *buckets;
    struct entry *oldest;
    size_t count;
    struct task *sweeper; /* NULL while the cache is empty */
    bool is_closing;
};

static bool make_key(const struct transport *transport, const struct host *host, char *key)
{
    struct text text = text_open(key, CACHE_KEY_SIZE);

    text_add(&text, transport_name(transport));
    text_add(&text, " ");
    text_add(&text, host->address);
    text_add(&text, " ");
    text_add_number(&text, host->port, 1);
    return !text.is_cut;
}

/* Takes the entry out of all lists; returns its connection and frees it. */
static struct sluice_connection *entry_remove(struct cache *cache, struct entry *entry)
{
    struct sluice_connection *connection = entry->connection;
    struct bucket *bucket = entry->bucket;

    DL_DELETE(bucket->entries, entry);
    DL_DELETE2(cache->oldest, entry, older_prev, older_next);
    cache->count--;
    if (bucket->entries == NULL) {
        HASH_DEL(cache->buckets, bucket);
        free(bucket);
    }
    free(entry);
    return connection;
}

static void end_oldest(struct cache *cache)
{
    struct transport *transport = cache->oldest->transport;

    transport_disconnect(transport, entry_remove(cache, cache->oldest));
}

static void sweep(void *arg)
{
    struct cache *cache = arg;

    while (cache->oldest != NULL && !cache->is_closing) {
        if (cache->oldest->expires_ms <= clock_monotonic_ms())
            end_oldest(cache);
        else if (task_sleep_until(cache->oldest->expires_ms) != SLUICE_OK)
            break;
    }
    cache->sweeper = NULL;
}

sluice_status cache_new(int64_t time_limit_ms, struct cache **ret_cache, struct error *err)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (cache == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    cache->time_limit_ms = time_limit_ms;
    *ret_cache = cache;
    return SLUICE_OK;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    cache->is_closing = true;
    while (cache->oldest != NULL)
        end_oldest(cache);
    if (cache->sweeper != NULL)
        task_cancel(cache->sweeper);
    while (cache->sweeper != NULL)
        task_yield();
    free(cache);
}

struct sluice_connection *cache_take(struct cache *cache, struct transport *transport,
                                     const struct host *host)
{
    char key[CACHE_KEY_SIZE];
    struct bucket *bucket = NULL;

    if (make_key(transport, host, key))
        HASH_FIND_STR(cache->buckets, key, bucket);
    return bucket != NULL ? entry_remove(cache, bucket->entries) : NULL;
}

static struct bucket *find_or_add_bucket(struct cache *cache, const char *key)
{
    struct bucket *bucket;

    HASH_FIND_STR(cache->buckets, key, bucket);
    if (bucket != NULL)
        return bucket;
    bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL)
        return NULL;
    memcpy(bucket->key, key, CACHE_KEY_SIZE);
    HASH_ADD_STR(cache->buckets, key, bucket);
    if (!hash_has(bucket)) {
        free(bucket);
        return NULL;
    }
    return bucket;
}

static bool entry_add(struct cache *cache, struct transport *transport, const struct host *host,
                      struct sluice_connection *connection)
{
    char key[CACHE_KEY_SIZE] = {0};
    struct bucket *bucket;
    struct entry *entry;

    if (!make_key(transport, host, key))
        return false;
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return false;
    bucket = find_or_add_bucket(cache, key);
    if (bucket == NULL) {
        free(entry);
        return false;
    }
    entry->bucket = bucket;
    entry->transport = transport;
    entry->connection = connection;
    entry->expires_ms = clock_monotonic_ms() + cache->time_limit_ms;
    DL_PREPEND(bucket->entries, entry);
    DL_APPEND2(cache->oldest, entry, older_prev, older_next);
    cache->count++;
    return true;
}

void cache_put(struct cache *cache, struct transport *transport, const struct host *host,
               struct sluice_connection *connection)
{
    if (cache->is_closing || cache->time_limit_ms == 0 ||
        !entry_add(cache, transport, host, connection)) {
        transport_disconnect(transport, connection);
        return;
    }
    if (cache->count > CACHE_CONNECTIONS_MAX)
        end_oldest(cache);
    if (cache->sweeper == NULL &&
        task_start("connection cache", sweep, cache, &cache->sweeper) != SLUICE_OK)
        end_oldest(cache); /* nobody would end it in time */
}
