/* SPDX-License-Identifier: ISC */
/*
 * intake: what has been asked of the queue and not been answered is in one table. Who gives up
 * waiting leaves its entry behind, since its credit is out until the answer comes: however long the
 * queue hangs, no more than so much waits for it.
 */
#include "receive/intake.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"
#include "receive/stock.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uthash.h>

#define DISK_THREADS 8
#define STAGES_AT_A_TIME 16 /* asked for at once: the queue refuses when it gets too many */
#define RELEASES_AT_A_TIME 64
#define ENVELOPE_UNPAID ((size_t)4096) /* of an envelope; what is more takes credit like content */
#define LEASE_LOW 64                   /* ids left when more are asked for */

/* What was asked. */
struct key {
    uint64_t ref;
    uint64_t type; /* MESSAGE_COMMIT, ... */
};

struct pending {
    struct key key;
    struct task *waiter; /* NULL: gave up */
    bool is_answered;
    uint64_t paid; /* COMMIT: bytes of credit that are out */
    int fd;        /* STAGE; until it is taken */
    struct message_released released;
    struct error err; /* status: the answer */
    UT_hash_handle hh;
};

struct intake {
    struct intake_limits limits;
    struct channel *link;
    uint64_t oldest_id;      /* that this link has leased; UINT64_MAX: none yet */
    struct task_queue ready; /* who waits for a link or an id */
    struct credit stages;    /* how many more may be asked for */
    struct credit releases;
    struct stock bytes;
    struct stock messages;
    struct message_lease lease;
    struct message_lease next_lease;
    bool is_lease_asked;
    struct message_space space;
    uint64_t release_count;
    struct pending *pending;
    struct pool *disk;
};

/* ---- questions ------------------------------------------------------------------------------- */

static struct pending *pending_new(struct intake *intake, uint16_t type, uint64_t ref)
{
    struct pending *pending = calloc(1, sizeof(*pending));

    if (pending == NULL)
        return NULL;
    pending->key = (struct key){.ref = ref, .type = type};
    pending->waiter = task_self();
    pending->fd = -1;
    HASH_ADD(hh, intake->pending, key, sizeof(pending->key), pending);
    return pending;
}

static struct pending *pending_find(struct intake *intake, uint16_t type, uint64_t ref)
{
    struct key key = {.ref = ref, .type = type};
    struct pending *pending;

    HASH_FIND(hh, intake->pending, &key, sizeof(key), pending);
    return pending;
}

static void pending_free(struct intake *intake, struct pending *pending)
{
    HASH_DEL(intake->pending, pending);
    if (pending->fd != -1)
        (void)close(pending->fd); /* came too late */
    free(pending);
}

/* The credit is back with the answer, or with the end of the link. */
static void settle(struct intake *intake, struct pending *pending)
{
    switch (pending->key.type) {
    case MESSAGE_COMMIT:
        stock_give(&intake->bytes, pending->paid);
        stock_give(&intake->messages, 1);
        break;
    case MESSAGE_STAGE:
        credit_give(&intake->stages, 1);
        break;
    default:
        credit_give(&intake->releases, 1);
        break;
    }
}

/* What could not be asked. */
static void take_back(struct intake *intake, struct pending *pending)
{
    settle(intake, pending);
    pending_free(intake, pending);
}

static void answer(struct intake *intake, struct pending *pending)
{
    settle(intake, pending);
    pending->is_answered = true;
    if (pending->waiter != NULL)
        task_wake(pending->waiter);
    else
        pending_free(intake, pending);
}

/* True once there is an answer; false: the entry is not the caller's any more. */
static bool wait_for_answer(struct pending *pending, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!pending->is_answered && st == SLUICE_OK)
        st = task_park(deadline_ms);
    if (!pending->is_answered)
        pending->waiter = NULL;
    return pending->is_answered;
}

static sluice_status send_frame(struct intake *intake, uint16_t type, uint64_t ref,
                                const struct sluice_span *parts, size_t count, int fd)
{
    if (intake->link == NULL)
        return SLUICE_TEMP;
    return channel_send(intake->link, type, ref, parts, count, fd);
}

/* ---- what the queue says --------------------------------------------------------------------- */

static sluice_status take_credit(struct intake *intake, const struct channel_frame *frame)
{
    struct message_credit credit;

    sluice_status st = message_credit_decode(frame->body, &credit);
    if (st != SLUICE_OK)
        return st;
    stock_set(&intake->bytes, credit.bytes);
    stock_set(&intake->messages, credit.messages);
    return SLUICE_OK;
}

