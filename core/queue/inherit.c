/* SPDX-License-Identifier: ISC */
/*
 * inherit: jobs as bytes, and messages whose units are made again so that each is in a job as a whole
 * or not at all.
 */
#include "queue/inherit.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "ipc/record.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/dispatch.h"
#include "queue/state.h"

#include <stdlib.h>
#include <utlist.h>

#define TAG_JOB 1

struct job_state {
    uint64_t ref;
    int32_t pid; /* of the deliver process */
    uint64_t message_id;
    int64_t started_ms;
    int64_t started_wall_ms;
    bool is_released;
    bool is_isolated;
    struct sluice_span recipients; /* their places in the record */
};

static const struct record_member job_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct job_state, ref),
    RECORD_MEMBER(2, RECORD_I32, struct job_state, pid),
    RECORD_MEMBER(3, RECORD_U64, struct job_state, message_id),
    RECORD_MEMBER(4, RECORD_I64, struct job_state, started_ms),
    RECORD_MEMBER(5, RECORD_I64, struct job_state, started_wall_ms),
    RECORD_MEMBER(6, RECORD_BOOL, struct job_state, is_released),
    RECORD_MEMBER(7, RECORD_SPAN, struct job_state, recipients),
    RECORD_MEMBER(8, RECORD_BOOL, struct job_state, is_isolated),
};

static bool is_unclaimed(const struct job *job)
{
    return job->link == NULL && job->is_sent;
}

/* ---- save ------------------------------------------------------------------------------------ */

static void save_job(const struct job *job, struct buffer *buffer)
{
    struct buffer recipients = BUFFER_INIT;
    struct buffer item = BUFFER_INIT;

    for (size_t i = 0; i < job->recipient_count; i++)
        codec_put_varint(&recipients, job->recipients[i]);
    struct job_state state = {
        .ref = job->ref,
        .pid = job->pid,
        .message_id = job->active->message->id,
        .started_ms = job->started_ms,
        .started_wall_ms = job->started_wall_ms,
        .is_released = job->is_released,
        .is_isolated = job->is_isolated,
        .recipients = buffer_span(&recipients),
    };
    record_encode(job_members, RECORD_COUNT(job_members), &state, false, &item);
    codec_put_field(buffer, TAG_JOB, buffer_span(&item));
    buffer->failed = buffer->failed || buffer_failed(&recipients) || buffer_failed(&item);
    buffer_done(&recipients);
    buffer_done(&item);
}

void inherit_save(struct queue *queue, struct buffer *buffer)
{
    for (const struct job *job = queue->jobs; job != NULL; job = job->hh.next) {
        if (job->is_sent)
            save_job(job, buffer);
    }
}

/* ---- load ------------------------------------------------------------------------------------ */

/* All jobs of one message. */
struct heir {
    struct queue *queue;
    const struct job_state *states;
    size_t count;
    struct buffer record;
    struct envelope envelope;
    uint32_t *groups; /* for each recipient: 1 + which of the states has it; 0: none */
};

/* The recipients of a job get its number; none of them if they cannot be. */
static void mark_group(struct heir *heir, uint32_t number)
{
    struct sluice_span rest = heir->states[number - 1].recipients;
    uint64_t index;

    while (rest.len > 0 && codec_varint(&rest, &index) == SLUICE_OK &&
           index < heir->envelope.recipient_count && heir->groups[index] == 0 &&
           heir->envelope.recipients[index].state == RECIPIENT_WAITING) {
        heir->groups[index] = number;
        if (rest.len == 0)
            return;
    }
    for (size_t i = 0; i < heir->envelope.recipient_count; i++) {
        if (heir->groups[i] == number)
            heir->groups[i] = 0;
    }
}

/* False: no memory, or there are none. */
static bool fill_recipients(const struct heir *heir, uint32_t number, struct job *job)
{
    job->recipients = calloc(heir->envelope.recipient_count, sizeof(*job->recipients));
    if (job->recipients == NULL)
        return false;
    for (size_t i = 0; i < heir->envelope.recipient_count; i++) {
        if (heir->groups[i] == number)
            job->recipients[job->recipient_count++] = (uint32_t)i;
    }
    return job->recipient_count > 0;
}

static bool fill_active(const struct heir *heir, struct queue_message *message, struct job *job)
{
    struct buffer record = BUFFER_INIT;

    job->active = active_get(heir->queue, message);
    buffer_add_span(&record, buffer_span(&heir->record));
    if (job->active == NULL || buffer_failed(&record)) {
        buffer_done(&record);
        return false;
    }
    active_set(job->active, &record);
    return true;
}

static void take_units(const struct heir *heir, uint32_t number, struct queue_message *message,
                       struct job *job)
{
    for (struct unit *u = message->units; u != NULL; u = u->next_of_message) {
        if (heir->groups[u->first] != number)
            continue;
        u->is_released = job->is_released;
        DL_APPEND(job->units, u);
    }
    job->site = job->units->site;
    schedule_adopt(&heir->queue->schedule, job->units, clock_monotonic_ms());
}

/* The job as it was. Where that cannot be its recipients are attempted again. */
static void adopt_job(const struct heir *heir, uint32_t number, struct queue_message *message)
{
    const struct job_state *state = &heir->states[number - 1];
    struct job *job = dispatch_new_job(heir->queue, state->ref);
    char id[ID_TEXT_SIZE];

    if (job != NULL && fill_recipients(heir, number, job) && fill_active(heir, message, job)) {
        job->pid = state->pid;
        job->cost = dispatch_cost(message);
        job->started_ms = state->started_ms;
        job->started_wall_ms = state->started_wall_ms;
        job->is_released = state->is_released;
        job->is_sent = true;
        job->is_isolated = state->is_isolated;
        if (job->is_isolated)
            suspects_entered(&heir->queue->suspects);
        take_units(heir, number, message, job);
        return;
    }
    if (job != NULL)
        dispatch_end_job(job);
    log_warning("%s: an attempt that is under way cannot be taken over",
                id_format(message->id, id));
}

