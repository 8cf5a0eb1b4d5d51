/* SPDX-License-Identifier: ISC */
/*
 * dispatch: from the schedule to a deliver process and back.
 */
#include "queue/dispatch.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/lifetime.h"
#include "queue/pick.h"
#include "queue/report.h"
#include "queue/results.h"
#include "queue/state.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

/* ---- jobs ------------------------------------------------------------------------------------ */

struct job *dispatch_find_job(const struct queue *queue, uint64_t ref)
{
    struct job *job;

    HASH_FIND(hh, queue->jobs, &ref, sizeof(ref), job);
    return job;
}

/* Units are empty by now: they have been rescheduled. */
void dispatch_end_job(struct job *job)
{
    struct queue *queue = job->queue;

    if (job->link != NULL) {
        job->link->used_messages--;
        job->link->used_bytes -= job->cost;
    }
    if (job->is_isolated)
        suspects_left(&queue->suspects);
    if (job->active != NULL)
        active_unref(job->active);
    HASH_DEL(queue->jobs, job);
    free(job->recipients);
    free(job);
    report_wake(queue);
    (void)task_queue_wake_one(&queue->work);
    if (queue->jobs == NULL)
        task_queue_wake_all(&queue->ended);
}

void dispatch_give_back(struct job *job, int64_t delay_ms)
{
    results_return(job, delay_ms);
    if (job->active != NULL && !job->queue->is_draining) /* else it may be under way still */
        lifetime_job_ended(job->queue, job->active);
    dispatch_end_job(job);
}

/* Finds a crew for which the schedule has a job, and a link room; each in turn. */
static bool find_places(const struct queue *queue, struct places *ret_places)
{
    for (unsigned i = 1; i <= queue->crews.count; i++) {
        unsigned crew = (queue->last_crew + i) % queue->crews.count;
        struct places places = pick_places(queue, crew);

        if (!schedule_can_take(&queue->schedule, &places) || pick_any(queue, crew) == NULL)
            continue;
        *ret_places = places;
        return true;
    }
    return false;
}

static bool can_take(const struct queue *queue)
{
    struct places places;

    return find_places(queue, &places);
}

/* A job without units yet; so that nothing is taken from the schedule that cannot be carried. */
struct job *dispatch_new_job(struct queue *queue, uint64_t ref)
{
    struct job *job = dispatch_find_job(queue, ref) == NULL ? calloc(1, sizeof(*job)) : NULL;

    if (job == NULL)
        return NULL;
    job->queue = queue;
    job->ref = ref;
    HASH_ADD(hh, queue->jobs, ref, sizeof(job->ref), job);
    if (!hash_has(job)) {
        free(job);
        return NULL;
    }
    return job;
}

uint64_t dispatch_cost(const struct queue_message *message)
{
    return message->content_size <= CONTENT_MEMORY_MAX ? message->content_size : 0;
}

/* Units, a site and a link for the job, which there are: with isolated, or those places. */
static void fill_job(struct job *job, struct deliver_link *isolated, const struct places *places,
                     int64_t now_ms)
{
    struct queue *queue = job->queue;

    job->is_isolated = isolated != NULL;
    if (isolated != NULL) {
        job->site = suspects_take(&queue->suspects, now_ms, &job->units);
        job->link = isolated;
    } else {
        job->site = schedule_take(&queue->schedule, places, now_ms, &job->units);
        queue->last_crew = places->crew;
        job->link = pick_for_site(queue, job->site, now_ms);
    }
    job->pid = job->link->pid;
    job->is_released = job->units->is_released;
    job->cost = dispatch_cost(job->units->message);
    job->link->used_messages++;
    job->link->used_bytes += job->cost;
}

/* The next job, with credit taken for it; NULL: nothing can go now. */
static struct job *next_job(struct queue *queue)
{
    int64_t now_ms = clock_monotonic_ms();

    schedule_advance(&queue->schedule, now_ms);
    struct deliver_link *isolated = pick_isolated(queue, now_ms);
    struct places places = {0};
    if (queue->is_draining || (isolated == NULL && !find_places(queue, &places)))
        return NULL;
    struct job *job = dispatch_new_job(queue, ++queue->next_ref);
    if (job == NULL)
        return NULL; /* something else will wake us */
    fill_job(job, isolated, &places, now_ms);
    job->started_ms = now_ms;
    job->started_wall_ms = clock_wall_ms();
    return job;
}

/* ---- sending --------------------------------------------------------------------------------- */

static bool job_has(const struct job *job, const struct envelope_recipient *recipient, size_t index)
{
    const struct unit *unit;

    DL_FOREACH(job->units, unit)
    {
        if (schedule_unit_has(unit, recipient, index))
            return true;
    }
    return false;
}

/* Leaves the job's recipients alone in the envelope, and notes where they were. */
static sluice_status select_recipients(struct job *job, struct envelope *envelope)
{
    job->recipients = calloc(envelope->recipient_count + 1, sizeof(*job->recipients));
    if (job->recipients == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        if (!job_has(job, &envelope->recipients[i], i))
            continue;
        envelope->recipients[job->recipient_count] = envelope->recipients[i];
        job->recipients[job->recipient_count++] = (uint32_t)i;
    }
    envelope->recipient_count = job->recipient_count;
    return job->recipient_count > 0 ? SLUICE_OK : SLUICE_NOT_FOUND;
}

static bool is_routed(const struct job *job)
{
    const struct unit *unit;

    DL_FOREACH(job->units, unit)
    {
        if (!unit->is_routed)
            return false;
    }
    return true;
}

