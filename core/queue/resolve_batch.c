/* SPDX-License-Identifier: ISC */
/*
 * resolve_batch: records are read a few at a time, and whatever changes one meanwhile changes the same
 * record (active.h).
 */
#include "queue/resolve_batch.h"

#include "base/log.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/reroute.h"
#include "queue/state.h"
#include "queue/verify.h"

#include <stdlib.h>

void resolve_batch_done(struct resolve_batch *batch)
{
    inquiry_done(&batch->inquiry);
    free(batch->ids);
}

bool resolve_batch_is_full(const struct resolve_batch *batch)
{
    return batch->id_count >= batch->queue->resolving.width ||
           batch->inquiry.bytes >= RESOLVE_BATCH_BYTES ||
           HASH_COUNT(batch->inquiry.entries) >= RESOLVE_BATCH_ADDRESSES;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The message, with one user more; NULL: there is nothing to do. */
static struct active *hold_on(struct queue *queue, uint64_t id)
{
    struct queue_message *message = schedule_find(&queue->schedule, id);

    if (message == NULL || !message->is_durable || message->units == NULL)
        return NULL;
    return active_get(queue, message);
}

/* Calls visit for each message whose record can be had: what changes it meanwhile changes that record,
 * too. count: at most STORE_RECORDS_MAX. [task: waits] */
static void visit_messages(struct resolve_batch *batch, const uint64_t *ids, size_t count,
                           void (*visit)(struct resolve_batch *batch, struct active *active))
{
    struct active *actives[STORE_RECORDS_MAX];
    struct buffer records[STORE_RECORDS_MAX] = {BUFFER_INIT};

    for (size_t i = 0; i < count; i++)
        actives[i] = hold_on(batch->queue, ids[i]);
    store_read_records(batch->queue->store, ids, count, records);
    for (size_t i = 0; i < count; i++) {
        if (actives[i] != NULL) {
            active_set(actives[i], &records[i]);
            if (actives[i]->record.len > 0 && !actives[i]->is_finished)
                visit(batch, actives[i]);
            active_unref(actives[i]);
        }
        buffer_done(&records[i]);
    }
}

/* Of any of its recipients that wait. */
static void collect_addresses(struct resolve_batch *batch, const struct active *active)
{
    struct envelope envelope = ENVELOPE_INIT;

    if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK) {
        for (size_t i = 0; i < envelope.recipient_count; i++) {
            if (envelope.recipients[i].state == RECIPIENT_WAITING)
                inquiry_add(&batch->inquiry, envelope.sender, &envelope.recipients[i]);
        }
    }
    envelope_done(&envelope);
}

static void collect_message(struct resolve_batch *batch, struct active *active)
{
    if (resolve_batch_is_full(batch)) { /* the ones before it had many */
        resolve_message(batch->queue, active->message);
        return;
    }
    verify_waiting(active);
    batch->ids[batch->id_count++] = active->message->id;
    collect_addresses(batch, active);
}

void resolve_batch_add(struct resolve_batch *batch, const uint64_t *ids, size_t count)
{
    visit_messages(batch, ids, count, collect_message);
}

void resolve_batch_name_again(struct resolve_batch *batch)
{
    for (size_t i = 0; i < batch->id_count; i++) {
        const struct queue_message *message = schedule_find(&batch->queue->schedule, batch->ids[i]);

        if (message != NULL)
            resolve_message(batch->queue, message);
    }
}

/* ---- what is new ----------------------------------------------------------------------------- */

/* True if any recipient has another route now. */
static bool move_recipients(const struct resolve_batch *batch, const struct active *active,
                            struct envelope *envelope)
{
    bool is_changed = false;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];
        const struct message_route *route = NULL;

        if (recipient->state == RECIPIENT_WAITING)
            route = inquiry_new_route(&batch->inquiry, envelope->sender, recipient);
        if (route == NULL)
            continue;
        reroute_recipient(active, recipient, route->transport, route->nexthop);
        is_changed = true;
    }
    return is_changed;
}

static void apply_to_message(struct resolve_batch *batch, struct active *active)
{
    struct envelope envelope = ENVELOPE_INIT;

    if (schedule_is_in_flight(active->message)) {
        resolve_message(batch->queue, active->message);
        batch->is_to_wait = true;
    } else if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK &&
               move_recipients(batch, active, &envelope)) {
        if (reroute_message(active, &envelope) == SLUICE_OK)
            batch->moved++;
        else
            log_error("out of memory: a message keeps its old route");
    }
    envelope_done(&envelope);
}

/* What a domain's other mail need not be asked for: the tables tell domains apart, not addresses, and
 * this one's goes where it went. */
static void note_domains(struct resolve_batch *batch)
{
    const struct schedule *schedule = &batch->queue->schedule;
    char name[DOMAIN_NAME_SIZE];

    for (const struct inquiry_entry *entry = batch->inquiry.entries; entry != NULL;
         entry = entry->hh.next) {
        if (entry->route.status != SLUICE_OK || entry->is_moved || !entry->route.is_by_domain)
            continue;
        struct domain *domain =
            domain_find(&schedule->domains, domain_of(inquiry_address(entry), name));
        if (domain == NULL)
            continue;
        domain->routed_walk = batch->queue->resolving.walk;
        domain->routed_site =
            site_find(&schedule->sites, entry->route.transport, entry->route.nexthop);
    }
}

void resolve_batch_keep_routes(const struct resolve_batch *batch)
{
    for (size_t i = 0; i < batch->id_count; i++) {
        struct queue_message *message = schedule_find(&batch->queue->schedule, batch->ids[i]);

        /* What was in flight has not been moved, and was named again. */
        if (message == NULL || schedule_is_in_flight(message))
            continue;
        for (struct unit *u = message->units; u != NULL; u = u->next_of_message)
            u->is_routed = true;
    }
}

static void move(struct resolve_batch *batch)
{
    size_t count;

    for (size_t i = 0; i < batch->id_count && !task_is_cancelled(); i += count) {
        count = batch->id_count - i < STORE_RECORDS_MAX ? batch->id_count - i : STORE_RECORDS_MAX;
        visit_messages(batch, batch->ids + i, count, apply_to_message);
    }
    (void)task_queue_wake_one(&batch->queue->work);
    log_notice("%zu messages have new routes", batch->moved);
}

void resolve_batch_apply(struct resolve_batch *batch, struct sluice_span answer)
{
    bool is_any = inquiry_answer(&batch->inquiry, answer);

    note_domains(batch);
    if (is_any)
        move(batch);
}
