/* SPDX-License-Identifier: ISC */
/*
 * resolve: one task; collects a batch, asks, and applies what is new.
 */
#include "queue/resolve.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "ipc/messages.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/dispatch.h"
#include "queue/pick.h"
#include "queue/inquiry.h"
#include "queue/state.h"
#include "queue/verify.h"

#include <stdlib.h>
#include <utlist.h>

/* ---- a batch --------------------------------------------------------------------------------- */

struct batch {
    struct queue *queue;
    uint64_t *ids;
    size_t id_count;
    struct inquiry inquiry;
    size_t moved;
    size_t again; /* messages that have to be looked at once more */
};

static void batch_done(struct batch *batch)
{
    inquiry_done(&batch->inquiry);
    free(batch->ids);
}

static bool is_full(const struct batch *batch)
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
static void visit_messages(struct batch *batch, const uint64_t *ids, size_t count,
                           void (*visit)(struct batch *batch, struct active *active))
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
static void collect_addresses(struct batch *batch, const struct active *active)
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

static void collect_message(struct batch *batch, struct active *active)
{
    if (is_full(batch)) { /* the ones before it had many */
        resolve_message(batch->queue, active->message);
        return;
    }
    verify_waiting(active);
    batch->ids[batch->id_count++] = active->message->id;
    collect_addresses(batch, active);
}

/* True if what is known of its domains tells where all of it goes: nobody has to look at it. */
static bool is_known(const struct resolving *resolving, const struct queue_message *message)
{
    if (message->is_verify)
        return false;
    for (const struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (u->domain->routed_walk != resolving->walk || u->domain->routed_site != u->site)
            return false;
    }
    return true;
}

/* The next one of the walk that has to be asked for. False: that was all. [task: waits] */
static bool walk_on(struct resolving *resolving, uint64_t *ret_id)
{
    const struct queue_message *message;
    unsigned passed = 0;

    while (!task_is_cancelled() && (message = cursor_next(&resolving->cursor)) != NULL) {
        *ret_id = message->id;
        if (!is_known(resolving, message))
            return true;
        if (++passed % RESOLVE_MESSAGES_PER_TURN == 0)
            task_yield();
    }
    return false;
}

/* What somebody named comes first. False: that was all. [task: waits] */
static bool next_id(struct resolving *resolving, struct schedule *schedule, uint64_t *ret_id)
{
    if (id_list_take(&resolving->named, ret_id))
        return true;
    if (!resolving->is_walking)
        return false;
    if (walk_on(resolving, ret_id))
        return true;
    cursor_stop(&resolving->cursor, schedule);
    resolving->is_walking = false;
    return false;
}

static void collect(struct batch *batch)
{
    struct queue *queue = batch->queue;
    uint64_t ids[STORE_RECORDS_MAX];
    bool is_more = true;

    while (is_more && !is_full(batch) && !task_is_cancelled()) {
        size_t room = queue->resolving.width - batch->id_count;
        size_t count = 0;

        while (is_more && count < STORE_RECORDS_MAX && count < room) {
            is_more = next_id(&queue->resolving, &queue->schedule, &ids[count]);
            count += is_more;
        }
        if (count > 0)
            visit_messages(batch, ids, count, collect_message);
    }
}

/* ---- what is new ----------------------------------------------------------------------------- */

static const struct log_event moved_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "rerouted",
    .text = "{queue_id}: to=<{to}>, goes to {transport}:{nexthop} now, not {old_transport}:"
            "{old_nexthop}",
};

static void log_move(const struct active *active, const struct envelope_recipient *recipient,
                     const struct message_route *route)
{
    log_event(&moved_event, log_id("queue_id", active->message->id),
              log_span("to", recipient->address), log_span("transport", route->transport),
              log_span("nexthop", route->nexthop), log_span("old_transport", recipient->transport),
              log_span("old_nexthop", recipient->nexthop));
}

/* True if any recipient has another route now. */
static bool move_recipients(const struct batch *batch, const struct active *active,
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
        log_move(active, recipient, route);
        recipient->transport = route->transport;
        recipient->nexthop = route->nexthop;
        recipient->next_due_ms = 0;
        is_changed = true;
    }
    return is_changed;
}

