/* SPDX-License-Identifier: ISC */
/*
 * resolve: one task; collects a batch, asks, and applies what is new.
 */
#include "queue/resolve.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "ipc/messages.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/dispatch.h"
#include "queue/state.h"
#include "queue/verify.h"

#include <stdlib.h>
#include <utlist.h>

/* ---- a batch --------------------------------------------------------------------------------- */

/* An address with the route that it has, and the one that it gets. */
struct entry {
    struct message_route route; /* borrows from the answer */
    bool is_moved;
    UT_hash_handle hh;
    size_t address_len;
    size_t key_len;
    char key[]; /* address, NUL, transport, NUL, nexthop */
};

struct batch {
    struct queue *queue;
    uint64_t *ids;
    size_t id_count;
    struct entry *entries;
    size_t bytes;
    size_t moved;
    size_t again; /* messages that have to be looked at once more */
};

static void batch_done(struct batch *batch)
{
    struct entry *entry;
    struct entry *next;

    HASH_ITER(hh, batch->entries, entry, next)
    {
        HASH_DEL(batch->entries, entry);
        free(entry);
    }
    free(batch->ids);
}

static void make_key(const struct envelope_recipient *recipient, struct buffer *key)
{
    buffer_add_span(key, recipient->address);
    buffer_add_byte(key, '\0');
    buffer_add_span(key, recipient->transport);
    buffer_add_byte(key, '\0');
    buffer_add_span(key, recipient->nexthop);
}

static struct entry *find_entry(const struct batch *batch, struct sluice_span key)
{
    struct entry *entry;

    HASH_FIND(hh, batch->entries, key.ptr, key.len, entry);
    return entry;
}

/* NULL: no memory; its recipient keeps its route. */
static struct entry *add_entry(struct batch *batch, const struct envelope_recipient *recipient)
{
    struct buffer key = BUFFER_INIT;
    struct entry *entry = NULL;

    make_key(recipient, &key);
    if (!buffer_failed(&key) && (entry = find_entry(batch, buffer_span(&key))) == NULL) {
        entry = calloc(1, sizeof(*entry) + key.len);
        if (entry != NULL) {
            memcpy(entry->key, key.ptr, key.len);
            entry->key_len = key.len;
            entry->address_len = recipient->address.len;
            HASH_ADD_KEYPTR(hh, batch->entries, entry->key, entry->key_len, entry);
        }
        if (entry != NULL && !hash_has(entry)) {
            free(entry);
            entry = NULL;
        }
        batch->bytes += entry != NULL ? key.len : 0;
    }
    buffer_done(&key);
    return entry;
}

static bool is_full(const struct batch *batch)
{
    return batch->id_count >= batch->queue->resolving.width ||
           batch->bytes >= RESOLVE_BATCH_BYTES ||
           HASH_COUNT(batch->entries) >= RESOLVE_BATCH_ADDRESSES;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The message with its newest record in memory, and one user more; NULL: there is nothing to do, or it
 * cannot be read now. [task: waits] */
static struct active *load(struct queue *queue, uint64_t id)
{
    struct queue_message *message = schedule_find(&queue->schedule, id);
    struct buffer record = BUFFER_INIT;
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;

    if (message == NULL || !message->is_durable || message->units == NULL)
        return NULL;
    struct active *active = active_get(queue, message);
    if (active == NULL)
        return NULL;
    if (active->record.len == 0)
        st = store_read(queue->store, id, &record, NULL, &err);
    if (st == SLUICE_OK)
        active_set(active, &record);
    buffer_done(&record);
    if (st == SLUICE_OK && !active->is_finished)
        return active;
    active_unref(active);
    return NULL;
}

/* Of any of its recipients that wait. */
static void collect_addresses(struct batch *batch, const struct active *active)
{
    struct envelope envelope = ENVELOPE_INIT;

    if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK) {
        for (size_t i = 0; i < envelope.recipient_count; i++) {
            if (envelope.recipients[i].state == RECIPIENT_WAITING)
                (void)add_entry(batch, &envelope.recipients[i]);
        }
    }
    envelope_done(&envelope);
}

static void collect_message(struct batch *batch, uint64_t id)
{
    struct active *active = load(batch->queue, id);

    if (active == NULL)
        return;
    verify_waiting(active);
    batch->ids[batch->id_count++] = id;
    collect_addresses(batch, active);
    active_unref(active);
}

