/* SPDX-License-Identifier: ISC */
/*
 * intake: frames from receive, and what they set off.
 */
#include "queue/intake.h"

#include "base/clock.h"
#include "base/log.h"
#include "ipc/record.h"
#include "queue/commit.h"
#include "queue/delivery_log.h"
#include "queue/intake_private.h"
#include "queue/named.h"
#include "queue/question.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

/* ---- to receive ------------------------------------------------------------------------------ */

/* Takes the body; fd: -1, or one that the caller closes. Without memory for an answer somebody waits
 * for ever: receive begins anew, with another link. */
static void send_frame(struct intake_link *link, uint16_t type, uint64_t ref, struct buffer *body,
                       int fd)
{
    struct sluice_span part = buffer_span(body);

    if (link->channel != NULL && (buffer_failed(body) || channel_send(link->channel, type, ref,
                                                                      &part, 1, fd) != SLUICE_OK)) {
        log_error("no memory for an answer to receive %u", link->index);
        role_accuse(link->queue->role, "receive", link->index, link->pid);
    }
    buffer_done(body);
}

static void send_body(struct intake_link *link, uint16_t type, uint64_t ref, struct buffer *body)
{
    send_frame(link, type, ref, body, -1);
}

static void encode_status(sluice_status status, const char *dsn, const char *text,
                          struct buffer *body)
{
    struct message_status answer = {
        .status = status,
        .dsn = sluice_span_of(dsn),
        .text = sluice_span_of(text),
    };

    message_status_encode(&answer, body);
}

void intake_answer(struct intake_link *link, uint16_t type, uint64_t ref, sluice_status status,
                   const char *dsn, const char *text)
{
    struct buffer body = BUFFER_INIT;

    encode_status(status, dsn, text, &body);
    send_body(link, type, ref, &body);
}

static void send_credit(struct intake_link *link)
{
    struct message_credit credit = {
        .bytes = link->credit_bytes,
        .messages = link->queue->is_draining ? 0 : INTAKE_LINK_MESSAGES_MAX,
    };
    struct buffer body = BUFFER_INIT;

    message_credit_encode(&credit, &body);
    send_body(link, MESSAGE_CREDIT, 0, &body);
}

static void send_space(struct intake_link *link)
{
    struct message_space space = {
        .is_accepting = link->queue->is_accepting,
        .free_bytes = link->queue->space.free_bytes,
    };
    struct buffer body = BUFFER_INIT;

    message_space_encode(&space, &body);
    send_body(link, MESSAGE_SPACE, 0, &body);
}

void intake_send_space(struct queue *queue)
{
    struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    send_space(link);
}

/* ---- leases ---------------------------------------------------------------------------------- */

/* What a receive process had from the queue before, until its link is there. */
struct former_lease {
    int32_t pid;
    struct id_ranges ids;
    struct former_lease *next;
};

static void former_lease_free(struct queue *queue, struct former_lease *former)
{
    LL_DELETE(queue->former_leases, former);
    id_ranges_done(&former->ids);
    free(former);
}

static void claim_lease(struct intake_link *link)
{
    struct former_lease *former;

    LL_SEARCH_SCALAR(link->queue->former_leases, former, pid, link->pid);
    if (former == NULL)
        return;
    link->ids = former->ids;
    former->ids = (struct id_ranges){0};
    former_lease_free(link->queue, former);
}

static void grant_lease(struct intake_link *link)
{
    struct message_lease lease;
    struct buffer body = BUFFER_INIT;

    link->wants_lease = true;
    if (!lease_take(&link->queue->lease, &lease.first, &lease.count) ||
        !id_ranges_add(&link->ids, lease.first, lease.count))
        return;
    link->wants_lease = false;
    message_lease_encode(&lease, &body);
    send_body(link, MESSAGE_LEASE, 0, &body);
}

void intake_grant_leases(struct queue *queue)
{
    struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    {
        if (link->wants_lease && link->channel != NULL)
            grant_lease(link);
    }
}

/* ---- staging --------------------------------------------------------------------------------- */

struct staging {
    struct intake_link *link;
    uint64_t id;
};

static void run_staging(void *arg)
{
    struct staging *staging = arg;
    struct intake_link *link = staging->link;
    struct error err = ERROR_INIT;
    struct buffer body = BUFFER_INIT;
    int fd;

    if (store_stage(link->queue->store, staging->id, &fd, &err) != SLUICE_OK) {
        log_error("no file for a large message: %s", err.text);
        intake_answer(link, MESSAGE_STAGED, staging->id, SLUICE_TEMP, "4.3.0", err.text);
    } else {
        encode_status(SLUICE_OK, "", "", &body);
        send_frame(link, MESSAGE_STAGED, staging->id, &body, fd);
        (void)close(fd); /* receive has its own */
    }
    link->staging_count--;
    intake_link_unref(link);
    free(staging);
}