static sluice_status change_message(struct batch *batch, struct active *active,
                                    struct envelope *envelope)
{
    struct queue *queue = batch->queue;
    struct buffer record = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    envelope_encode(envelope, &record);
    if (!buffer_failed(&record))
        st = schedule_rebuild(&queue->schedule, active->message, envelope, clock_monotonic_ms());
    if (st == SLUICE_OK) {
        admit_rest(queue, active->message, envelope);
        active_change(active, &record, false);
        verify_waiting(active);
        batch->moved++;
    }
    buffer_done(&record);
    return st;
}

static void apply_to_message(struct batch *batch, struct active *active)
{
    struct envelope envelope = ENVELOPE_INIT;

    if (schedule_is_in_flight(active->message)) {
        resolve_message(batch->queue, active->message);
        batch->again++;
    } else if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK &&
               move_recipients(batch, active, &envelope) &&
               change_message(batch, active, &envelope) != SLUICE_OK) {
        log_error("out of memory: a message keeps its old route");
    }
    envelope_done(&envelope);
}

/* What a domain's other mail need not be asked for: the tables tell domains apart, not addresses, and
 * this one's goes where it went. */
static void note_domains(struct batch *batch)
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

static void apply(struct batch *batch, struct sluice_span answer)
{
    bool is_any = inquiry_answer(&batch->inquiry, answer);
    size_t count;

    note_domains(batch);
    if (!is_any)
        return;
    for (size_t i = 0; i < batch->id_count && !task_is_cancelled(); i += count) {
        count = batch->id_count - i < STORE_RECORDS_MAX ? batch->id_count - i : STORE_RECORDS_MAX;
        visit_messages(batch, batch->ids + i, count, apply_to_message);
    }
    (void)task_queue_wake_one(&batch->queue->work);
    log_notice("%zu messages have new routes", batch->moved);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status ask(struct batch *batch, struct deliver_link *link)
{
    struct resolving *resolving = &batch->queue->resolving;
    struct buffer body = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    inquiry_encode(&batch->inquiry, &body);
    if (!buffer_failed(&body))
        st = channel_send_body(link->channel, MESSAGE_RESOLVE, ++batch->queue->next_ref,
                               buffer_span(&body));
    buffer_done(&body);
    if (st != SLUICE_OK)
        return st;
    resolving->ref = batch->queue->next_ref;
    resolving->asked = link;
    resolving->is_answered = false;
    resolving->is_lost = false;
    return SLUICE_OK;
}

/* True: the answer is there. */
static bool wait_for_answer(struct resolving *resolving)
{
    int64_t deadline_ms = clock_monotonic_ms() + RESOLVE_ANSWER_MS;
    sluice_status st = SLUICE_OK;

    while (!resolving->is_answered && resolving->asked != NULL && st == SLUICE_OK)
        st = task_queue_wait(&resolving->changed, deadline_ms);
    resolving->ref = 0;
    resolving->asked = NULL;
    return resolving->is_answered;
}

sluice_status resolve_answered(struct deliver_link *link, const struct channel_frame *frame)
{
    struct resolving *resolving = &link->queue->resolving;

    if (frame->ref > link->queue->next_ref)
        return SLUICE_PERM;
    if (frame->ref != resolving->ref || link != resolving->asked)
        return SLUICE_OK; /* too late */
    buffer_clear(&resolving->answer);
    buffer_add_span(&resolving->answer, frame->body);
    resolving->is_answered = !buffer_failed(&resolving->answer);
    resolving->asked = NULL;
    task_queue_wake_all(&resolving->changed);
    return SLUICE_OK;
}

void resolve_link_ended(const struct deliver_link *link)
{
    struct resolving *resolving = &link->queue->resolving;

    if (resolving->asked != link)
        return;
    resolving->asked = NULL;
    resolving->is_lost = true;
    task_queue_wake_all(&resolving->changed);
}

/* ---- the task -------------------------------------------------------------------------------- */

/* What was not answered is named, and so asked again. */
static void name_again(struct batch *batch)
{
    for (size_t i = 0; i < batch->id_count; i++) {
        const struct queue_message *message = schedule_find(&batch->queue->schedule, batch->ids[i]);

        if (message != NULL)
            resolve_message(batch->queue, message);
    }
    batch->again += batch->id_count;
}

/* The process that was asked has gone: perhaps for what it was asked. */
static void take_loss(struct batch *batch)
{
    struct resolving *resolving = &batch->queue->resolving;
    char id[ID_TEXT_SIZE];

    if (batch->id_count > 1) {
        resolving->width = batch->id_count / 2;
    } else if (++resolving->losses == RESOLVE_LOSSES_MAX) {
        log_error("%s: keeps its route for now: %d deliver processes went when they were asked for "
                  "a new one",
                  id_format(batch->ids[0], id), RESOLVE_LOSSES_MAX);
        resolving->losses = 0;
        return;
    }
    name_again(batch);
}

static void take_answer(struct batch *batch)
{
    struct resolving *resolving = &batch->queue->resolving;

    resolving->losses = 0;
    resolving->width *= 2;
    if (resolving->width > RESOLVE_BATCH_MESSAGES)
        resolving->width = RESOLVE_BATCH_MESSAGES;
    apply(batch, buffer_span(&resolving->answer));
}

static void run_inquiry(struct batch *batch, struct deliver_link *link)
{
    struct resolving *resolving = &batch->queue->resolving;

    if (link == NULL || batch->queue->handover != 0 || ask(batch, link) != SLUICE_OK)
        name_again(batch);
    else if (wait_for_answer(resolving))
        take_answer(batch);
    else if (resolving->is_lost)
        take_loss(batch);
    else
        name_again(batch);
}

static int64_t pause_after(int64_t time_ms)
{
    int64_t pause_ms = time_ms * RESOLVE_PAUSE_FACTOR;

    if (pause_ms < RESOLVE_PAUSE_MIN_MS)
        return RESOLVE_PAUSE_MIN_MS;
    return pause_ms < RESOLVE_PAUSE_MAX_MS ? pause_ms : RESOLVE_PAUSE_MAX_MS;
}

/* When to go on. */
static int64_t run_batch(struct queue *queue)
{
    struct batch batch = {.queue = queue,
                          .inquiry.is_by_sender = queue->settings.is_routed_by_sender,
                          .ids = calloc(RESOLVE_BATCH_MESSAGES, sizeof(*batch.ids))};
    int64_t begin_ms = clock_monotonic_ms();

    if (batch.ids == NULL)
        return clock_monotonic_ms() + RESOLVE_AGAIN_MS;
    collect(&batch);
    struct deliver_link *link = pick_current(queue, CREW_COMMON); /* reading took a while */
    if (batch.inquiry.entries != NULL && !task_is_cancelled())
        run_inquiry(&batch, link);
    int64_t now_ms = clock_monotonic_ms();
    int64_t pause_ms = batch.again > 0 ? RESOLVE_AGAIN_MS : pause_after(now_ms - begin_ms);
    batch_done(&batch);
    return now_ms + pause_ms;
}

static bool has_work(const struct resolving *resolving)
{
    return resolving->is_walking || resolving->named.count > 0;
}

static void run(void *arg)
{
    struct queue *queue = arg;
    struct resolving *resolving = &queue->resolving;

    while (!task_is_cancelled() && queue->handover == 0) {
        if (!has_work(resolving))
            (void)task_queue_wait(&resolving->changed, CLOCK_NEVER); /* whichever: look again */
        else if (pick_current(queue, CREW_COMMON) == NULL)
            (void)task_sleep_until(clock_monotonic_ms() + RESOLVE_AGAIN_MS);
        else
            (void)task_sleep_until(run_batch(queue));
    }
}

sluice_status resolve_start(struct queue *queue)
{
    queue->resolving.width = RESOLVE_BATCH_MESSAGES;
    return queue_start_task(queue, "resolve", run, queue);
}

void resolve_all(struct queue *queue)
{
    struct resolving *resolving = &queue->resolving;

    if (resolving->is_walking)
        cursor_stop(&resolving->cursor, &queue->schedule);
    cursor_start(&resolving->cursor, &queue->schedule);
    resolving->walk++;
    resolving->is_walking = true;
    task_queue_wake_all(&resolving->changed);
}

void resolve_message(struct queue *queue, const struct queue_message *message)
{
    if (!id_list_add(&queue->resolving.named, message->id))
        log_error("out of memory: a message keeps its route for now");
    task_queue_wake_all(&queue->resolving.changed);
}

void resolve_done(struct queue *queue)
{
    struct resolving *resolving = &queue->resolving;

    if (resolving->is_walking)
        cursor_stop(&resolving->cursor, &queue->schedule);
    resolving->is_walking = false;
    id_list_done(&resolving->named);
    buffer_done(&resolving->answer);
}