static sluice_status read_record(struct heir *heir, uint64_t id, struct error *err)
{
    sluice_status st = store_read(heir->queue->store, id, &heir->record, NULL, err);

    if (st == SLUICE_OK)
        st = envelope_decode(buffer_span(&heir->record), &heir->envelope, err);
    if (st != SLUICE_OK)
        return st;
    heir->groups = calloc(heir->envelope.recipient_count + 1, sizeof(*heir->groups));
    if (heir->groups == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < heir->count; i++)
        mark_group(heir, (uint32_t)i + 1);
    return SLUICE_OK;
}

/* The message gets its units anew. */
static sluice_status adopt_jobs(struct heir *heir, struct queue_message *message)
{
    struct schedule *schedule = &heir->queue->schedule;
    uint64_t id = message->id;

    schedule_remove(schedule, message, clock_monotonic_ms());
    if (schedule_add_grouped(schedule, id, &heir->envelope, heir->groups, &message) != SLUICE_OK)
        return SLUICE_TEMP;
    admit_begin(message);
    for (size_t i = 0; i < heir->count; i++)
        adopt_job(heir, (uint32_t)i + 1, message);
    admit_rest(heir->queue, message, &heir->envelope);
    return SLUICE_OK;
}

/* A message that has gone meanwhile has left no result to wait for. */
static sluice_status adopt_message(struct queue *queue, const struct job_state *states,
                                   size_t count)
{
    struct heir heir = {.queue = queue, .states = states, .count = count};
    struct queue_message *message = schedule_find(&queue->schedule, states->message_id);
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;
    char id[ID_TEXT_SIZE];

    if (message == NULL)
        return SLUICE_OK;
    if (read_record(&heir, message->id, &err) == SLUICE_OK)
        st = adopt_jobs(&heir, message);
    else
        log_warning("%s: attempts that are under way cannot be taken over: %s",
                    id_format(message->id, id), err.text);
    free(heir.groups);
    envelope_done(&heir.envelope);
    buffer_done(&heir.record);
    return st;
}

struct job_states {
    struct job_state *list;
    size_t count;
};

static sluice_status add_state(struct job_states *states, struct sluice_span bytes)
{
    struct job_state *list = reallocarray(states->list, states->count + 1, sizeof(*list));

    if (list == NULL)
        return SLUICE_TEMP;
    states->list = list;
    if (record_decode(job_members, RECORD_COUNT(job_members), bytes, &list[states->count],
                      sizeof(*list)) != SLUICE_OK)
        return SLUICE_PERM;
    states->count++;
    return SLUICE_OK;
}

static int by_message(const void *a, const void *b)
{
    uint64_t first = ((const struct job_state *)a)->message_id;
    uint64_t second = ((const struct job_state *)b)->message_id;

    return first < second ? -1 : first > second;
}

static sluice_status adopt_all(struct queue *queue, const struct job_states *states)
{
    sluice_status st = SLUICE_OK;
    size_t next;

    for (size_t i = 0; st == SLUICE_OK && i < states->count; i = next) {
        next = i + 1;
        while (next < states->count && states->list[next].message_id == states->list[i].message_id)
            next++;
        st = adopt_message(queue, &states->list[i], next - i);
    }
    return st;
}

sluice_status inherit_load(struct queue *queue, struct sluice_span bytes)
{
    struct job_states states = {0};
    struct codec_field field;
    sluice_status read = SLUICE_OK;

    while (read == SLUICE_OK && (read = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == TAG_JOB)
            read = add_state(&states, field.bytes);
    }
    if (states.count > 0)
        qsort(states.list, states.count, sizeof(*states.list), by_message);
    sluice_status st = adopt_all(queue, &states);
    free(states.list);
    queue->inherited_until_ms = clock_monotonic_ms() + INHERIT_PATIENCE_MS;
    if (st != SLUICE_OK)
        return st;
    return read == SLUICE_NOT_FOUND ? SLUICE_OK : read;
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void claim(struct deliver_link *link, struct job *job)
{
    job->link = link;
    link->used_messages++;
    link->used_bytes += job->cost;
}

/* pid: of which deliver process; 0: of all. */
static void give_back(struct queue *queue, int32_t pid)
{
    struct job *job;
    struct job *next;

    HASH_ITER(hh, queue->jobs, job, next)
    {
        if (is_unclaimed(job) && (pid == 0 || job->pid == pid))
            dispatch_give_back(job, DISPATCH_RETURN_MS);
    }
}

sluice_status inherit_claim(struct deliver_link *link, struct sluice_span refs)
{
    uint64_t ref;

    while (refs.len > 0) {
        if (codec_varint(&refs, &ref) != SLUICE_OK)
            return SLUICE_PERM;
        struct job *job = dispatch_find_job(link->queue, ref);
        if (job != NULL && is_unclaimed(job) && job->pid == link->pid)
            claim(link, job);
    }
    give_back(link->queue, link->pid);
    return SLUICE_OK;
}

void inherit_forget(struct queue *queue, int32_t pid)
{
    give_back(queue, pid);
}

void inherit_expire(struct queue *queue, int64_t now_ms)
{
    if (queue->inherited_until_ms == 0 || now_ms < queue->inherited_until_ms)
        return;
    queue->inherited_until_ms = 0;
    inherit_done(queue);
}

void inherit_done(struct queue *queue)
{
    give_back(queue, 0);
}
