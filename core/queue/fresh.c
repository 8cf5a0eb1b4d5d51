/* SPDX-License-Identifier: ISC */
#include "queue/fresh.h"

#include "base/span.h"
#include "queue/active.h"
#include "queue/state.h"

#include <utlist.h>

static bool goes_now(const struct queue_message *message)
{
    const struct unit *unit = message->units;

    while (unit != NULL && unit->state != UNIT_READY)
        unit = unit->next_of_message;
    return unit != NULL;
}

static void leave(struct active *active)
{
    struct fresh *fresh = &active->queue->fresh;

    DL_DELETE2(fresh->list, active, fresh_prev, fresh_next);
    fresh->bytes -= active->content.capacity;
}

/* As a user for a moment, since without its content it may be of no use to anybody. */
static void drop_oldest(struct queue *queue)
{
    struct active *oldest = active_get(queue, queue->fresh.list->message);

    fresh_forget(oldest);
    active_unref(oldest);
}

void fresh_keep(struct queue *queue, struct queue_message *message, struct sluice_span record,
                struct sluice_span content)
{
    struct buffer copy = BUFFER_INIT;
    struct active *active;

    if (content.len == 0 || !goes_now(message) || (active = active_get(queue, message)) == NULL)
        return;
    buffer_add_span(&copy, record);
    buffer_add_span(&active->content, content);
    if (buffer_failed(&copy) || buffer_failed(&active->content)) {
        buffer_done(&copy);
        buffer_done(&active->content);
    } else {
        active_set(active, &copy);
        DL_APPEND2(queue->fresh.list, active, fresh_prev, fresh_next);
        queue->fresh.bytes += active->content.capacity;
    }
    active_unref(active);
    while (queue->fresh.bytes > FRESH_BYTES_MAX)
        drop_oldest(queue);
}

bool fresh_take(struct active *active, struct buffer *ret_content)
{
    if (active->content.len == 0)
        return false;
    leave(active);
    *ret_content = active->content;
    active->content = (struct buffer)BUFFER_INIT;
    return true;
}

void fresh_forget(struct active *active)
{
    struct buffer content;

    if (fresh_take(active, &content))
        buffer_done(&content);
}

void fresh_done(struct queue *queue)
{
    while (queue->fresh.list != NULL)
        drop_oldest(queue);
}
