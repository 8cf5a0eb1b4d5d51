/* SPDX-License-Identifier: ISC */
/*
 * admit: units get their first due time.
 */
#include "queue/admit.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/delivery_log.h"
#include "queue/report.h"
#include "queue/state.h"
#include "queue/verify.h"

#define SPREAD_MS 1 /* between two overdue units at a start */

int64_t admit_delay(const struct unit *unit, const struct envelope *envelope)
{
    struct sluice_unit_history history = {
        .struct_size = sizeof(history),
        .arrival_ms = envelope->arrival_ms,
    };

    for (size_t i = unit->first; i <= unit->last && i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];

        if (!schedule_unit_has(unit, recipient, i))
            continue;
        if (recipient->attempts > history.attempts)
            history.attempts = recipient->attempts;
        if (recipient->last_attempt_ms > history.last_attempt_ms)
            history.last_attempt_ms = recipient->last_attempt_ms;
    }
    return deferral_next(unit->site->limits.deferral, &history, &unit->site->history,
                         clock_wall_ms());
}

static int64_t due_after(int64_t delay_ms)
{
    return delay_ms == DEFERRAL_ON_RELEASE ? CLOCK_NEVER : clock_monotonic_ms() + delay_ms;
}

void admit_begin(struct queue_message *message)
{
    int64_t wall_ms = clock_wall_ms();

    message->is_durable = true;
    if (message->arrival_ms > wall_ms)
        message->arrival_ms = wall_ms;
}

/* ---- new mail -------------------------------------------------------------------------------- */

static void log_held(const struct unit *unit, const struct envelope *envelope)
{
    for (size_t i = unit->first; i <= unit->last; i++) {
        struct delivery_line line = {
            .id = unit->message->id,
            .transport = unit->site->transport,
            .recipient = &envelope->recipients[i],
            .is_verify = envelope->is_verify,
            .arrival_ms = envelope->arrival_ms,
            .status = SLUICE_TEMP,
            .dsn = SPAN_LITERAL("4.3.2"),
            .text = SPAN_LITERAL("deferred transport"),
        };

        if (schedule_unit_has(unit, line.recipient, i))
            delivery_log(&line);
    }
}

static void admit_unit(struct queue *queue, struct unit *unit, const struct envelope *envelope)
{
    int64_t delay_ms = admit_delay(unit, envelope);

    unit->is_routed = true; /* by who has sent it here */
    schedule_defer(&queue->schedule, unit, due_after(delay_ms), clock_monotonic_ms());
    if (delay_ms == DEFERRAL_ON_RELEASE)
        log_held(unit, envelope);
}

void admit_new(struct queue *queue, struct queue_message *message, const struct envelope *envelope)
{
    admit_begin(message);
    delivery_log_accepted(message->id, envelope);
    report_owe_all(queue, message, envelope);
    for (struct unit *unit = message->units; unit != NULL; unit = unit->next_of_message)
        admit_unit(queue, unit, envelope);
    verify_admitted(queue, message, envelope);
}

/* ---- a start --------------------------------------------------------------------------------- */

struct stored {
    struct queue *queue;
    struct error *err;
    int64_t overdue; /* units so far */
};

/* overdue: units so far; NULL: what is overdue goes at once. */
static void admit_stored_unit(struct queue *queue, struct unit *unit,
                              const struct envelope *envelope, int64_t *overdue)
{
    const struct queue_settings *settings = &queue->settings;
    int64_t now_ms = clock_monotonic_ms();
    int64_t record_ms = unit->due.due_ms; /* as schedule_add leaves it */
    int64_t delay_ms = admit_delay(unit, envelope);

    /* Whether it is held is asked again: defer_transports may have changed. Else the record counts,
     * within what a clock that was set may have made of it. */
    if (delay_ms != DEFERRAL_ON_RELEASE && record_ms != ENVELOPE_ON_RELEASE) {
        int64_t wall_ms = clock_wall_ms();
        delay_ms = record_ms > wall_ms ? record_ms - wall_ms : 0;
        if (delay_ms > settings->maximal_backoff_ms)
            delay_ms = settings->maximal_backoff_ms;
    }
    if (delay_ms == 0 && overdue != NULL && settings->minimal_backoff_ms > 0)
        delay_ms = (*overdue)++ * SPREAD_MS % settings->minimal_backoff_ms;
    schedule_defer(&queue->schedule, unit, due_after(delay_ms), now_ms);
}

void admit_rest(struct queue *queue, struct queue_message *message, const struct envelope *envelope)
{
    for (struct unit *unit = message->units; unit != NULL; unit = unit->next_of_message) {
        bool is_released = unit->is_released;

        if (unit->state != UNIT_NEW)
            continue;
        admit_stored_unit(queue, unit, envelope, NULL);
        if (is_released)
            (void)schedule_release(&queue->schedule, unit, clock_monotonic_ms());
    }
}

/* A record that makes no sense is left alone: it is not ours to throw away. */
static sluice_status found_message(struct stored *stored, uint64_t id, struct sluice_span record)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct queue_message *message;
    struct error err = ERROR_INIT;
    char text[ID_TEXT_SIZE];

    sluice_status st = envelope_decode(record, &envelope, &err);
    if (st == SLUICE_TEMP)
        return error_set(stored->err, st, "%s", err.text);
    if (st != SLUICE_OK) {
        log_error("%s: stays in the store untouched: %s", id_format(id, text), err.text);
        return SLUICE_OK;
    }
    st = schedule_add(&stored->queue->schedule, id, &envelope, &message);
    if (st == SLUICE_OK) {
        admit_begin(message);
        report_owe_all(stored->queue, message, &envelope);
        if (message->is_expired && message->units != NULL)
            lifetime_review(stored->queue, message);
        for (struct unit *unit = message->units; unit != NULL; unit = unit->next_of_message)
            admit_stored_unit(stored->queue, unit, &envelope,
                              stored->queue->inherited == 0 ? &stored->overdue : NULL);
    } else {
        (void)error_set(stored->err, st, "%s: cannot be added", id_format(id, text));
    }
    envelope_done(&envelope);
    return st;
}

static sluice_status found_suspensions(struct stored *stored, struct sluice_span record)
{
    struct queue *queue = stored->queue;
    sluice_status st = suspensions_restore(&queue->suspensions, queue, record);

    if (st == SLUICE_TEMP)
        return error_set(stored->err, st, "out of memory");
    if (st != SLUICE_OK)
        return error_set(stored->err, SLUICE_CONFIG,
                         "the store's record of suspended sites makes no sense");
    return st;
}

static sluice_status on_found(void *user, uint64_t id, struct sluice_span record,
                              uint64_t content_size)
{
    struct stored *stored = user;

    (void)content_size; /* the record has it */
    if (id == SUSPENSION_RECORD_ID)
        return found_suspensions(stored, record);
    if (id != 0)
        return found_message(stored, id, record);
    if (lease_restore(&stored->queue->lease, record) != SLUICE_OK)
        return error_set(stored->err, SLUICE_CONFIG, "the store's record 0 makes no sense");
    return SLUICE_OK;
}

sluice_status admit_stored(struct queue *queue, struct error *err)
{
    struct error why = ERROR_INIT;
    struct stored stored = {.queue = queue, .err = &why};
    sluice_status st = store_scan(queue->store, on_found, &stored, err);

    if (st != SLUICE_OK && why.text[0] != '\0')
        *err = why;
    if (st == SLUICE_OK)
        log_notice("%zu messages are in the queue, in %zu delivery units",
                   queue->schedule.messages.count, queue->schedule.unit_count);
    return st;
}
