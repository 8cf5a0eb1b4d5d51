/* SPDX-License-Identifier: ISC */
/*
 * cursor: walks through the messages of a schedule.
 */
#include "queue/schedule.h"

#include <assert.h>
#include <utlist.h>

static int by_arrival(const void *a, const void *b)
{
    const struct queue_message *left = a;
    const struct queue_message *right = b;

    return left->arrival_ms < right->arrival_ms ? -1 : left->arrival_ms > right->arrival_ms;
}

void schedule_sort(struct schedule *schedule)
{
    assert(schedule->cursors == NULL); /* they would be somewhere else */
    HASH_SORT(schedule->messages, by_arrival);
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
