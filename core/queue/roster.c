/* SPDX-License-Identifier: ISC */
/*
 * roster: with n buckets, 2^k <= n < 2^(k+1), those below n - 2^k and from 2^k on are told by k + 1
 * bits of the id, the others by k. One more bucket takes its share out of one other; the last one,
 * when it goes, gives it back.
 */
#include "queue/roster.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#define BUCKETS_MIN ((size_t)64)
#define MESSAGES_PER_BUCKET 2

void roster_init(struct roster *roster)
{
    *roster = (struct roster){.count = 0};
    slab_init(&roster->memory, sizeof(struct queue_message));
}

void roster_done(struct roster *roster)
{
    assert(roster->count == 0);
    free(roster->buckets);
    slab_done(&roster->memory);
}

/* The highest power of two that is not above the count. */
static size_t half_of(size_t bucket_count)
{
    return (size_t)1 << (63 - __builtin_clzll(bucket_count));
}

static struct queue_message **bucket_of(const struct roster *roster, uint64_t id)
{
    size_t half = half_of(roster->bucket_count);
    size_t number = id & (2 * half - 1);

    if (number >= roster->bucket_count)
        number -= half;
    return &roster->buckets[number];
}

/* Without memory the buckets only become longer. */
static bool reserve(struct roster *roster, size_t capacity)
{
    struct queue_message **buckets =
        reallocarray(roster->buckets, capacity, sizeof(struct queue_message *));

    if (buckets == NULL)
        return false;
    roster->buckets = buckets;
    roster->capacity = capacity;
    return true;
}

static void move_all(struct roster *roster, struct queue_message *list)
{
    while (list != NULL) {
        struct queue_message *message = list;
        struct queue_message **bucket = bucket_of(roster, message->id);

        list = message->next_of_bucket;
        message->next_of_bucket = *bucket;
        *bucket = message;
    }
}

static void add_bucket(struct roster *roster)
{
    if (roster->bucket_count == roster->capacity && !reserve(roster, 2 * roster->capacity))
        return;
    struct queue_message **split =
        &roster->buckets[roster->bucket_count - half_of(roster->bucket_count)];
    struct queue_message *list = *split;
    *split = NULL;
    roster->buckets[roster->bucket_count++] = NULL;
    move_all(roster, list);
}

static void drop_bucket(struct roster *roster)
{
    struct queue_message *list = roster->buckets[--roster->bucket_count];

    move_all(roster, list);
    if (roster->bucket_count <= roster->capacity / 4)
        (void)reserve(roster, roster->capacity / 2);
}

static bool make_buckets(struct roster *roster)
{
    if (roster->buckets != NULL)
        return true;
    if (!reserve(roster, BUCKETS_MIN))
        return false;
    for (size_t i = 0; i < BUCKETS_MIN; i++)
        roster->buckets[i] = NULL;
    roster->bucket_count = BUCKETS_MIN;
    return true;
}

struct queue_message *roster_find(const struct roster *roster, uint64_t id)
{
    struct queue_message *message = roster->buckets != NULL ? *bucket_of(roster, id) : NULL;

    while (message != NULL && message->id != id)
        message = message->next_of_bucket;
    return message;
}

struct queue_message *roster_add(struct roster *roster, uint64_t id)
{
    if (!make_buckets(roster))
        return NULL;
    struct queue_message *message = slab_take(&roster->memory);
    if (message == NULL)
        return NULL;
    if (roster->count >= roster->bucket_count * MESSAGES_PER_BUCKET)
        add_bucket(roster);
    struct queue_message **bucket = bucket_of(roster, id);
    message->id = id;
    message->next_of_bucket = *bucket;
    *bucket = message;
    DL_APPEND(roster->first, message);
    roster->count++;
    return message;
}

void roster_remove(struct roster *roster, struct queue_message *message)
{
    LL_DELETE2(*bucket_of(roster, message->id), message, next_of_bucket);
    DL_DELETE(roster->first, message);
    slab_give(&roster->memory, message);
    roster->count--;
    if (roster->bucket_count > BUCKETS_MIN &&
        roster->count < (roster->bucket_count - 1) * MESSAGES_PER_BUCKET)
        drop_bucket(roster);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* An array of pointers would make qsort read each message log n times. */
struct placed {
    int64_t arrival_ms;
    struct queue_message *message;
};

static int by_arrival(const void *a, const void *b)
{
    const struct placed *left = a;
    const struct placed *right = b;

    return left->arrival_ms < right->arrival_ms ? -1 : left->arrival_ms > right->arrival_ms;
}

static bool is_sorted(const struct roster *roster)
{
    const struct queue_message *message = roster->first;

    while (message != NULL && message->next != NULL) {
        if (message->next->arrival_ms < message->arrival_ms)
            return false;
        message = message->next;
    }
    return true;
}

/* DL_SORT walks the list again and again: 13 s for a million messages in no order, this 0.5 s. */
sluice_status roster_sort(struct roster *roster)
{
    struct queue_message *message;
    size_t count = 0;

    if (is_sorted(roster))
        return SLUICE_OK;
    struct placed *list = calloc(roster->count, sizeof(*list));
    if (list == NULL)
        return SLUICE_TEMP;
    DL_FOREACH(roster->first, message)
    list[count++] = (struct placed){message->arrival_ms, message};
    qsort(list, count, sizeof(*list), by_arrival);
    roster->first = NULL;
    for (size_t i = 0; i < count; i++)
        DL_APPEND(roster->first, list[i].message);
    free(list);
    return SLUICE_OK;
}
