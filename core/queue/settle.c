/* SPDX-License-Identifier: ISC */
/*
 * settle: see settle.h.
 */
#include "queue/settle.h"

#include "base/clock.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/report.h"
#include "queue/state.h"

static void set_reason(struct envelope_recipient *recipient, const char *dsn, const char *text)
{
    recipient->dsn = sluice_span_of(dsn);
    recipient->text = sluice_span_of(text);
}

void settle_explain(const struct queue_message *message, struct envelope_recipient *recipient,
                    size_t index)
{
    const struct unit *unit = schedule_unit_of(message, recipient, index);

    if (recipient->text.len > 0)
        return;
    if (unit != NULL && unit->state == UNIT_HELD)
        set_reason(recipient, "4.3.2", "deferred transport");
    else if (unit != NULL && unit->site->suspension != NULL)
        set_reason(recipient, "4.3.2", "site suspended by the operator");
    else if (unit != NULL && unit->site->last_text != NULL)
        set_reason(recipient, "4.4.1", unit->site->last_text);
    else if (message->is_expired)
        set_reason(recipient, "4.7.0", "message is administratively expired");
    else
        set_reason(recipient, "4.4.7", "the time for its delivery is over");
}

static bool has_recipients(const struct unit *unit, const struct envelope *envelope)
{
    for (size_t i = unit->first; i <= unit->last; i++) {
        if (schedule_unit_has(unit, &envelope->recipients[i], i))
            return true;
    }
    return false;
}

static void drop_units(struct schedule *schedule, struct queue_message *message,
                       const struct envelope *envelope)
{
    struct unit *next;

    for (struct unit *unit = message->units; unit != NULL; unit = next) {
        next = unit->next_of_message;
        if (!has_recipients(unit, envelope))
            schedule_drop(schedule, unit, clock_monotonic_ms());
    }
}

sluice_status settle(struct active *active, settle_edit *edit, void *user)
{
    struct queue *queue = active->queue;
    struct envelope envelope = ENVELOPE_INIT;
    struct buffer record = BUFFER_INIT;
    sluice_status st = envelope_decode(buffer_span(&active->record), &envelope, NULL);

    if (st == SLUICE_OK && edit(active->message, &envelope, user)) {
        envelope_encode(&envelope, &record);
        if (buffer_failed(&record)) {
            st = SLUICE_TEMP;
        } else {
            drop_units(&queue->schedule, active->message, &envelope);
            report_owe_all(queue, active->message, &envelope);
            active_change(active, &record, false);
        }
    }
    buffer_done(&record);
    envelope_done(&envelope);
    return st;
}