/* What somebody named comes first. False: that was all. */
static bool next_id(struct resolving *resolving, struct schedule *schedule, uint64_t *ret_id)
{
    const struct queue_message *message;

    if (id_list_take(&resolving->named, ret_id))
        return true;
    if (!resolving->is_walking)
        return false;
    message = cursor_next(&resolving->cursor);
    if (message != NULL) {
        *ret_id = message->id;
        return true;
    }
    cursor_stop(&resolving->cursor, schedule);
    resolving->is_walking = false;
    return false;
}

static void collect(struct batch *batch)
{
    struct queue *queue = batch->queue;
    uint64_t id;

    while (!is_full(batch) && !task_is_cancelled() &&
           next_id(&queue->resolving, &queue->schedule, &id))
        collect_message(batch, id);
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
    struct buffer key = BUFFER_INIT;
    bool is_changed = false;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[i];

        if (recipient->state != RECIPIENT_WAITING)
            continue;
        buffer_clear(&key);
        make_key(recipient, &key);
        const struct entry *entry =
            buffer_failed(&key) ? NULL : find_entry(batch, buffer_span(&key));
        if (entry == NULL || !entry->is_moved)
            continue;
        log_move(active, recipient, &entry->route);
        recipient->transport = entry->route.transport;
        recipient->nexthop = entry->route.nexthop;
        recipient->next_due_ms = 0;
        is_changed = true;
    }
    buffer_done(&key);
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

static void apply_to_message(struct batch *batch, uint64_t id)
{
    struct active *active = load(batch->queue, id);
    struct envelope envelope = ENVELOPE_INIT;

    if (active == NULL)
        return;
    if (schedule_is_in_flight(active->message)) {
        resolve_message(batch->queue, active->message);
        batch->again++;
    } else if (envelope_decode(buffer_span(&active->record), &envelope, NULL) == SLUICE_OK &&
               move_recipients(batch, active, &envelope) &&
               change_message(batch, active, &envelope) != SLUICE_OK) {
        log_error("out of memory: a message keeps its old route");
    }
    envelope_done(&envelope);
    active_unref(active);
}

/* Each answer to its entry, in the order in which they were asked. True if one is new. */
static bool take_routes(struct batch *batch, struct sluice_span answer)
{
    bool is_any = false;

    for (struct entry *entry = batch->entries; entry != NULL; entry = entry->hh.next) {
        struct buffer key = BUFFER_INIT;

        if (message_route_next(&answer, &entry->route) != SLUICE_OK)
            break;
        struct envelope_recipient routed = {
            .address = {.ptr = entry->key, .len = entry->address_len},
            .transport = entry->route.transport,
            .nexthop = entry->route.nexthop,
        };
        make_key(&routed, &key);
        entry->is_moved =
            entry->route.status == SLUICE_OK && !buffer_failed(&key) &&
            !span_equal(buffer_span(&key),
                        (struct sluice_span){.ptr = entry->key, .len = entry->key_len});
        is_any = is_any || entry->is_moved;
        buffer_done(&key);
    }
    return is_any;
}

static void apply(struct batch *batch, struct sluice_span answer)
{
    if (!take_routes(batch, answer))
        return;
    for (size_t i = 0; i < batch->id_count && !task_is_cancelled(); i++)
        apply_to_message(batch, batch->ids[i]);
    (void)task_queue_wake_one(&batch->queue->work);
    log_notice("%zu messages have new routes", batch->moved);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status ask(struct batch *batch, struct deliver_link *link)
{
    struct resolving *resolving = &batch->queue->resolving;
    struct buffer body = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    for (const struct entry *entry = batch->entries; entry != NULL; entry = entry->hh.next)
        message_resolve_add((struct sluice_span){.ptr = entry->key, .len = entry->address_len},
                            &body);
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

/* One that has our tables, not those of a former configuration. What suspects have for themselves is not
 * disturbed. */
static struct deliver_link *find_link(const struct queue *queue)
{
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->channel != NULL && !link->is_isolated &&
            link->generation == queue->role->generation)
            break;
    }
    return link;
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

/* When to go on. */
static int64_t run_batch(struct queue *queue)
{
    struct batch batch = {.queue = queue,
                          .ids = calloc(RESOLVE_BATCH_MESSAGES, sizeof(*batch.ids))};
    int64_t pause_ms = RESOLVE_PAUSE_MS;

    if (batch.ids == NULL)
        return clock_monotonic_ms() + RESOLVE_AGAIN_MS;
    collect(&batch);
    struct deliver_link *link = find_link(queue); /* reading took a while */
    if (batch.entries != NULL && !task_is_cancelled())
        run_inquiry(&batch, link);
    if (batch.again > 0)
        pause_ms = RESOLVE_AGAIN_MS;
    batch_done(&batch);
    return clock_monotonic_ms() + pause_ms;
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
        else if (find_link(queue) == NULL)
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