static sluice_status send_job(struct job *job, const struct envelope *envelope,
                              const struct store_content *content)
{
    struct buffer encoded = BUFFER_INIT;
    struct buffer head = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    envelope_encode(envelope, &encoded);
    struct message_job message = {
        .message_id = job->active->message->id,
        .transport = envelope->recipients[0].transport,
        .nexthop = envelope->recipients[0].nexthop,
        .is_released = job->is_released,
        .is_routed = is_routed(job),
        .tables = resolve_known_tables(&job->queue->resolving),
        .envelope = buffer_span(&encoded),
        .content = buffer_span(&content->bytes),
    };
    message_job_encode_head(&message, &head);
    if (!buffer_failed(&encoded) && !buffer_failed(&head)) {
        struct sluice_span parts[] = {buffer_span(&head), message.content};
        st = channel_send(job->link->channel, MESSAGE_JOB, job->ref, parts, 2, content->fd);
    }
    buffer_done(&head);
    buffer_done(&encoded);
    return st;
}

static sluice_status encode_and_send(struct job *job, const struct store_content *content,
                                     struct error *err)
{
    struct envelope envelope = ENVELOPE_INIT;
    sluice_status st = envelope_decode(buffer_span(&job->active->record), &envelope, err);

    if (st != SLUICE_OK)
        return st;
    st = select_recipients(job, &envelope);
    if (st == SLUICE_OK)
        st = send_job(job, &envelope, content);
    if (st != SLUICE_OK)
        (void)error_set(err, st,
                        st == SLUICE_NOT_FOUND ? "its record has no recipients for %s:%s"
                                               : "no memory for a job for %s:%s",
                        job->site->transport, job->site->nexthop);
    envelope_done(&envelope);
    return st;
}

/* Reads the message. What others have done with its record meanwhile is newer than what was read. */
static sluice_status load(struct job *job, struct store_content *content, struct error *err)
{
    struct buffer record = BUFFER_INIT;
    struct queue_message *message = job->units->message;
    sluice_status st;

    job->active = active_get(job->queue, message);
    if (job->active == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    if (fresh_take(job->active, content))
        return SLUICE_OK;
    st = store_read(job->queue->store, message->id, &record, content, err);
    if (st == SLUICE_NOT_FOUND)
        return error_set(err, st, "the store does not have this message");
    if (st == SLUICE_OK)
        active_set(job->active, &record);
    return st;
}

/* It goes to its new site, or after that moment to the one that it has. */
static void ask_for_route(struct job *job)
{
    resolve_message(job->queue, job->active->message);
    dispatch_give_back(job, DISPATCH_RETURN_MS);
}

/* A message that cannot be read waits: somebody has to look at it, and nothing is thrown away. */
static void start_job(struct job *job)
{
    struct queue *queue = job->queue;
    struct store_content content = STORE_CONTENT_INIT;
    struct error err = ERROR_INIT;
    char id[ID_TEXT_SIZE];

    sluice_status st = load(job, &content, &err);
    if (job->link == NULL || job->units->message->is_held || queue->handover != 0) {
        dispatch_give_back(job, DISPATCH_RETURN_MS);
    } else if (st == SLUICE_OK && job->link->crew != CREW_COMMON && !is_routed(job)) {
        ask_for_route(job); /* that process has no tables to look into */
    } else {
        if (st == SLUICE_OK)
            st = encode_and_send(job, &content, &err);
        job->is_sent = st == SLUICE_OK;
        if (st != SLUICE_OK) {
            log_error("%s: cannot be attempted: %s", id_format(job->units->message->id, id),
                      err.text);
            dispatch_give_back(job, queue->settings.minimal_backoff_ms);
        }
    }
    store_content_done(&content);
    if (queue->handover != 0)
        task_queue_wake_all(&queue->ended);
}

/* When to look again, if nobody wakes us. */
static int64_t next_look(const struct queue *queue)
{
    for (unsigned crew = 0; !queue->is_draining && crew < queue->crews.count; crew++) {
        if (pick_any(queue, crew) != NULL)
            return schedule_next_ms(&queue->schedule);
    }
    return CLOCK_NEVER; /* suspects are looked at once a second */
}

static void dispatcher(void *arg)
{
    struct queue *queue = arg;

    while (!task_is_cancelled()) {
        struct job *job = next_job(queue);

        if (job == NULL) {
            (void)task_queue_wait(&queue->work, next_look(queue)); /* whichever: look again */
            continue;
        }
        if (can_take(queue))
            (void)task_queue_wake_one(&queue->work); /* while this one reads, another may go on */
        start_job(job);
    }
}

sluice_status dispatch_start(struct queue *queue, struct error *err)
{
    for (int i = 0; i < DISPATCH_TASKS; i++) {
        if (queue_start_task(queue, "dispatch", dispatcher, queue) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "out of memory");
    }
    return SLUICE_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

static void take_result(struct job *job, bool was_isolated, const struct message_result *result)
{
    struct queue *queue = job->queue;

    suspects_completed(&queue->suspects, job->units->message, job->site, was_isolated,
                       clock_monotonic_ms());
    results_apply(job, result);
    lifetime_job_ended(queue, job->active);
    dispatch_end_job(job);
}

sluice_status dispatch_take_result(struct deliver_link *link, const struct channel_frame *frame)
{
    struct job *job = dispatch_find_job(link->queue, frame->ref);
    struct message_result result;

    if (job == NULL && frame->ref <= link->queue->inherited_ref)
        return SLUICE_OK; /* to a former queue, and not taken over: it is attempted again, or gone */
    if (job == NULL || job->link != link || !job->is_sent ||
        message_result_decode(frame->body, &result) != SLUICE_OK)
        return SLUICE_PERM;
    if (result.site == SITE_ELSEWHERE)
        ask_for_route(job);
    else
        take_result(job, link->is_isolated, &result);
    message_result_done(&result);
    return SLUICE_OK;
}
