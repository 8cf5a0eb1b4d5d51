/* SPDX-License-Identifier: ISC */
/*
 * report: from what is owed to what is stored. A few tasks take what is due, one message each.
 */
#include "queue/report.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/dispatch.h"
#include "queue/lifetime.h"
#include "queue/pick.h"
#include "queue/report_put.h"
#include "queue/state.h"

#include <stdlib.h>
#include <utlist.h>

#define REPORT_TASKS 4
#define REPORT_LOOK_MS 1000 /* when there is no deliver process, or none with credit */
#define LEASE_LOOK_MS 20

/* A report that a deliver process has been asked for. */
struct report_call {
    uint64_t ref;
    struct deliver_link *link; /* NULL: it is gone */
    uint64_t cost;             /* in bytes of credit */
    struct report_put *put;    /* what has come so far */
    uint64_t first_id;
    bool is_done;
    sluice_status status;
    struct error *err;
    struct task_queue answered;
    struct report_call *prev;
    struct report_call *next;
};

/* ---- what is owed ---------------------------------------------------------------------------- */

size_t report_count(const struct queue *queue)
{
    return HASH_COUNT(queue->reports.owed.table);
}

bool report_is_idle(const struct queue *queue)
{
    return queue->reports.calls == NULL;
}

void report_wake(struct queue *queue)
{
    (void)task_queue_wake_one(&queue->reports.work);
}

static int64_t gather_ms(const struct queue_message *message, int64_t now_ms)
{
    return schedule_is_under_way(message, now_ms) ? now_ms + REPORT_GATHER_MS : now_ms;
}

/* Deliver has crashed too often over it: until it is taken off hold nobody is told of it. */
static bool is_given_up(const struct queue_message *message)
{
    return message->is_held && message->crashes >= SUSPECTS_CRASHES_MAX;
}

void report_owe(struct queue *queue, const struct queue_message *message, enum report_kind kind)
{
    struct owed *owed;
    char id[ID_TEXT_SIZE];

    if (is_given_up(message))
        return;
    owed = owed_get(&queue->reports.owed, message->id);
    if (owed == NULL) {
        log_error("%s: out of memory: its sender is told after the next start",
                  id_format(message->id, id));
        return;
    }
    owed_add(&queue->reports.owed, owed, kind, gather_ms(message, clock_monotonic_ms()));
    report_wake(queue);
}

/* ---- whom a report is about ------------------------------------------------------------------ */

static bool is_concerned(const struct envelope *envelope,
                         const struct envelope_recipient *recipient, enum report_kind kind)
{
    enum recipient_state state = recipient->state;
    bool is_good = state == RECIPIENT_RELAYED || state == RECIPIENT_ARRIVED;
    bool is_bad = state == RECIPIENT_FAILED;

    switch (kind) {
    case REPORT_FAILURE:
        return is_bad && !envelope->is_verify;
    case REPORT_SUCCESS:
        return is_good && !envelope->is_verify;
    case REPORT_VERIFY:
        return envelope->is_verify && (is_good || is_bad || state == RECIPIENT_UNVERIFIED);
    default: /* RFC 3461 4.1: without NOTIFY we may tell of delays */
        return state == RECIPIENT_WAITING &&
               (recipient->notify == SLUICE_NOTIFY_DEFAULT ||
                (recipient->notify & SLUICE_NOTIFY_DELAY) != 0);
    }
}

/* Who asks gets one report, when all is known. */
static bool is_owed(const struct envelope *envelope, enum report_kind kind)
{
    bool has_any = false;

    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const struct envelope_recipient *recipient = &envelope->recipients[i];

        if (kind == REPORT_VERIFY && recipient->state == RECIPIENT_WAITING)
            return false;
        has_any = has_any || is_concerned(envelope, recipient, kind);
    }
    return has_any;
}

void report_owe_all(struct queue *queue, const struct queue_message *message,
                    const struct envelope *envelope)
{
    static const enum report_kind kinds[] = {REPORT_FAILURE, REPORT_SUCCESS, REPORT_VERIFY};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_owed(envelope, kinds[i]))
            report_owe(queue, message, kinds[i]);
    }
}

/* ---- a report under way ---------------------------------------------------------------------- */

struct run {
    struct queue *queue;
    enum report_kind kind;
    struct active *active;
    struct owed *owed;
    uint32_t *recipients; /* that it is about: their places in the record */
    size_t recipient_count;
    bool has_more;           /* for a report of its own, */
    uint32_t next_recipient; /* which begins there */
};

