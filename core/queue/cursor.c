/* SPDX-License-Identifier: ISC */
/*
 * cursor: walks through the messages of a schedule.
 */
#include "queue/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

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

static bool is_sorted(const struct schedule *schedule)
{
    const struct queue_message *message = schedule->messages;

    while (message != NULL && message->hh.next != NULL) {
        const struct queue_message *next = message->hh.next;

        if (next->arrival_ms < message->arrival_ms)
            return false;
        message = next;
    }
    return true;
}

/* The list that goes through the hash table, in the order of the array. */
static void relink(struct schedule *schedule, const struct placed *list, size_t count)
{
    UT_hash_table *table = schedule->messages->hh.tbl;

    for (size_t i = 0; i < count; i++) {
        list[i].message->hh.prev = i > 0 ? list[i - 1].message : NULL;
        list[i].message->hh.next = i + 1 < count ? list[i + 1].message : NULL;
    }
    schedule->messages = list[0].message;
    table->tail = &list[count - 1].message->hh;
}

/* HASH_SORT walks the list again and again: 13 s for a million messages in no order, this 0.5 s. */
sluice_status schedule_sort(struct schedule *schedule)
{
    struct queue_message *message;
    struct placed *list;
    size_t count = 0;

    assert(schedule->cursors == NULL); /* they would be somewhere else */
    if (is_sorted(schedule))
        return SLUICE_OK;
    list = calloc(HASH_COUNT(schedule->messages), sizeof(*list));
    if (list == NULL)
        return SLUICE_TEMP;
    for (message = schedule->messages; message != NULL; message = message->hh.next)
        list[count++] = (struct placed){message->arrival_ms, message};
    qsort(list, count, sizeof(*list), by_arrival);
    relink(schedule, list, count);
    free(list);
    return SLUICE_OK;
}

void cursor_start(struct cursor *cursor, struct schedule *schedule)
{
    cursor->message = schedule->messages;
    cursor->left = HASH_COUNT(schedule->messages);
    DL_APPEND(schedule->cursors, cursor);
}

void cursor_follow(struct cursor *cursor, struct schedule *schedule)
{
    cursor_start(cursor, schedule);
    cursor->left = SIZE_MAX;
}

struct queue_message *cursor_next(struct cursor *cursor)
{
    struct queue_message *message = cursor->message;

    if (message == NULL || cursor->left == 0)
        return NULL;
    cursor->message = message->hh.next;
    cursor->left--;
    return message;
}

void cursor_stop(struct cursor *cursor, struct schedule *schedule)
{
    DL_DELETE(schedule->cursors, cursor);
}
