/* SPDX-License-Identifier: ISC */
/*
 * operate: a change of a message's record, of its place in the schedule, and then the wait for the
 * store, a batch at a time.
 */
#include "queue/operate.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/inspect.h"
#include "queue/lifetime.h"
#include "queue/state.h"

#include <inttypes.h>
#include <string.h>

#define MESSAGES_PER_TURN 256 /* that are passed over before others get their turn */

struct operation {
    const char *verb;
    const char *done; /* what it says of a message */
    const char *moot; /* why it does nothing to one */
    bool (*is_moot)(const struct queue_message *message);
    void (*record)(struct envelope *envelope); /* NULL: the message is removed */
    void (*schedule)(struct queue *queue, struct queue_message *message,
                     const struct envelope *envelope);
};

/* Messages whose change the store has been given. */
struct batch {
    struct session *session;
    const struct operation *operation;
    const json_t *queues; /* NULL: all */
    bool is_named;        /* messages have been named: each is answered */
    struct {
        struct active *active;
        uint64_t change;
    } pending[OPERATE_BATCH_MESSAGES];
    size_t count;
    size_t bytes;
    uint64_t done;
    bool has_failed; /* somewhere; the rest was done all the same */
};

/* ---- what each does -------------------------------------------------------------------------- */

static bool is_held(const struct queue_message *message)
{
    return message->is_held;
}

static bool is_not_held(const struct queue_message *message)
{
    return !message->is_held;
}

static bool is_expired(const struct queue_message *message)
{
    return message->is_expired;
}

static bool is_never_moot(const struct queue_message *message)
{
    (void)message;
    return false;
}

static void record_hold(struct envelope *envelope)
{
    envelope->is_held = true;
}

static void schedule_held(struct queue *queue, struct queue_message *message,
                          const struct envelope *envelope)
{
    (void)envelope;
    schedule_hold(&queue->schedule, message, clock_monotonic_ms());
}

static void record_unhold(struct envelope *envelope)
{
    envelope->is_held = false;
}

static void schedule_unheld(struct queue *queue, struct queue_message *message,
                            const struct envelope *envelope)
{
    schedule_unhold(&queue->schedule, message, clock_monotonic_ms());
    report_owe_all(queue, message, envelope);
    lifetime_review(queue, message);
}

static void record_requeue(struct envelope *envelope)
{
    envelope->is_held = false;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];

        if (recipient->state != RECIPIENT_WAITING)
            continue;
        recipient->attempts = 0;
        recipient->last_attempt_ms = 0;
        recipient->next_due_ms = 0;
        recipient->dsn = SPAN_EMPTY;
        recipient->text = SPAN_EMPTY;
    }
}

static void schedule_requeued(struct queue *queue, struct queue_message *message,
                              const struct envelope *envelope)
{
    int64_t now_ms = clock_monotonic_ms();

    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        int64_t delay_ms = admit_delay(u, envelope);

        schedule_move(&queue->schedule, u,
                      delay_ms == DEFERRAL_ON_RELEASE ? CLOCK_NEVER : now_ms + delay_ms, now_ms);
    }
    schedule_unhold(&queue->schedule, message, now_ms);
    report_owe_all(queue, message, envelope);
    resolve_message(queue, message);
    lifetime_review(queue, message);
}

static void record_expire(struct envelope *envelope)
{
    envelope->expired_ms = clock_wall_ms();
}

static void schedule_expired(struct queue *queue, struct queue_message *message,
                             const struct envelope *envelope)
{
    (void)envelope;
    message->is_expired = true;
    lifetime_review(queue, message);
}

static const struct operation hold = {
    "hold", "placed on hold", "is on hold", is_held, record_hold, schedule_held,
};
static const struct operation unhold = {
    "unhold", "released from hold", "is not on hold", is_not_held, record_unhold, schedule_unheld,
};
/* For the schedule one that is to go is on hold: nothing of it goes any more. */
static const struct operation removal = {
    "remove", "removed", "", is_never_moot, NULL, schedule_held,
};
static const struct operation requeue = {
    "requeue", "requeued", "", is_never_moot, record_requeue, schedule_requeued,
};
static const struct operation expire = {
    "expire", "expired", "is expired already", is_expired, record_expire, schedule_expired,
};

/* ---- one message ----------------------------------------------------------------------------- */

