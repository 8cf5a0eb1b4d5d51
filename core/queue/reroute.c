/* SPDX-License-Identifier: ISC */
/*
 * reroute: see reroute.h.
 */
#include "queue/reroute.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/dispatch.h"
#include "queue/results.h"
#include "queue/state.h"
#include "queue/verify.h"

#define BEST_MX_AGAIN_MS 1000 /* until what others keep from moving is looked at once more */

void reroute_recipient(const struct active *active, struct envelope_recipient *recipient,
                       struct sluice_span transport, struct sluice_span nexthop)
{
    static const struct log_event rerouted = {
        .level = LOG_LEVEL_NOTICE,
        .name = "rerouted",
        .text = "{queue_id}: to=<{to}>, goes to {transport}:{nexthop} now, not {old_transport}:"
                "{old_nexthop}",
    };

    log_event(&rerouted, log_id("queue_id", active->message->id),
              log_span("to", recipient->address), log_span("transport", transport),
              log_span("nexthop", nexthop), log_span("old_transport", recipient->transport),
              log_span("old_nexthop", recipient->nexthop));
    recipient->transport = transport;
    recipient->nexthop = nexthop;
    recipient->next_due_ms = 0;
}

sluice_status reroute_message(struct active *active, const struct envelope *envelope)
{
    struct queue *queue = active->queue;
    struct buffer record = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    envelope_encode(envelope, &record);
    if (!buffer_failed(&record))
        st = schedule_rebuild(&queue->schedule, active->message, envelope, clock_monotonic_ms());
    if (st == SLUICE_OK) {
        admit_rest(queue, active->message, envelope);
        for (struct unit *u = active->message->units; u != NULL; u = u->next_of_message)
            u->is_routed = true;
        active_change(active, &record, false);
        verify_waiting(active);
    }
    buffer_done(&record);
    return st;
}

/* best_mx_transport is transport or transport:nexthop; without one the next hop stays. */
static void move_recipients(const struct job *job, struct envelope *envelope)
{
    struct sluice_span setting = sluice_span_of(job->queue->settings.best_mx_transport);
    struct sluice_span transport = span_first(setting, span_find(setting, ':'));
    struct sluice_span nexthop = span_skip(setting, transport.len + 1);

    for (size_t i = 0; i < job->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[job->recipients[i]];

        if (recipient->state == RECIPIENT_WAITING)
            reroute_recipient(job->active, recipient, transport,
                              nexthop.len > 0 ? nexthop : recipient->nexthop);
    }
}

void reroute_to_best_mx(struct job *job)
{
    struct active *active = job->active;
    struct envelope envelope = ENVELOPE_INIT;

    results_return(job, BEST_MX_AGAIN_MS);
    if (active->is_finished || schedule_is_in_flight(active->message))
        return;
    if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK) {
        move_recipients(job, &envelope);
        if (reroute_message(active, &envelope) != SLUICE_OK)
            log_error("out of memory: a message keeps its old route");
    }
    envelope_done(&envelope);
}
