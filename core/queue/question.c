/* SPDX-License-Identifier: ISC */
/* question: see question.h. */
#include "queue/question.h"

#include "base/clock.h"
#include "queue/state.h"

#include <utlist.h>

/* On the stack of who waits. */
struct question {
    uint64_t ref;
    const struct channel *channel;
    struct task *waiter;
    bool is_over;
    struct buffer answer;
    struct question *prev;
    struct question *next;
};

static void end_question(struct question *question)
{
    question->is_over = true;
    task_wake(question->waiter);
}

sluice_status question_answered(struct queue *queue, const struct channel_frame *frame)
{
    struct question *question;

    DL_SEARCH_SCALAR(queue->questions, question, ref, frame->ref);
    if (question == NULL)
        return SLUICE_OK;
    buffer_add_span(&question->answer, frame->body);
    end_question(question);
    return SLUICE_OK;
}

void question_link_ended(struct queue *queue, const struct channel *channel)
{
    struct question *question;

    DL_FOREACH(queue->questions, question)
    {
        if (channel != NULL && question->channel == channel)
            end_question(question);
    }
}

static void wait_for_answer(struct question *question, int64_t time_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + time_ms;
    sluice_status st = SLUICE_OK;

    while (!question->is_over && st == SLUICE_OK)
        st = task_park(deadline_ms);
}

json_t *question_ask(struct queue *queue, struct channel *channel, uint16_t type,
                     struct buffer *body, int64_t time_ms)
{
    struct question question = {
        .ref = ++queue->next_ref, .channel = channel, .waiter = task_self()};
    json_t *answer = NULL;

    DL_APPEND(queue->questions, &question);
    if (queue->handover == 0 && channel != NULL && !buffer_failed(body) &&
        channel_send_body(channel, type, question.ref, buffer_span(body)) == SLUICE_OK)
        wait_for_answer(&question, time_ms);
    DL_DELETE(queue->questions, &question);
    if (question.answer.len > 0)
        answer = json_loadb(question.answer.ptr, question.answer.len, 0, NULL);
    buffer_done(&question.answer);
    buffer_done(body);
    return answer;
}