/* Ids are never used again, so ones that we have no place for are just not used. */
static sluice_status take_lease(struct intake *intake, const struct channel_frame *frame)
{
    struct message_lease lease;

    sluice_status st = message_lease_decode(frame->body, &lease);
    if (st != SLUICE_OK)
        return st;
    intake->is_lease_asked = false;
    if (intake->oldest_id == UINT64_MAX)
        intake->oldest_id = lease.first;
    if (intake->lease.count == 0)
        intake->lease = lease;
    else
        intake->next_lease = lease;
    task_queue_wake_all(&intake->ready);
    return SLUICE_OK;
}

static sluice_status take_status(struct intake *intake, uint16_t type, struct channel_frame *frame)
{
    struct pending *pending = pending_find(intake, type, frame->ref);
    struct message_status status;

    sluice_status st = message_status_decode(frame->body, &status);
    if (st != SLUICE_OK || pending == NULL)
        return st;
    pending->fd = frame->fd;
    frame->fd = -1;
    (void)error_set(&pending->err, status.status, "%.*s", SPAN_ARGS(status.text));
    (void)snprintf(pending->err.dsn, sizeof(pending->err.dsn), "%.*s", SPAN_ARGS(status.dsn));
    answer(intake, pending);
    return SLUICE_OK;
}

static sluice_status take_released(struct intake *intake, const struct channel_frame *frame)
{
    struct pending *pending = pending_find(intake, MESSAGE_RELEASE, frame->ref);
    struct message_released released;

    sluice_status st = message_released_decode(frame->body, &released);
    if (st != SLUICE_OK || pending == NULL)
        return st;
    pending->released = released;
    pending->err.status = released.status;
    answer(intake, pending);
    return SLUICE_OK;
}

static void end_link(struct intake *intake);

/* A link that this side gives up is not made anew: the process ends as if it had crashed, and the next
 * one has another. */
static void end_process(const char *why)
{
    log_error("%s: this process ends", why);
    task_loop_stop();
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct intake *intake = user;
    sluice_status st = SLUICE_PERM;

    (void)channel;
    switch (frame->type) {
    case MESSAGE_CREDIT:
        st = take_credit(intake, frame);
        break;
    case MESSAGE_LEASE:
        st = take_lease(intake, frame);
        break;
    case MESSAGE_SPACE:
        st = message_space_decode(frame->body, &intake->space);
        break;
    case MESSAGE_COMMITTED:
        st = take_status(intake, MESSAGE_COMMIT, frame);
        break;
    case MESSAGE_STAGED:
        st = take_status(intake, MESSAGE_STAGE, frame);
        break;
    case MESSAGE_RELEASED:
        st = take_released(intake, frame);
        break;
    }
    if (st != SLUICE_OK) {
        end_link(intake);
        end_process("queue sent a frame that makes no sense");
    }
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    log_warning("%s", reason);
    end_link(user);
}

/* ---- the link -------------------------------------------------------------------------------- */

sluice_status intake_new(const struct intake_limits *limits, struct intake **ret_intake)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    if (intake == NULL)
        return SLUICE_TEMP;
    intake->limits = *limits;
    intake->oldest_id = UINT64_MAX;
    intake->space = (struct message_space){.is_accepting = true, .free_bytes = UINT64_MAX};
    credit_give(&intake->stages, STAGES_AT_A_TIME);
    credit_give(&intake->releases, RELEASES_AT_A_TIME);
    if (pool_new("disk", DISK_THREADS, &intake->disk) != SLUICE_OK) {
        free(intake);
        return SLUICE_TEMP;
    }
    *ret_intake = intake;
    return SLUICE_OK;
}

/* All that was asked fails, no credit is left, ids of the link are void, and nobody knows how much
 * space there is. */
static void end_link(struct intake *intake)
{
    struct pending *pending;
    struct pending *next;

    channel_free(intake->link);
    intake->link = NULL;
    intake->is_lease_asked = false;
    intake->lease = intake->next_lease = (struct message_lease){0};
    intake->oldest_id = UINT64_MAX;
    intake->space = (struct message_space){.is_accepting = true, .free_bytes = UINT64_MAX};
    HASH_ITER(hh, intake->pending, pending, next)
    {
        if (!pending->is_answered) {
            (void)error_set_dsn(&pending->err, SLUICE_TEMP, "4.3.0", "the queue is gone");
            answer(intake, pending);
        }
    }
    stock_set(&intake->bytes, 0);
    stock_set(&intake->messages, 0);
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    end_link(intake);
    pool_free(intake->disk);
    free(intake);
}