/* Who has been warned of a delay is as he was: what comes before has been told. */
static size_t first_recipient(const struct run *run)
{
    return run->kind == REPORT_DELAY ? run->owed->delay_from : 0;
}

/* Leaves the concerned recipients alone in the envelope, and notes where they were. */
static sluice_status select_recipients(struct run *run, struct envelope *envelope)
{
    run->recipients = calloc(REPORT_RECIPIENTS_MAX, sizeof(*run->recipients));
    if (run->recipients == NULL)
        return SLUICE_TEMP;
    for (size_t i = first_recipient(run); i < envelope->recipient_count; i++) {
        if (!is_concerned(envelope, &envelope->recipients[i], run->kind))
            continue;
        run->has_more = run->recipient_count == REPORT_RECIPIENTS_MAX;
        run->next_recipient = (uint32_t)i;
        if (run->has_more)
            break;
        envelope->recipients[run->recipient_count] = envelope->recipients[i];
        run->recipients[run->recipient_count++] = (uint32_t)i;
    }
    envelope->recipient_count = run->recipient_count;
    return SLUICE_OK;
}

/* In the record: it has been told. */
static void mark_told(struct envelope *envelope, void *user)
{
    const struct run *run = user;

    if (run->kind == REPORT_DELAY && !run->has_more)
        envelope->warned_ms = clock_wall_ms();
    for (size_t i = 0; i < run->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope->recipients[run->recipients[i]];

        if (run->kind != REPORT_DELAY)
            recipient->state = recipient->state == RECIPIENT_FAILED ? RECIPIENT_RETURNED
                                                                    : RECIPIENT_DELIVERED;
    }
}

static void mark_held(struct envelope *envelope, void *user)
{
    (void)user;
    envelope->is_held = true;
    envelope->crashes = SUSPECTS_CRASHES_MAX;
}

/* ---- asking deliver -------------------------------------------------------------------------- */

static void call_begin(struct run *run, struct report_call *call, struct deliver_link *link,
                       uint64_t cost)
{
    call->ref = ++run->queue->next_ref;
    call->link = link;
    call->cost = cost;
    link->used_messages++;
    link->used_bytes += cost;
    DL_APPEND(run->queue->reports.calls, call);
}

static void call_end(struct run *run, struct report_call *call)
{
    if (call->link != NULL) {
        call->link->used_messages--;
        call->link->used_bytes -= call->cost;
    }
    DL_DELETE(run->queue->reports.calls, call);
    (void)task_queue_wake_one(&run->queue->work); /* there is credit again */
    task_queue_wake_all(&run->queue->ended);
}

static sluice_status call_send(struct run *run, const struct report_call *call,
                               const struct envelope *envelope, const struct store_content *content)
{
    struct buffer encoded = BUFFER_INIT;
    struct buffer head = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    envelope_encode(envelope, &encoded);
    struct message_report report = {
        .message_id = run->active->message->id,
        .first_id = call->first_id,
        .kind = run->kind,
        .expires_ms = lifetime_expires_ms(run->queue, run->active->message),
        .envelope = buffer_span(&encoded),
        .content = buffer_span(&content->bytes),
    };
    message_report_encode_head(&report, &head);
    if (!buffer_failed(&encoded) && !buffer_failed(&head)) {
        struct sluice_span parts[] = {buffer_span(&head), report.content};
        st = channel_send(call->link->channel, MESSAGE_REPORT, call->ref, parts, 2, content->fd);
    }
    buffer_done(&head);
    buffer_done(&encoded);
    return st;
}

static void call_finish(struct report_call *call, sluice_status status)
{
    call->is_done = true;
    call->status = status;
    task_queue_wake_all(&call->answered);
}

/* Ids for the new messages. */
static sluice_status take_ids(struct queue *queue, uint64_t *ret_first)
{
    struct reports *reports = &queue->reports;

    while (reports->ids_left < REPORT_MESSAGES_MAX) {
        if (!lease_take(&queue->lease, &reports->next_id, &reports->ids_left) &&
            task_sleep_until(clock_monotonic_ms() + LEASE_LOOK_MS) != SLUICE_OK)
            return SLUICE_TEMP;
    }
    *ret_first = reports->next_id;
    reports->next_id += REPORT_MESSAGES_MAX;
    reports->ids_left -= REPORT_MESSAGES_MAX;
    return SLUICE_OK;
}