static sluice_status change_record(struct batch *batch, struct active *active)
{
    struct queue *queue = batch->session->queue;
    struct envelope envelope = ENVELOPE_INIT;
    struct buffer record = BUFFER_INIT;
    sluice_status st =
        envelope_decode(buffer_span(&active->record), &envelope, &batch->session->err);

    if (st != SLUICE_OK)
        return st;
    batch->operation->record(&envelope);
    envelope_encode(&envelope, &record);
    if (buffer_failed(&record)) {
        st = error_set(&batch->session->err, SLUICE_TEMP, "out of memory");
    } else {
        batch->bytes += record.len;
        batch->operation->schedule(queue, active->message, &envelope);
        active_change(active, &record, false);
    }
    buffer_done(&record);
    envelope_done(&envelope);
    return st;
}

/* The newest record into memory, unless it is there. */
static sluice_status load(struct batch *batch, struct active *active)
{
    struct buffer record = BUFFER_INIT;
    sluice_status st = SLUICE_OK;

    if (active->record.len == 0)
        st = store_read(active->queue->store, active->message->id, &record, NULL,
                        &batch->session->err);
    if (st == SLUICE_OK)
        active_set(active, &record);
    buffer_done(&record);
    return st;
}

static sluice_status not_there(struct batch *batch, uint64_t number, const char *why)
{
    char id[ID_TEXT_SIZE];

    return error_set(&batch->session->err, SLUICE_NOT_FOUND, "%s: %s", id_format(number, id), why);
}

static sluice_status change_message(struct batch *batch, struct active *active)
{
    sluice_status st = SLUICE_OK;

    if (batch->operation->record != NULL)
        st = load(batch, active);
    /* Meanwhile it may have been delivered, or another operator may have been faster. */
    if (active->is_finished)
        return not_there(batch, active->message->id, "no such message in the queue");
    if (batch->operation->is_moot(active->message))
        return not_there(batch, active->message->id, batch->operation->moot);
    if (st != SLUICE_OK)
        return st;
    if (batch->operation->record != NULL)
        return change_record(batch, active);
    batch->operation->schedule(batch->session->queue, active->message, NULL);
    active_remove(active);
    return SLUICE_OK;
}

static bool is_in_queues(const struct queue_message *message, const json_t *queues)
{
    const json_t *name;
    size_t index;

    if (queues == NULL)
        return true;
    json_array_foreach(queues, index, name)
    {
        if (json_is_string(name) &&
            strcmp(json_string_value(name), inspect_queue_name(message)) == 0)
            return true;
    }
    return false;
}

/* NOT_FOUND: there is nothing to do to it. */
static sluice_status begin(struct batch *batch, struct queue_message *message)
{
    if (!is_in_queues(message, batch->queues))
        return not_there(batch, message->id, "no such message in these queues");
    if (batch->operation->is_moot(message))
        return not_there(batch, message->id, batch->operation->moot);

    struct active *active = active_get(batch->session->queue, message);
    if (active == NULL)
        return error_set(&batch->session->err, SLUICE_TEMP, "out of memory");
    sluice_status st = change_message(batch, active);
    if (st != SLUICE_OK) {
        active_unref(active);
        return st;
    }
    batch->pending[batch->count].active = active;
    batch->pending[batch->count].change = active->changes;
    batch->count++;
    return SLUICE_OK;
}

/* ---- many ------------------------------------------------------------------------------------ */

static void log_done(const struct batch *batch, uint64_t number)
{
    char id[ID_TEXT_SIZE];

    if (batch->operation->record != NULL) /* that of a removal comes with it */
        log_notice("%s: %s", id_format(number, id), batch->operation->done);
}

static sluice_status tell(struct batch *batch, uint64_t number)
{
    char id[ID_TEXT_SIZE];

    if (!batch->is_named)
        return SLUICE_OK;
    (void)id_format(number, id);
    return session_put(batch->session,
                       json_pack("{s:s, s:s}", "id", id, "text", batch->operation->done));
}

