/* SPDX-License-Identifier: ISC */
/*
 * resolve: one task; collects a batch, asks, and applies what is new.
 */
#include "queue/resolve.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "queue/dispatch.h"
#include "queue/pick.h"
#include "queue/resolve_batch.h"
#include "queue/state.h"

#include <stdlib.h>
#include <utlist.h>

/* ---- which messages ------------------------------------------------------------------------------ */

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

/* From the beginning, once more, if tables have changed on the way: not all of it has been asked for since. */
static void end_walk(struct resolving *resolving, struct schedule *schedule)
{
    cursor_stop(&resolving->cursor, schedule);
    if (resolving->walks_again)
        cursor_start(&resolving->cursor, schedule);
    else
        resolving->is_walking = false;
    resolving->walks_again = false;
}

/* What somebody named comes first. False: that was all for now. [task: waits] */
static bool next_id(struct resolving *resolving, struct schedule *schedule, uint64_t *ret_id)
{
    if (id_list_take(&resolving->named, ret_id))
        return true;
    if (!resolving->is_walking)
        return false;
    if (walk_on(resolving, ret_id))
        return true;
    if (!task_is_cancelled())
        end_walk(resolving, schedule);
    return false;
}

static void collect(struct resolve_batch *batch)
{
    struct queue *queue = batch->queue;
    uint64_t ids[STORE_RECORDS_MAX];
    bool is_more = true;

    while (is_more && !resolve_batch_is_full(batch) && !task_is_cancelled()) {
        size_t room = queue->resolving.width - batch->id_count;
        size_t count = 0;

        while (is_more && count < STORE_RECORDS_MAX && count < room) {
            is_more = next_id(&queue->resolving, &queue->schedule, &ids[count]);
            count += is_more;
        }
        if (count > 0)
            resolve_batch_add(batch, ids, count);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static sluice_status ask(struct resolve_batch *batch, struct deliver_link *link)
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

void resolve_link_started(struct queue *queue)
{
    task_queue_wake_all(&queue->resolving.changed);
}

void resolve_link_ended(const struct deliver_link *link)
{
    struct resolving *resolving = &link->queue->resolving;

    if (resolving->asked != link)
        return;
    resolving->asked = NULL;
    task_queue_wake_all(&resolving->changed);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Without that in the answer the tables cannot be asked now. */
static void look_at_tables(struct queue *queue)
{
    struct resolving *resolving = &queue->resolving;
    struct message_tables tables;

    if (message_tables_find(buffer_span(&resolving->answer), &tables) != SLUICE_OK)
        return;
    bool is_new = tables.number != resolving->tables;
    bool is_first = resolving->tables == 0;
    resolving->tables = tables.number;
    resolving->has_all_tables = tables.is_whole;
    if (!is_new || !resolving->has_begun) /* the first walk is yet to come */
        return;
    if (!is_first)
        log_info("tables have changed: mail that waits is routed again");
    resolving->settle_ms = clock_monotonic_ms() + RESOLVE_SETTLE_MS;
    resolve_all(queue);
}

/* Fewer at a time: it may be that one of them is the reason, or that the tables are slow. */
static void ask_again(struct resolve_batch *batch)
{
    struct resolving *resolving = &batch->queue->resolving;
    char id[ID_TEXT_SIZE];

    if (batch->id_count > 1) {
        resolving->width = batch->id_count / 2;
    } else if (++resolving->losses == RESOLVE_LOSSES_MAX) {
        log_error("%s: keeps its route for now: asked for a new one %d times, never answered in full",
                  id_format(batch->ids[0], id), RESOLVE_LOSSES_MAX);
        resolving->losses = 0;
        resolve_batch_keep_routes(batch);
        return;
    }
    resolve_batch_name_again(batch);
}

static void take_answer(struct resolve_batch *batch)
{
    struct resolving *resolving = &batch->queue->resolving;

    look_at_tables(batch->queue);
    resolve_batch_apply(batch, buffer_span(&resolving->answer));
    if (batch->inquiry.unanswered > 0) {
        ask_again(batch);
        return;
    }
    resolve_batch_keep_routes(batch); /* that have not moved */
    resolving->losses = 0;
    resolving->width *= 2;
    if (resolving->width > RESOLVE_BATCH_MESSAGES)
        resolving->width = RESOLVE_BATCH_MESSAGES;
}

static void run_inquiry(struct resolve_batch *batch, struct deliver_link *link)
{
    if (link == NULL || batch->queue->handover != 0 || ask(batch, link) != SLUICE_OK) {
        resolve_batch_name_again(batch);
        batch->is_to_wait = true;
    } else if (wait_for_answer(&batch->queue->resolving)) {
        take_answer(batch);
    } else {
        ask_again(batch);
    }
}

/* Asks for nothing but what the tables have. */
static void poll_tables(struct queue *queue)
{
    struct resolve_batch batch = {.queue = queue};
    struct resolving *resolving = &queue->resolving;
    struct deliver_link *link = pick_current(queue, CREW_COMMON);

    if (resolving->settle_ms != 0 && clock_monotonic_ms() >= resolving->settle_ms) {
        resolving->settle_ms = 0;
        resolve_all(queue);
    } else if (link != NULL && queue->schedule.messages.count > 0 &&
               ask(&batch, link) == SLUICE_OK && wait_for_answer(resolving)) {
        look_at_tables(queue);
    }
}

/* ---- the task -------------------------------------------------------------------------------- */

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
    struct resolve_batch batch = {
        .queue = queue,
        .ids = calloc(RESOLVE_BATCH_MESSAGES, sizeof(*batch.ids)),
        .inquiry.is_by_sender = queue->settings.is_routed_by_sender,
    };
    int64_t begin_ms = clock_monotonic_ms();

    if (batch.ids == NULL)
        return clock_monotonic_ms() + RESOLVE_AGAIN_MS;
    queue->resolving.is_busy = true;
    collect(&batch);
    struct deliver_link *link = pick_current(queue, CREW_COMMON); /* reading took a while */
    if (batch.inquiry.entries != NULL && !task_is_cancelled())
        run_inquiry(&batch, link);
    int64_t now_ms = clock_monotonic_ms();
    int64_t pause_ms = batch.is_to_wait ? RESOLVE_AGAIN_MS : pause_after(now_ms - begin_ms);
    resolve_batch_done(&batch);
    queue->resolving.is_busy = false;
    return now_ms + pause_ms;
}

static bool has_work(const struct resolving *resolving)
{
    return resolving->is_walking || resolving->named.count > 0;
}

/* What changes while the first walk is under way is noticed. */
static void begin(struct queue *queue)
{
    poll_tables(queue);
    queue->resolving.has_begun = true;
}

/* Until there is work, or a link, or somebody else to ask. False: the tables are to be looked at. */
static bool wait_for_work(struct resolving *resolving, bool has_link)
{
    int64_t deadline_ms = has_link ? clock_monotonic_ms() + RESOLVE_POLL_MS : CLOCK_NEVER;

    return task_queue_wait(&resolving->changed, deadline_ms) == SLUICE_OK;
}

static void run(void *arg)
{
    struct queue *queue = arg;
    struct resolving *resolving = &queue->resolving;

    while (!task_is_cancelled() && queue->handover == 0) {
        struct deliver_link *link = pick_current(queue, CREW_COMMON);

        if (!resolving->has_begun && link != NULL)
            begin(queue);
        else if (has_work(resolving) && link != NULL)
            (void)task_sleep_until(run_batch(queue));
        else if (!wait_for_work(resolving, link != NULL))
            poll_tables(queue);
    }
}

sluice_status resolve_start(struct queue *queue)
{
    queue->resolving.width = RESOLVE_BATCH_MESSAGES;
    queue->resolving.has_begun = queue->schedule.messages.count == 0;
    return queue_start_task(queue, "resolve", run, queue);
}

/* A walk that is under way goes on: tables that change again and again must not keep it from its end. */
void resolve_all(struct queue *queue)
{
    struct resolving *resolving = &queue->resolving;

    resolving->walk++;
    resolving->walks_again = resolving->is_walking;
    if (!resolving->is_walking)
        cursor_start(&resolving->cursor, &queue->schedule);
    resolving->is_walking = true;
    task_queue_wake_all(&resolving->changed);
}

uint64_t resolve_known_tables(const struct resolving *resolving)
{
    bool is_done = !has_work(resolving) && !resolving->is_busy && resolving->settle_ms == 0;

    return is_done && resolving->has_all_tables ? resolving->tables : 0;
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
