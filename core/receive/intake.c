/* SPDX-License-Identifier: ISC */
/*
 * intake: the link, and what the queue says over it.
 */
#include "receive/intake_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "base/text.h"
#include "config/role.h"
#include "task/pool.h"

#include <stdlib.h>
#include <unistd.h>

#define DISK_THREADS 8
#define STAGES_AT_A_TIME 16 /* asked for at once: the queue refuses when it gets too many */
#define RELEASES_AT_A_TIME 64
#define LEASE_LOW 64 /* ids left when more are asked for */

static bool may_ask(const struct intake *intake)
{
    return intake->link != NULL && !intake->is_held;
}

sluice_status intake_wait(struct intake *intake, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!may_ask(intake) && st == SLUICE_OK)
        st = task_queue_wait(&intake->ready, deadline_ms);
    return st;
}

sluice_status intake_send(struct intake *intake, uint16_t type, uint64_t ref,
                          const struct sluice_span *parts, size_t count, int fd)
{
    if (!may_ask(intake))
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
    struct question *question = question_find(intake, type, frame->ref);
    struct message_status status;

    sluice_status st = message_status_decode(frame->body, &status);
    if (st != SLUICE_OK || question == NULL)
        return st;
    question->fd = frame->fd;
    frame->fd = -1;
    (void)error_set(&question->err, status.status, "%.*s", SPAN_ARGS(status.text));
    text_copy_span(question->err.dsn, sizeof(question->err.dsn), status.dsn);
    question_answer(intake, question);
    return SLUICE_OK;
}

static sluice_status take_released(struct intake *intake, const struct channel_frame *frame)
{
    struct question *question = question_find(intake, MESSAGE_RELEASE, frame->ref);
    struct message_released released;

    sluice_status st = message_released_decode(frame->body, &released);
    if (st != SLUICE_OK || question == NULL)
        return st;
    question->released = released;
    question->err.status = released.status;
    question_answer(intake, question);
    return SLUICE_OK;
}

/* What is under way is still answered. Content goes on coming in on the credit that there is. */
static sluice_status take_pause(struct intake *intake, const struct channel_frame *frame)
{
    intake->is_held = true;
    intake->handover = frame->ref;
    stock_set(&intake->messages, 0);
    return channel_send_body(intake->link, MESSAGE_PAUSED, frame->ref, SPAN_EMPTY);
}

static void forget_queue(struct intake *intake);

static void take_resume(struct intake *intake, const struct channel_frame *frame)
{
    if (frame->ref == 0 || frame->ref != intake->handover)
        forget_queue(intake);
    intake->is_held = false;
    intake->handover = 0;
    task_queue_wake_all(&intake->ready);
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
    case MESSAGE_EXPLAIN:
    case MESSAGE_TABLES:
        st = intake->explain(intake->explain_user, frame->type, frame->ref, frame->body);
        break;
    case MESSAGE_PAUSE:
        st = take_pause(intake, frame);
        break;
    case MESSAGE_RESUME:
        take_resume(intake, frame);
        st = SLUICE_OK;
        break;
    }
    if (st != SLUICE_OK) {
        end_link(intake);
        end_process("queue sent a frame that makes no sense");
    }
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct intake *intake = user;

    (void)channel;
    if (intake->handover != 0)
        log_info("the queue hands over: what comes in waits for the next one");
    else
        log_warning("%s", reason);
    end_link(intake);
    role_link_lost("queue");
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

/* No credit is left, ids of that queue are void, and nobody knows how much space there is. */
static void forget_queue(struct intake *intake)
{
    intake->lease = intake->next_lease = (struct message_lease){0};
    intake->oldest_id = UINT64_MAX;
    intake->space = (struct message_space){.is_accepting = true, .free_bytes = UINT64_MAX};
    stock_set(&intake->bytes, 0);
    stock_set(&intake->messages, 0);
}

/* All that was asked fails. Whether another queue knows of what this one gave, the next link tells. */
static void end_link(struct intake *intake)
{
    struct question *question;
    struct question *next;

    channel_free(intake->link);
    intake->link = NULL;
    intake->is_lease_asked = false;
    HASH_ITER(hh, intake->questions, question, next)
    {
        if (!question->is_answered) {
            (void)error_set_dsn(&question->err, SLUICE_TEMP, "4.3.0", "the queue is gone");
            question_answer(intake, question);
        }
    }
    if (intake->handover == 0)
        forget_queue(intake);
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
        log_error("no memory for a link to the queue");
        role_link_lost("queue");
        return;
    }
    intake->is_held = true;
}

struct pool *intake_disk(struct intake *intake)
{
    return intake->disk;
}

void intake_on_explain(struct intake *intake, intake_explain_fn *fn, void *user)
{
    intake->explain = fn;
    intake->explain_user = user;
}

void intake_explained(struct intake *intake, uint64_t ref, struct sluice_span text)
{
    (void)intake_send(intake, MESSAGE_EXPLAINED, ref, &text, 1, -1); /* else the asker gives up */
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
    intake->is_lease_asked = intake_send(intake, MESSAGE_WANT_LEASE, 0, NULL, 0, -1) == SLUICE_OK;
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
        if (may_ask(intake) && intake->lease.count > 0)
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