static void on_stage(struct intake_link *link, uint64_t id)
{
    struct staging *staging = NULL;

    if (link->staging_count < INTAKE_STAGING_MAX)
        staging = malloc(sizeof(*staging));
    if (staging != NULL) {
        *staging = (struct staging){.link = link, .id = id};
        link->staging_count++;
        link->references++;
        if (queue_start_task(link->queue, "stage", run_staging, staging) == SLUICE_OK)
            return;
        link->staging_count--;
        link->references--;
        free(staging);
    }
    intake_answer(link, MESSAGE_STAGED, id, SLUICE_TEMP, "4.3.0", "too busy for a large message");
}

/* ---- releases -------------------------------------------------------------------------------- */

static void log_release(const struct message_release *release, uint64_t count)
{
    const char *prefix = release->is_queue ? "#" : release->with_subdomains ? "@" : "";
    struct sluice_span all = SPAN_LITERAL("ALL");

    delivery_log_release(prefix, release->domain.len > 0 ? release->domain : all, "ETRN", count);
}

static sluice_status on_release(struct intake_link *link, const struct channel_frame *frame)
{
    struct queue *queue = link->queue;
    struct message_release release;
    struct message_released released = {.status = SLUICE_OK};
    struct buffer body = BUFFER_INIT;
    int64_t now_ms = clock_monotonic_ms();

    if (message_release_decode(frame->body, &release) != SLUICE_OK)
        return SLUICE_PERM;
    if (release.is_queue)
        (void)named_release(queue, release.domain, release.is_exempt, &released);
    else if (release.domain.len == 0)
        released.count = release_all(&queue->schedule, now_ms);
    else
        released.count =
            release_domain_paced(&queue->schedule, release.domain, release.with_subdomains,
                                 release.is_exempt ? 0 : queue->settings.etrn_interval_ms, now_ms,
                                 &released.is_postponed);
    if (!released.is_postponed)
        log_release(&release, released.count);
    (void)task_queue_wake_one(&queue->work);
    message_released_encode(&released, &body);
    send_body(link, MESSAGE_RELEASED, frame->ref, &body);
    return SLUICE_OK;
}

/* ---- from receive ---------------------------------------------------------------------------- */

static sluice_status on_commit(struct intake_link *link, struct channel_frame *frame)
{
    struct message_commit commit;

    if (message_commit_decode(frame->body, &commit) != SLUICE_OK ||
        !id_ranges_have(&link->ids, frame->ref))
        return SLUICE_PERM;
    return commit_begin(link, frame->ref, &commit, &frame->fd);
}

static sluice_status on_paused(struct intake_link *link, uint64_t handover)
{
    if (handover == 0 || handover != link->queue->handover)
        return SLUICE_PERM;
    link->is_paused = true;
    task_queue_wake_all(&link->queue->ended);
    return SLUICE_OK;
}

static sluice_status handle(struct intake_link *link, struct channel_frame *frame)
{
    switch (frame->type) {
    case MESSAGE_COMMIT:
        return on_commit(link, frame);
    case MESSAGE_WITHDRAW:
        commit_withdraw(link, frame->ref);
        return SLUICE_OK;
    case MESSAGE_STAGE:
        on_stage(link, frame->ref);
        return SLUICE_OK;
    case MESSAGE_WANT_LEASE:
        grant_lease(link);
        return SLUICE_OK;
    case MESSAGE_RELEASE:
        return on_release(link, frame);
    case MESSAGE_EXPLAINED:
        return question_answered(link->queue, frame);
    case MESSAGE_PAUSED:
        return on_paused(link, frame->ref);
    default:
        return SLUICE_PERM;
    }
}

/* Commits whose batch has not begun would only become duplicates: their client gets no 250. */
static void leave(struct intake_link *link)
{
    struct queue *queue = link->queue;

    question_link_ended(queue, link->channel);
    channel_free(link->channel);
    link->channel = NULL;
    commit_withdraw_all(link);
    DL_DELETE(queue->intakes, link);
    intake_link_unref(link);
    task_queue_wake_all(&queue->ended);
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct intake_link *link = user;

    (void)channel;
    if (handle(link, frame) == SLUICE_OK)
        return;
    log_error("receive %u sent a frame of type %u that makes no sense: its link is closed",
              link->index, frame->type);
    role_accuse(link->queue->role, "receive", link->index, link->pid);
    leave(link);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct intake_link *link = user;

    (void)channel;
    if (link->used_messages == 0)
        log_info("receive %u has left", link->index);
    else
        log_warning("receive %u is gone, with messages under way: %s", link->index, reason);
    leave(link);
}

