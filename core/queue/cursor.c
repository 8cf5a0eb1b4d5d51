/* SPDX-License-Identifier: ISC */
/*
 * cursor: walks through the messages of a schedule.
 */
#include "queue/schedule.h"

#include <utlist.h>

void cursor_start(struct cursor *cursor, struct schedule *schedule)
{
    cursor->message = schedule->messages.first;
    cursor->left = schedule->messages.count;
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
    cursor->message = message->next;
    cursor->left--;
    return message;
}

void cursor_stop(struct cursor *cursor, struct schedule *schedule)
{
    DL_DELETE(schedule->cursors, cursor);
}
