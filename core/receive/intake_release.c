/* SPDX-License-Identifier: ISC */
/*
 * intake_release: releases that clients ask for.
 */
#include "base/clock.h"
#include "receive/intake_private.h"

static sluice_status send_release(struct intake *intake, uint64_t ref,
                                  const struct message_release *release)
{
    struct buffer body = BUFFER_INIT;
    sluice_status st = SLUICE_TEMP;

    message_release_encode(release, &body);
    struct sluice_span part = buffer_span(&body);
    if (!buffer_failed(&body))
        st = intake_send(intake, MESSAGE_RELEASE, ref, &part, 1, -1);
    buffer_done(&body);
    return st;
}

/* The credit for one release has been taken. */
static sluice_status ask_release(struct intake *intake, struct question *question,
                                 const struct message_release *release, int64_t deadline_ms,
                                 struct message_released *ret_released)
{
    if (send_release(intake, question->key.ref, release) != SLUICE_OK) {
        question_take_back(intake, question);
        return SLUICE_TEMP;
    }
    if (!question_wait(question, deadline_ms))
        return SLUICE_TEMP;
    sluice_status st = question->err.status;
    if (st == SLUICE_OK)
        *ret_released = question->released;
    question_free(intake, question);
    return st == SLUICE_OK || st == SLUICE_NOT_FOUND ? st : SLUICE_TEMP;
}

sluice_status intake_release(struct intake *intake, const struct message_release *release,
                             struct message_released *ret_released)
{
    int64_t deadline_ms = clock_monotonic_ms() + intake->limits.release_ms;

    if (credit_take(&intake->releases, 1, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    struct question *question = NULL;
    if (intake_wait(intake, deadline_ms) == SLUICE_OK)
        question = question_new(intake, MESSAGE_RELEASE, ++intake->release_count);
    if (question == NULL) {
        credit_give(&intake->releases, 1);
        return SLUICE_TEMP;
    }
    return ask_release(intake, question, release, deadline_ms, ret_released);
}
