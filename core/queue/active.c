/* SPDX-License-Identifier: ISC */
/*
 * active: at most one change of a message is with the store at a time; the next one brings all that
 * happened meanwhile.
 */
#include "queue/active.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/delivery_log.h"
#include "queue/state.h"

#include <assert.h>
#include <stdlib.h>

struct active *active_get(struct queue *queue, struct queue_message *message)
{
    struct active *active = message->active;

    assert(message->is_durable);
    if (active == NULL) {
        active = calloc(1, sizeof(*active));
        if (active == NULL)
            return NULL;
        active->queue = queue;
        active->message = message;
        message->active = active;
    }
    active->users++;
    return active;
}

static void drop_unused(struct active *active)
{
    struct queue *queue = active->queue;
    struct queue_message *message = active->message;
    bool is_gone = active->is_gone;

    if (active->users > 0 || active->is_recording || active->is_dirty)
        return;
    message->active = NULL;
    buffer_done(&active->record);
    free(active);
    if (is_gone)
        schedule_remove(&queue->schedule, message, clock_monotonic_ms());
}

void active_unref(struct active *active)
{
    assert(active->users > 0);
    active->users--;
    drop_unused(active);
}

void active_set(struct active *active, struct buffer *record)
{
    if (active->record.len > 0) {
        buffer_done(record);
        return;
    }
    active->record = *record;
    *record = (struct buffer)BUFFER_INIT;
}

static void start_recording(struct active *active);

static void on_recorded(struct store_change *change, sluice_status status, const struct error *err)
{
    struct active *active =
        (struct active *)(void *)((char *)change - offsetof(struct active, change));
    bool was_removal = change->change.kind == SLUICE_QUEUE_REMOVE;
    char id[ID_TEXT_SIZE];

    active->is_recording = false;
    active->recorded = active->writing;
    buffer_done(&active->written);
    task_queue_wake_all(&active->queue->recorded);
    if (status != SLUICE_OK)
        log_error("%s: the store does not know this message: %s",
                  id_format(active->message->id, id), err->text);
    if (was_removal) {
        delivery_log_removed(active->message->id);
        active->is_gone = true;
    }
    if (active->is_dirty)
        start_recording(active);
    else
        drop_unused(active);
}

/* The store gets bytes of its own, as the record may change again before it is done with them. */
static void start_recording(struct active *active)
{
    bool is_removal = active->is_finished;

    if (!is_removal)
        buffer_add_span(&active->written, buffer_span(&active->record));
    if (buffer_failed(&active->written)) { /* stays dirty: the message's next result tries again */
        log_error("out of memory: a result is not recorded yet");
        buffer_done(&active->written);
        return;
    }
    active->is_dirty = false;
    active->is_recording = true;
    active->writing = active->changes;
    active->change = (struct store_change){
        .change = {.kind = is_removal ? SLUICE_QUEUE_REMOVE : SLUICE_QUEUE_UPDATE,
                   .id = active->message->id,
                   .content_fd = -1,
                   .record = buffer_span(&active->written)},
        .done = on_recorded,
    };
    store_submit(active->queue->store, &active->change);
}

static void changed(struct active *active)
{
    active->changes++;
    active->is_dirty = true;
    if (!active->is_recording)
        start_recording(active);
}

void active_change(struct active *active, struct buffer *record, bool is_finished)
{
    if (active->is_finished) {
        buffer_done(record);
        return;
    }
    buffer_done(&active->record);
    active->record = *record;
    *record = (struct buffer)BUFFER_INIT;
    active->is_finished = is_finished;
    changed(active);
}

void active_remove(struct active *active)
{
    if (active->is_finished)
        return;
    active->is_finished = true;
    changed(active);
}

sluice_status active_wait(const struct active *active, uint64_t change, int64_t deadline_ms)
{
    while (active->recorded < change) {
        if (task_queue_wait(&active->queue->recorded, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
    }
    return SLUICE_OK;
}