/* Waits for the store, and says what is done. */
static sluice_status finish(struct batch *batch)
{
    int64_t deadline_ms = clock_monotonic_ms() + OPERATE_PATIENCE_MS;
    sluice_status st = SLUICE_OK;

    store_hurry(batch->session->queue->store);
    (void)task_queue_wake_one(&batch->session->queue->work);
    (void)session_send(batch->session); /* of the batch before; who has gone shows below */
    for (size_t i = 0; i < batch->count; i++) {
        struct active *active = batch->pending[i].active;
        uint64_t id = active->message->id;

        if (active_wait(active, batch->pending[i].change, deadline_ms) != SLUICE_OK) {
            st = error_set(&batch->session->err, SLUICE_TEMP,
                           "the queue store does not take the changes now; they are tried on");
        } else {
            batch->done++;
            log_done(batch, id);
            if (st == SLUICE_OK)
                st = tell(batch, id);
        }
        active_unref(active);
    }
    batch->count = 0;
    batch->bytes = 0;
    return st;
}

static sluice_status operate_on(struct batch *batch, struct queue_message *message)
{
    uint64_t number = message->id;
    sluice_status st = begin(batch, message);
    char id[ID_TEXT_SIZE];

    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        log_error("%s: cannot be %s: %s", id_format(number, id), batch->operation->done,
                  batch->session->err.text);
        batch->has_failed = true;
    }
    if (batch->count == OPERATE_BATCH_MESSAGES || batch->bytes >= OPERATE_BATCH_BYTES)
        return finish(batch);
    return task_is_cancelled() ? SLUICE_TEMP : SLUICE_OK;
}

static sluice_status operate_on_all(struct batch *batch)
{
    struct schedule *schedule = &batch->session->queue->schedule;
    struct queue_message *message;
    struct cursor cursor;
    sluice_status st = SLUICE_OK;
    unsigned passed = 0;

    cursor_start(&cursor, schedule);
    while (st == SLUICE_OK && (message = cursor_next(&cursor)) != NULL) {
        if (inspect_is_listed(message))
            st = operate_on(batch, message);
        if (++passed % MESSAGES_PER_TURN == 0)
            task_yield();
    }
    cursor_stop(&cursor, schedule);
    return st;
}

static sluice_status operate_on_id(struct batch *batch, const char *id)
{
    struct queue_message *message = inspect_find(batch->session, id);

    return message != NULL ? operate_on(batch, message) : SLUICE_OK;
}

static sluice_status operate_on_named(struct batch *batch, const json_t *request)
{
    const json_t *ids = json_object_get(request, "ids");
    sluice_status st = SLUICE_OK;
    const json_t *id;
    size_t index;

    batch->is_named = true;
    if (ids == NULL)
        return operate_on_id(batch, session_text(request, "id"));
    json_array_foreach(ids, index, id)
    {
        if (st == SLUICE_OK && json_is_string(id))
            st = operate_on_id(batch, json_string_value(id));
    }
    return st;
}

static sluice_status conclude(struct batch *batch)
{
    struct session *session = batch->session;

    if (batch->has_failed)
        return error_set(&session->err, SLUICE_TEMP, "not every message: the log says why");
    if (batch->is_named && batch->done == 0)
        return SLUICE_NOT_FOUND;             /* with the text of the last one */
    session->err = (struct error)ERROR_INIT; /* one among many had nothing to be done */
    return session_put(session, json_pack("{s:I}", "count", (json_int_t)batch->done));
}

static sluice_status operate(struct session *session, const json_t *request,
                             const struct operation *operation)
{
    struct batch batch = {
        .session = session, .operation = operation, .queues = json_object_get(request, "queues")};
    bool is_all = strcmp(session_text(request, "id"), "ALL") == 0;

    sluice_status st = is_all ? operate_on_all(&batch) : operate_on_named(&batch, request);
    sluice_status finished = finish(&batch); /* whatever happened: what has begun is waited for */
    if (st == SLUICE_OK)
        st = finished;
    log_notice("operator: queue %s by uid %u: %" PRIu64 " messages", operation->verb,
               (unsigned)session->uid, batch.done);
    return st == SLUICE_OK ? conclude(&batch) : st;
}

sluice_status operate_hold(struct session *session, json_t *request)
{
    return operate(session, request, &hold);
}

sluice_status operate_unhold(struct session *session, json_t *request)
{
    return operate(session, request, &unhold);
}

sluice_status operate_remove(struct session *session, json_t *request)
{
    return operate(session, request, &removal);
}

sluice_status operate_requeue(struct session *session, json_t *request)
{
    return operate(session, request, &requeue);
}

sluice_status operate_expire(struct session *session, json_t *request)
{
    return operate(session, request, &expire);
}
