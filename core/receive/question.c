/* SPDX-License-Identifier: ISC */
/*
 * question: a table by what was asked and for which message.
 */
#include "receive/question.h"

#include "receive/intake_private.h"

#include <stdlib.h>
#include <unistd.h>

struct question *question_new(struct intake *intake, uint16_t type, uint64_t ref)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    question->key = (struct question_key){.ref = ref, .type = type};
    question->waiter = task_self();
    question->fd = -1;
    HASH_ADD(hh, intake->questions, key, sizeof(question->key), question);
    if (!hash_has(question)) {
        free(question);
        return NULL;
    }
    return question;
}

struct question *question_find(struct intake *intake, uint16_t type, uint64_t ref)
{
    struct question_key key = {.ref = ref, .type = type};
    struct question *question;

    HASH_FIND(hh, intake->questions, &key, sizeof(key), question);
    return question;
}

void question_free(struct intake *intake, struct question *question)
{
    HASH_DEL(intake->questions, question);
    if (question->fd != -1)
        (void)close(question->fd); /* came too late */
    free(question);
}

/* The credit is back with the answer, or with the end of the link. */
static void settle(struct intake *intake, struct question *question)
{
    switch (question->key.type) {
    case MESSAGE_COMMIT:
        stock_give(&intake->bytes, question->paid);
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

void question_take_back(struct intake *intake, struct question *question)
{
    settle(intake, question);
    question_free(intake, question);
}

void question_answer(struct intake *intake, struct question *question)
{
    settle(intake, question);
    question->is_answered = true;
    if (question->waiter != NULL)
        task_wake(question->waiter);
    else
        question_free(intake, question);
}

bool question_wait(struct question *question, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (!question->is_answered && st == SLUICE_OK)
        st = task_park(deadline_ms);
    if (!question->is_answered)
        question->waiter = NULL;
    return question->is_answered;
}
