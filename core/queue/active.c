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
#include "queue/fresh.h"
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
        active->content = (struct store_content)STORE_CONTENT_INIT;
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

    if (active->users > 0 || active->is_recording || active->is_dirty ||
        (active->content.size > 0 && !is_gone))
        return;
    fresh_forget(active);
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

/* Who waits for a change with new messages. */
struct active_joint {
    bool is_done;
    sluice_status status;
    struct error err;
};

/* What was with the store is settled. */
static void go_on(struct active *active)
{
    active->is_recording = false;
    buffer_done(&active->written);
    task_queue_wake_all(&active->queue->recorded);
    if (active->is_dirty)
        start_recording(active);
    else
        drop_unused(active);
}

static void set_gone(struct active *active)
{
    delivery_log_removed(active->message->id);
    active->is_finished = true;
    active->is_gone = true;
}

static void settle_joint(struct active *active, sluice_status status, const struct error *err)
{
    struct active_joint *joint = active->joint;

    active->joint = NULL;
    joint->is_done = true;
    joint->status = status;
    if (status != SLUICE_OK)
        joint->err = *err;
    task_queue_wake_all(&active->queue->recorded); /* the task goes on */
}

static void on_recorded(struct store_change *change, sluice_status status, const struct error *err)
{
    struct active *active =
        (struct active *)(void *)((char *)change - offsetof(struct active, change));
    bool was_removal = change->change.kind == SLUICE_QUEUE_REMOVE;
    char id[ID_TEXT_SIZE];

    if (active->joint != NULL) {
        settle_joint(active, status, err);
        return;
    }
    active->recorded = active->writing;
    active->is_refused = status != SLUICE_OK && !was_removal;
    if (status != SLUICE_OK)
        log_error("%s: what was done is not recorded, and forgotten at a start: %s",
                  id_format(active->message->id, id), err->text);
    if (was_removal)
        set_gone(active);
    go_on(active);
}

static void submit(struct active *active, bool is_removal, struct store_change *puts)
{
    active->is_recording = true;
    active->change = (struct store_change){
        .change = {.kind = is_removal ? SLUICE_QUEUE_REMOVE : SLUICE_QUEUE_UPDATE,
                   .id = active->message->id,
                   .content_fd = -1,
                   .record = buffer_span(&active->written)},
        .tied = puts,
        .done = on_recorded,
    };
    store_submit(active->queue->store, &active->change);
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
    active->writing = active->changes;
    submit(active, is_removal, NULL);
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
    return active->is_refused ? SLUICE_TEMP : SLUICE_OK;
}

/* ---- with new messages ----------------------------------------------------------------------- */

/* The edited record into out, and whether the message is finished with it. */
static sluice_status edit_record(const struct active *active, active_edit *edit, void *user,
                                 struct buffer *out, bool *ret_is_finished)
{
    struct envelope envelope = ENVELOPE_INIT;

    if (envelope_decode(buffer_span(&active->record), &envelope, NULL) != SLUICE_OK)
        return SLUICE_TEMP;
    edit(&envelope, user);
    *ret_is_finished = envelope_is_finished(&envelope);
    envelope_encode(&envelope, out);
    envelope_done(&envelope);
    if (!buffer_failed(out))
        return SLUICE_OK;
    buffer_done(out);
    return SLUICE_TEMP;
}

/* The change is durable: so it is in the newest record, which others may have changed meanwhile. */
static void take_over(struct active *active, active_edit *edit, void *user)
{
    struct buffer record = BUFFER_INIT;
    bool is_finished;

    if (edit_record(active, edit, user, &record, &is_finished) != SLUICE_OK) {
        log_error("out of memory: what has been reported may be reported again");
        return;
    }
    buffer_done(&active->record);
    active->record = record;
}

/* Until nothing of the message is with the store. */
static sluice_status wait_for_turn(const struct active *active, struct error *err)
{
    while (active->is_recording) {
        if (task_queue_wait(&active->queue->recorded, CLOCK_NEVER) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "the queue ends");
    }
    if (active->is_finished)
        return error_set(err, SLUICE_NOT_FOUND, "it has been removed");
    return SLUICE_OK;
}

sluice_status active_change_with(struct active *active, active_edit *edit, void *user,
                                 struct store_change *puts, struct error *err)
{
    struct active_joint joint = {0};
    bool is_finished;
    sluice_status st = wait_for_turn(active, err);

    if (st != SLUICE_OK)
        return st;
    if (edit_record(active, edit, user, &active->written, &is_finished) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    active->joint = &joint;
    submit(active, is_finished, puts);
    while (!joint.is_done &&
           task_queue_wait(&active->queue->recorded, CLOCK_NEVER) == SLUICE_OK)
        ;
    active->joint = NULL;
    if (!joint.is_done)
        return error_set(err, SLUICE_TEMP, "the queue ends");
    if (joint.status == SLUICE_OK && is_finished)
        set_gone(active);
    else if (joint.status == SLUICE_OK)
        take_over(active, edit, user);
    else
        *err = joint.err;
    if (active->is_gone) { /* with all that has been done to it meanwhile */
        active->is_dirty = false;
        active->recorded = active->changes;
    }
    go_on(active);
    return joint.status;
}
