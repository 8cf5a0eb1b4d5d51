/* SPDX-License-Identifier: ISC */
/*
 * verify: see verify.h.
 */
#include "queue/verify.h"

#include "base/clock.h"
#include "base/log.h"
#include "queue/active.h"
#include "queue/settle.h"
#include "queue/state.h"

/* Not one that goes by itself in a moment, or that an operator has on hold. */
static bool is_stuck(const struct unit *unit, int64_t now_ms)
{
    return unit->state == UNIT_HELD ||
           ((unit->state == UNIT_READY || unit->state == UNIT_WAITING) &&
            !schedule_unit_has_site(unit, now_ms));
}

static bool has_stuck(const struct queue_message *message, int64_t now_ms)
{
    for (const struct unit *unit = message->units; unit != NULL; unit = unit->next_of_message) {
        if (is_stuck(unit, now_ms))
            return true;
    }
    return false;
}

static bool answer(const struct queue_message *message, struct envelope *envelope, void *user)
{
    const int64_t *now_ms = user;
    bool has_answered = false;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];
        const struct unit *unit = schedule_unit_of(message, recipient, i);

        if (unit == NULL || !is_stuck(unit, *now_ms))
            continue;
        settle_explain(message, recipient, i);
        recipient->state = RECIPIENT_UNVERIFIED;
        has_answered = true;
    }
    return has_answered;
}

void verify_waiting(struct active *active)
{
    int64_t now_ms = clock_monotonic_ms();

    if (active->message->is_verify && has_stuck(active->message, now_ms) &&
        settle(active, answer, &now_ms) != SLUICE_OK)
        log_error("out of memory: who asks about an address is told when it can be attempted");
}

void verify_admitted(struct queue *queue, struct queue_message *message,
                     const struct envelope *envelope)
{
    struct buffer record = BUFFER_INIT;

    if (!message->is_verify)
        return;
    struct active *active = active_get(queue, message);
    envelope_encode(envelope, &record);
    if (active != NULL && !buffer_failed(&record)) {
        active_set(active, &record);
        verify_waiting(active);
    }
    buffer_done(&record);
    if (active != NULL)
        active_unref(active);
}
