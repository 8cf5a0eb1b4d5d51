/* SPDX-License-Identifier: ISC */
/*
 * intake_commit: a message on its way into the queue: its file if it is large, and its commit.
 */
#include "base/clock.h"
#include "receive/intake_private.h"

#define ENVELOPE_UNPAID ((size_t)4096) /* of an envelope; what is more takes credit like content */

/* ---- staging --------------------------------------------------------------------------------- */

void intake_withdraw(struct intake *intake, uint64_t id)
{
    /* Without a link there is nobody left who knows of it. */
    (void)intake_send(intake, MESSAGE_WITHDRAW, id, NULL, 0, -1);
}

/* A queue that was restarted leases higher ids, and knows nothing of the former one's files; one that
 * took over knows both. */
static bool is_void(const struct intake *intake, uint64_t id)
{
    return id < intake->oldest_id;
}

/* Why there is no question; st: of the wait for the link. */
static const char *reason(const struct intake *intake, uint64_t id, sluice_status st)
{
    if (st != SLUICE_OK)
        return "there is no link to the queue";
    return is_void(intake, id) ? "the queue was restarted" : "no memory";
}

/* The credit for one file has been taken. */
static sluice_status stage(struct intake *intake, struct question *question, int64_t deadline_ms,
                           int *ret_fd, struct error *err)
{
    uint64_t id = question->key.ref;

    if (intake_send(intake, MESSAGE_STAGE, id, NULL, 0, -1) != SLUICE_OK) {
        question_take_back(intake, question);
        return error_set(err, SLUICE_TEMP, "there is no link to the queue");
    }
    if (!question_wait(question, deadline_ms)) {
        intake_withdraw(intake, id);
        return error_set(err, SLUICE_TEMP, "the queue gave no file in time");
    }
    sluice_status st = SLUICE_OK;
    if (question->fd == -1)
        st = error_set(err, SLUICE_TEMP, "%s", question->err.text);
    else
        *ret_fd = question->fd;
    question->fd = -1;
    question_free(intake, question);
    return st;
}

sluice_status intake_stage(struct intake *intake, uint64_t id, int *ret_fd, struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.stage_ms;

    if (credit_take(&intake->stages, 1, deadline_ms) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "too many large messages wait for a file");
    struct question *question = NULL;
    sluice_status st = intake_wait(intake, deadline_ms);
    if (st == SLUICE_OK && !is_void(intake, id))
        question = question_new(intake, MESSAGE_STAGE, id);
    if (question == NULL) {
        credit_give(&intake->stages, 1);
        return error_set(err, SLUICE_TEMP, "%s", reason(intake, id, st));
    }
    return stage(intake, question, deadline_ms, ret_fd, err);
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
        st = intake_send(intake, MESSAGE_COMMIT, id, parts, 2, fd);
    buffer_done(&head);
    return st;
}

/* The credit for one message has been taken. */
static sluice_status commit(struct intake *intake, struct question *question,
                            struct sluice_span envelope, struct sluice_span content, int fd,
                            struct error *err)
{
    uint64_t id = question->key.ref;

    if (send_commit(intake, id, envelope, content, fd) != SLUICE_OK) {
        question_take_back(intake, question);
        return error_set(err, SLUICE_TEMP, "the queue cannot be reached");
    }
    if (!question_wait(question, clock_monotonic_ms() + intake->limits.commit_ms)) {
        intake_withdraw(intake, id);
        return error_set(err, SLUICE_TEMP, "the queue did not answer in time");
    }
    sluice_status st = question->err.status;
    *err = question->err;
    question_free(intake, question);
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
static sluice_status take_credit_for(struct intake *intake, uint64_t price, int64_t deadline_ms)
{
    if (credit_take(&intake->messages.credit, 1, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    if (price == 0 || credit_take(&intake->bytes.credit, price, deadline_ms) == SLUICE_OK)
        return SLUICE_OK;
    stock_give(&intake->messages, 1);
    return SLUICE_TEMP;
}

sluice_status intake_commit(struct intake *intake, uint64_t id, struct sluice_span envelope,
                            struct sluice_span content, int fd, uint64_t paid,
                            struct error *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.ready_ms;
    uint64_t price = price_of(intake, envelope);
    struct question *question = NULL;

    if (take_credit_for(intake, price, deadline_ms) != SLUICE_OK) {
        intake_pay_back(intake, paid);
        return error_set(err, SLUICE_TEMP, "the queue takes no more messages");
    }
    paid += price;
    sluice_status st = intake_wait(intake, deadline_ms); /* a pause may have come with the credit */
    if (st == SLUICE_OK && !is_void(intake, id))
        question = question_new(intake, MESSAGE_COMMIT, id);
    if (question == NULL) {
        intake_pay_back(intake, paid);
        stock_give(&intake->messages, 1);
        return error_set(err, SLUICE_TEMP, "%s", reason(intake, id, st));
    }
    question->paid = paid;
    return commit(intake, question, envelope, content, fd, err);
}