/* Sends the request and waits for the new messages, in put. */
static sluice_status ask(struct run *run, const struct envelope *envelope,
                         const struct store_content *content, struct report_put *put,
                         struct error *err)
{
    struct report_call call = {.put = put, .err = err};
    struct deliver_link *link;

    if (take_ids(run->queue, &call.first_id) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no message ids");
    link = pick_any(run->queue, CREW_COMMON);
    if (link == NULL || run->queue->is_draining)
        return error_set(err, SLUICE_TEMP, "no deliver process takes it");
    call_begin(run, &call, link, dispatch_cost(run->active->message));
    run->owed->asked_pid = link->pid;
    if (call_send(run, &call, envelope, content) != SLUICE_OK) {
        (void)error_set(err, SLUICE_TEMP, "no memory for a report");
        call_finish(&call, SLUICE_TEMP);
    }
    while (!call.is_done) {
        if (task_queue_wait(&call.answered, CLOCK_NEVER) == SLUICE_OK)
            continue;
        (void)error_set(err, SLUICE_TEMP, "the queue ends");
        call_finish(&call, SLUICE_TEMP);
    }
    call_end(run, &call);
    return call.status;
}

sluice_status report_answered(struct deliver_link *link, struct channel_frame *frame)
{
    struct message_reported reported;
    struct report_call *call;

    DL_FOREACH(link->queue->reports.calls, call)
    {
        if (call->ref == frame->ref && call->link == link)
            break;
    }
    if (call == NULL && frame->ref <= link->queue->inherited_ref)
        return SLUICE_OK; /* to a former queue: this one asks for itself */
    if (call == NULL || call->is_done ||
        message_reported_decode(frame->body, &reported) != SLUICE_OK)
        return SLUICE_PERM;
    if (reported.envelope.len > 0)
        return report_put_add(call->put, &reported, call->first_id, &frame->fd);
    if (reported.status != SLUICE_OK)
        (void)error_set(call->err, SLUICE_TEMP, "%.*s", SPAN_ARGS(reported.text));
    call_finish(call, reported.status == SLUICE_OK ? SLUICE_OK : SLUICE_TEMP);
    return SLUICE_OK;
}

void report_link_lost(struct deliver_link *link)
{
    struct report_call *call;

    DL_FOREACH(link->queue->reports.calls, call)
    {
        if (call->link != link)
            continue;
        call->link = NULL;
        (void)error_set(call->err, SLUICE_TEMP, "the deliver process has gone");
        call_finish(call, SLUICE_TEMP);
    }
}

/* ---- one report ------------------------------------------------------------------------------ */

/* The report exists as soon as it is stored. While the store may still read it, nothing is freed. */
static sluice_status compose_and_store(struct run *run, struct envelope *envelope,
                                       const struct store_content *content, struct error *err)
{
    struct report_put *put = report_put_new(run->queue);
    sluice_status st;

    if (put == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    st = ask(run, envelope, content, put, err);
    if (st == SLUICE_OK)
        st = report_put_stage(put, err);
    if (st == SLUICE_OK)
        st = active_change_with(run->active, mark_told, run, report_put_changes(put), err);
    if (st != SLUICE_OK && task_is_cancelled() && run->active->is_recording)
        return st;
    if (st == SLUICE_OK)
        report_put_admit(put, run->active->message->id, run->kind);
    report_put_free(put);
    return st;
}

static sluice_status run_with(struct run *run, const struct store_content *content,
                              struct error *err)
{
    struct envelope envelope = ENVELOPE_INIT;
    sluice_status st = envelope_decode(buffer_span(&run->active->record), &envelope, err);

    if (st != SLUICE_OK)
        return st;
    st = select_recipients(run, &envelope);
    if (st == SLUICE_OK && run->recipient_count > 0)
        st = compose_and_store(run, &envelope, content, err);
    envelope_done(&envelope);
    free(run->recipients);
    return st;
}

/* With its newest record in memory, and one user more, if run->active is not NULL. */
static sluice_status read_message(struct run *run, struct queue_message *message,
                                  struct store_content *content, struct error *err)
{
    struct buffer record = BUFFER_INIT;
    sluice_status st;

    run->active = active_get(run->queue, message);
    if (run->active == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    st = store_read(run->queue->store, message->id, &record, content, err);
    if (st == SLUICE_OK)
        active_set(run->active, &record);
    buffer_done(&record);
    return st;
}

static sluice_status run_report(struct run *run, struct queue_message *message, struct error *err)
{
    struct store_content content = STORE_CONTENT_INIT;
    sluice_status st = read_message(run, message, &content, err);

    if (st == SLUICE_OK)
        st = run_with(run, &content, err);
    if (run->active != NULL)
        active_unref(run->active);
    store_content_done(&content);
    return st;
}

/* ---- giving up ------------------------------------------------------------------------------- */

void report_crashed(struct queue *queue, int32_t pid, const char *task, bool is_alone)
{
    struct owed *owed;
    char id[ID_TEXT_SIZE];

    for (owed = queue->reports.owed.table; owed != NULL; owed = owed->hh.next) {
        if (owed->asked_pid != pid)
            continue;
        owed->asked_pid = 0;
        if (task[0] != '\0' ? strcmp(id_format(owed->id, id), task) == 0 : is_alone)
            owed->crashes++;
    }
}

/* Somebody has to look at it: until then nobody is told, and nothing is lost. */
static sluice_status give_up(struct run *run, struct queue_message *message, struct error *err)
{
    struct queue *queue = run->queue;
    char id[ID_TEXT_SIZE];

    sluice_status st = read_message(run, message, NULL, err);
    if (st == SLUICE_OK)
        st = active_change_with(run->active, mark_held, NULL, NULL, err);
    if (st == SLUICE_OK) {
        log_error("%s: held after %d crashes of deliver over a report to its sender",
                  id_format(message->id, id), OWED_CRASHES_MAX);
        message->crashes = SUSPECTS_CRASHES_MAX;
        schedule_hold(&queue->schedule, message, clock_monotonic_ms());
        memset(run->owed->kinds, 0, sizeof(run->owed->kinds));
    }
    if (run->active != NULL)
        active_unref(run->active);
    return st;
}

/* ---- the reporters --------------------------------------------------------------------------- */

/* NULL: none can be made now. */
static struct owed *take_due(struct queue *queue)
{
    if (queue->is_draining || pick_any(queue, CREW_COMMON) == NULL)
        return NULL;
    return owed_take(&queue->reports.owed, clock_monotonic_ms());
}

static void settle(struct queue *queue, const struct run *run, sluice_status status)
{
    struct owed *owed = run->owed;

    if (status != SLUICE_OK || run->has_more)
        owed->kinds[run->kind] = true;
    if (status == SLUICE_OK && run->kind == REPORT_DELAY)
        owed->delay_from = run->has_more ? run->next_recipient : 0;
    if (schedule_find(&queue->schedule, owed->id) == NULL)
        owed_drop(&queue->reports.owed, owed);
    else
        owed_settle(&queue->reports.owed, owed, status, queue->settings.maximal_backoff_ms,
                    clock_monotonic_ms());
}

static void make_report(struct queue *queue, struct owed *owed)
{
    struct queue_message *message = schedule_find(&queue->schedule, owed->id);
    struct run run = {.queue = queue, .kind = owed_first_kind(owed), .owed = owed};
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;
    char id[ID_TEXT_SIZE];

    owed->kinds[run.kind] = false; /* what fails from now on needs another one */
    if (message != NULL && owed->crashes >= OWED_CRASHES_MAX)
        st = give_up(&run, message, &err);
    else if (message != NULL)
        st = run_report(&run, message, &err);
    if (task_is_cancelled())
        return;
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND)
        log_warning("%s: its sender cannot be told now: %s", id_format(owed->id, id), err.text);
    settle(queue, &run, st);
}

static void reporter(void *arg)
{
    struct queue *queue = arg;

    while (!task_is_cancelled()) {
        struct owed *owed = take_due(queue);
        int64_t now_ms = clock_monotonic_ms();
        int64_t look_ms = owed_next_ms(&queue->reports.owed);

        if (owed != NULL) {
            report_wake(queue); /* there may be more of them */
            make_report(queue, owed);
        } else {
            if (look_ms <= now_ms)
                look_ms = now_ms + REPORT_LOOK_MS;
            (void)task_queue_wait(&queue->reports.work, look_ms);
        }
    }
}

sluice_status reports_start(struct queue *queue, struct error *err)
{
    for (int i = 0; i < REPORT_TASKS; i++) {
        if (queue_start_task(queue, "report", reporter, queue) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "out of memory");
    }
    return SLUICE_OK;
}

void reports_done(struct queue *queue)
{
    owed_done(&queue->reports.owed);
}