/* ---- links ----------------------------------------------------------------------------------- */

void intake_link_unref(struct intake_link *link)
{
    if (--link->references > 0)
        return;
    id_ranges_done(&link->ids);
    free(link);
}

static size_t share_of_bytes(void)
{
    long processes = sysconf(_SC_NPROCESSORS_ONLN); /* as many as there are receives */
    size_t share = INTAKE_BYTES_MAX / (processes > 0 ? (size_t)processes : 1);

    return share < INTAKE_LINK_BYTES_MAX ? share : INTAKE_LINK_BYTES_MAX;
}

void intake_link(struct queue *queue, const struct message_link *message, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct intake_link *link = calloc(1, sizeof(*link));

    if (link == NULL ||
        channel_new(fd, "queue to receive", &handlers, link, &link->channel) != SLUICE_OK) {
        log_error("no memory for a link to receive %u", message->index);
        free(link);
        (void)close(fd);
        return;
    }
    link->queue = queue;
    link->index = message->index;
    link->pid = message->pid;
    link->generation = message->generation;
    link->references = 1;
    claim_lease(link);
    link->credit_bytes = share_of_bytes();
    DL_APPEND(queue->intakes, link);
    struct buffer nothing = BUFFER_INIT;
    send_body(link, MESSAGE_RESUME, queue->inherited, &nothing);
    grant_lease(link);
    send_space(link);
    send_credit(link);
}

void intake_send_credit(struct queue *queue)
{
    struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    send_credit(link);
}

/* ---- handover -------------------------------------------------------------------------------- */

void intake_pause(struct queue *queue)
{
    struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    {
        struct buffer nothing = BUFFER_INIT;
        send_body(link, MESSAGE_PAUSE, queue->handover, &nothing);
    }
}

bool intake_is_paused(const struct queue *queue)
{
    const struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    {
        if (!link->is_paused || link->used_messages > 0 || link->staging_count > 0)
            return false;
    }
    return true;
}

#define LEASE_ITEM 1

struct lease_state {
    int32_t pid;
    struct sluice_span ids;
};

static const struct record_member lease_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct lease_state, pid),
    RECORD_MEMBER(2, RECORD_SPAN, struct lease_state, ids),
};

void intake_save_leases(struct queue *queue, struct buffer *buffer)
{
    struct buffer ids = BUFFER_INIT;
    struct buffer item = BUFFER_INIT;
    const struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    {
        buffer_clear(&ids);
        buffer_clear(&item);
        id_ranges_encode(&link->ids, &ids);
        struct lease_state state = {.pid = link->pid, .ids = buffer_span(&ids)};
        record_encode(lease_members, RECORD_COUNT(lease_members), &state, false, &item);
        codec_put_field(buffer, LEASE_ITEM, buffer_span(&item));
    }
    buffer->failed = buffer->failed || buffer_failed(&ids) || buffer_failed(&item);
    buffer_done(&ids);
    buffer_done(&item);
}

static sluice_status load_lease(struct queue *queue, struct sluice_span bytes)
{
    struct lease_state state;
    struct former_lease *former;

    if (record_decode(lease_members, RECORD_COUNT(lease_members), bytes, &state, sizeof(state)) !=
        SLUICE_OK)
        return SLUICE_PERM;
    former = calloc(1, sizeof(*former));
    if (former == NULL)
        return SLUICE_TEMP;
    former->pid = state.pid;
    LL_PREPEND(queue->former_leases, former);
    sluice_status st = id_ranges_decode(state.ids, &former->ids);
    if (st != SLUICE_OK)
        former_lease_free(queue, former);
    return st;
}

sluice_status intake_load_leases(struct queue *queue, struct sluice_span bytes)
{
    struct codec_field field;
    sluice_status st;

    while ((st = codec_next(&bytes, &field)) == SLUICE_OK) {
        if (field.tag == LEASE_ITEM)
            st = load_lease(queue, field.bytes);
        if (st != SLUICE_OK)
            return st;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

struct channel *intake_current(const struct queue *queue)
{
    const struct intake_link *link;

    DL_FOREACH(queue->intakes, link)
    {
        if (link->channel != NULL && link->generation == queue->role->generation)
            return link->channel;
    }
    return NULL;
}

size_t intake_link_count(const struct queue *queue)
{
    const struct intake_link *link;
    size_t count = 0;

    DL_COUNT(queue->intakes, link, count);
    return count;
}

void intake_done(struct queue *queue)
{
    while (queue->intakes != NULL)
        leave(queue->intakes);
    while (queue->former_leases != NULL)
        former_lease_free(queue, queue->former_leases);
}
