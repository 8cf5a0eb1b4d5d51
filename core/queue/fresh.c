/* SPDX-License-Identifier: ISC */
#include "queue/fresh.h"

#include "base/clock.h"
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

static size_t memory_of(const struct store_content *content)
{
    return content->fd != -1 ? (size_t)content->size : content->bytes.capacity;
}

static void enter(struct active *active)
{
    struct fresh *fresh = &active->queue->fresh;

    active->fresh_ms = clock_monotonic_ms();
    DL_APPEND2(fresh->list, active, fresh_prev, fresh_next);
    fresh->bytes += memory_of(&active->content);
}

static void leave(struct active *active)
{
    struct fresh *fresh = &active->queue->fresh;

    DL_DELETE2(fresh->list, active, fresh_prev, fresh_next);
    fresh->bytes -= memory_of(&active->content);
}

/* As a user for a moment, since without its content it may be of no use to anybody. */
static void drop_oldest(struct queue *queue)
{
    struct active *oldest = active_get(queue, queue->fresh.list->message);

    fresh_forget(oldest);
    active_unref(oldest);
}

static bool has_room(struct queue *queue, size_t size)
{
    const struct fresh *fresh = &queue->fresh;
    int64_t old_ms = clock_monotonic_ms() - FRESH_TIME_MS;

    while (fresh->bytes + size > FRESH_BYTES_MAX && fresh->list != NULL &&
           fresh->list->fresh_ms <= old_ms)
        drop_oldest(queue);
    return fresh->bytes + size <= FRESH_BYTES_MAX;
}

/* False: no memory. */
static bool fill(struct store_content *ret_content, struct sluice_span content, int *memory_fd)
{
    struct store_content kept = {.fd = *memory_fd, .size = content.len};

    if (kept.fd == -1)
        buffer_add_span(&kept.bytes, content);
    if (buffer_failed(&kept.bytes))
        return false;
    *memory_fd = -1;
    *ret_content = kept;
    return true;
}

void fresh_keep(struct queue *queue, struct queue_message *message, struct sluice_span record,
                struct sluice_span content, int *memory_fd)
{
    struct buffer copy = BUFFER_INIT;
    struct active *active;

    if (content.len == 0 || !goes_now(message) || !has_room(queue, content.len) ||
        (active = active_get(queue, message)) == NULL)
        return;
    buffer_add_span(&copy, record);
    if (!buffer_failed(&copy) && fill(&active->content, content, memory_fd)) {
        active_set(active, &copy);
        enter(active);
    } else {
        buffer_done(&copy);
    }
    active_unref(active);
}

bool fresh_take(struct active *active, struct store_content *ret_content)
{
    if (active->content.size == 0)
        return false;
    leave(active);
    *ret_content = active->content;
    active->content = (struct store_content)STORE_CONTENT_INIT;
    return true;
}

void fresh_forget(struct active *active)
{
    struct store_content content;

    if (fresh_take(active, &content))
        store_content_done(&content);
}

void fresh_done(struct queue *queue)
{
    while (queue->fresh.list != NULL)
        drop_oldest(queue);
}