void intake_connect(struct intake *intake, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};

    end_link(intake);
    if (channel_new(fd, "queue", &handlers, intake, &intake->link) != SLUICE_OK) {
        (void)close(fd); /* never used */
        end_process("no memory for a link to the queue");
        return;
    }
    task_queue_wake_all(&intake->ready);
}

struct pool *intake_disk(struct intake *intake)
{
    return intake->disk;
}

/* ---- ids, space and credit ------------------------------------------------------------------- */

bool intake_has_space(const struct intake *intake, uint64_t size)
{
    return intake->space.is_accepting && size <= intake->space.free_bytes;
}

static void ask_for_lease(struct intake *intake)
{
    if (intake->is_lease_asked || intake->next_lease.count > 0 || intake->lease.count > LEASE_LOW)
        return;
    intake->is_lease_asked = send_frame(intake, MESSAGE_WANT_LEASE, 0, NULL, 0, -1) == SLUICE_OK;
}

sluice_status intake_take_id(struct intake *intake, uint64_t *ret_id)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.ready_ms;

    for (;;) {
        if (intake->lease.count == 0) {
            intake->lease = intake->next_lease;
            intake->next_lease = (struct message_lease){0};
        }
        ask_for_lease(intake);
        if (intake->link != NULL && intake->lease.count > 0)
            break;
        if (task_queue_wait(&intake->ready, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
    }
    *ret_id = intake->lease.first++;
    intake->lease.count--;
    return SLUICE_OK;
}

bool intake_pay(struct intake *intake, uint64_t bytes)
{
    return credit_try(&intake->bytes.credit, bytes);
}

void intake_pay_back(struct intake *intake, uint64_t bytes)
{
    stock_give(&intake->bytes, bytes);
}

/* ---- staging --------------------------------------------------------------------------------- */

void intake_withdraw(struct intake *intake, uint64_t id)
{
    /* Without a link there is nobody left who knows of it. */
    (void)send_frame(intake, MESSAGE_WITHDRAW, id, NULL, 0, -1);
}

/* A queue that was restarted leases higher ids, and knows nothing of the former one's files. */
static bool is_void(const struct intake *intake, uint64_t id)
{
    return id < intake->oldest_id;
}

/* The credit for one file has been taken. */
static sluice_status stage(struct intake *intake, struct pending *pending, int64_t deadline_ms,
                           int *ret_fd, struct error *err)
{
    uint64_t id = pending->key.ref;

    if (send_frame(intake, MESSAGE_STAGE, id, NULL, 0, -1) != SLUICE_OK) {
        take_back(intake, pending);
        return error_set(err, SLUICE_TEMP, "there is no link to the queue");
    }
    if (!wait_for_answer(pending, deadline_ms)) {
        intake_withdraw(intake, id);
        return error_set(err, SLUICE_TEMP, "the queue gave no file in time");
    }
    sluice_status st = SLUICE_OK;
    if (pending->fd == -1)
        st = error_set(err, SLUICE_TEMP, "%s", pending->err.text);
    else
        *ret_fd = pending->fd;
    pending->fd = -1;
    pending_free(intake, pending);
    return st;
}

sluice_status intake_stage(struct intake *intake, uint64_t id, int *ret_fd, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.stage_ms;

    if (credit_take(&intake->stages, 1, deadline_ms) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "too many large messages wait for a file");
    struct pending *pending = pending_new(intake, MESSAGE_STAGE, id);
    if (pending == NULL) {
        credit_give(&intake->stages, 1);
        return error_set(err, SLUICE_TEMP, "no memory");
    }
    return stage(intake, pending, deadline_ms, ret_fd, err);
}

/* ---- commits --------------------------------------------------------------------------------- */

static sluice_status send_commit(struct intake *intake, uint64_t id, struct sluice_span envelope,
                                 struct sluice_span content, int fd)
{
    struct message_commit commit = {.envelope = envelope, .content = content};
    struct buffer head = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    message_commit_encode_head(&commit, &head);
    struct sluice_span parts[] = {buffer_span(&head), content};
    if (!buffer_failed(&head))
        st = send_frame(intake, MESSAGE_COMMIT, id, parts, 2, fd);
    buffer_done(&head);
    return st;
}

/* The credit for one message has been taken. */
static sluice_status commit(struct intake *intake, struct pending *pending,
                            struct sluice_span envelope, struct sluice_span content, int fd,
                            struct error *err)
{
    uint64_t id = pending->key.ref;

    if (send_commit(intake, id, envelope, content, fd) != SLUICE_OK) {
        take_back(intake, pending);
        return error_set(err, SLUICE_TEMP, "the queue cannot be reached");
    }
    if (!wait_for_answer(pending, clock_monotonic_ms() + intake->limits.commit_ms)) {
        intake_withdraw(intake, id);
        return error_set(err, SLUICE_TEMP, "the queue did not answer in time");
    }
    sluice_status st = pending->err.status;
    *err = pending->err;
    pending_free(intake, pending);
    return st;
}

/* Never all of a link's credit, which might never be there at once. */
static uint64_t price_of(const struct intake *intake, struct sluice_span envelope)
{
    uint64_t price = envelope.len > ENVELOPE_UNPAID ? envelope.len - ENVELOPE_UNPAID : 0;
    uint64_t most = intake->bytes.limit / 2;

    return price < most ? price : most;
}

/* Credit for one message with an envelope of that price. */
static sluice_status take_credit_for(struct intake *intake, uint64_t price)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.ready_ms;

    if (credit_take(&intake->messages.credit, 1, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    if (price == 0 || credit_take(&intake->bytes.credit, price, deadline_ms) == SLUICE_OK)
        return SLUICE_OK;
    stock_give(&intake->messages, 1);
    return SLUICE_TEMP;
}

sluice_status intake_commit(struct intake *intake, uint64_t id, struct sluice_span envelope,
                            struct sluice_span content, int staged_fd, uint64_t paid,
                            struct error *err)
{
    uint64_t price = price_of(intake, envelope);
    struct pending *pending = NULL;

    if (take_credit_for(intake, price) != SLUICE_OK) {
        intake_pay_back(intake, paid);
        return error_set(err, SLUICE_TEMP, "the queue takes no more messages");
    }
    paid += price;
    if (!is_void(intake, id))
        pending = pending_new(intake, MESSAGE_COMMIT, id);
    if (pending == NULL) {
        intake_pay_back(intake, paid);
        stock_give(&intake->messages, 1);
        return error_set(err, SLUICE_TEMP, "%s",
                         is_void(intake, id) ? "the queue was restarted" : "no memory");
    }
    pending->paid = paid;
    return commit(intake, pending, envelope, content, staged_fd, err);
}

/* ---- releases -------------------------------------------------------------------------------- */

static sluice_status send_release(struct intake *intake, uint64_t ref,
                                  const struct message_release *release)
{
    struct buffer body = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    message_release_encode(release, &body);
    struct sluice_span part = buffer_span(&body);
    if (!buffer_failed(&body))
        st = send_frame(intake, MESSAGE_RELEASE, ref, &part, 1, -1);
    buffer_done(&body);
    return st;
}

/* The credit for one release has been taken. */
static sluice_status ask_release(struct intake *intake, struct pending *pending,
                                 const struct message_release *release, int64_t deadline_ms,
                                 struct message_released *ret_released)
{
    if (send_release(intake, pending->key.ref, release) != SLUICE_OK) {
        take_back(intake, pending);
        return SLUICE_TEMP;
    }
    if (!wait_for_answer(pending, deadline_ms))
        return SLUICE_TEMP;
    sluice_status st = pending->err.status;
    if (st == SLUICE_OK)
        *ret_released = pending->released;
    pending_free(intake, pending);
    return st == SLUICE_OK ? SLUICE_OK : SLUICE_TEMP;
}

sluice_status intake_release(struct intake *intake, const struct message_release *release,
                             struct message_released *ret_released)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.release_ms;

    if (credit_take(&intake->releases, 1, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    struct pending *pending = pending_new(intake, MESSAGE_RELEASE, ++intake->release_count);
    if (pending == NULL) {
        credit_give(&intake->releases, 1);
        return SLUICE_TEMP;
    }
    return ask_release(intake, pending, release, deadline_ms, ret_released);
}
