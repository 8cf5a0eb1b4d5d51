/* SPDX-License-Identifier: ISC */
/* deliver_link: see deliver_link.h. */
#include "queue/deliver_link.h"

#include "base/log.h"
#include "queue/dispatch.h"
#include "queue/inherit.h"
#include "queue/question.h"
#include "queue/report.h"
#include "queue/state.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

struct deliver_link *deliver_link_isolated(const struct queue *queue)
{
    struct deliver_link *link;

    DL_FOREACH(queue->delivers, link)
    {
        if (link->is_isolated && link->channel != NULL)
            return link;
    }
    return NULL;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static sluice_status on_credit(struct deliver_link *link, struct sluice_span body)
{
    struct message_credit credit;

    if (message_credit_decode(body, &credit) != SLUICE_OK)
        return SLUICE_PERM;
    link->credit_bytes = credit.bytes;
    link->credit_messages = credit.messages;
    report_wake(link->queue);
    (void)task_queue_wake_one(&link->queue->work);
    return SLUICE_OK;
}

static sluice_status on_paused(struct deliver_link *link, const struct channel_frame *frame)
{
    if (frame->ref == 0 || frame->ref != link->queue->handover)
        return SLUICE_PERM;
    link->is_paused = true;
    task_queue_wake_all(&link->queue->ended);
    return SLUICE_OK;
}

/* Jobs whose message is still being read are given back by their dispatcher. */
static void close_link(struct deliver_link *link)
{
    struct job *job;
    struct job *next;

    question_link_ended(link->queue, link->channel);
    channel_free(link->channel);
    link->channel = NULL;
    resolve_link_ended(link);
    report_link_lost(link);
    HASH_ITER(hh, link->queue->jobs, job, next)
    {
        if (job->link != link || job->is_sent)
            continue;
        job->link = NULL;
        link->used_messages--;
        link->used_bytes -= job->cost;
    }
}

void deliver_link_end(struct deliver_link *link, int64_t delay_ms)
{
    struct queue *queue = link->queue;
    struct job *job;
    struct job *next;

    HASH_ITER(hh, queue->jobs, job, next)
    {
        if (job->link == link)
            dispatch_give_back(job, delay_ms);
    }
    DL_DELETE(queue->delivers, link);
    if (link->is_isolated)
        queue->is_isolation_asked = false; /* it may have left for good */
    free(link);
    task_queue_wake_all(&queue->ended);
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct deliver_link *link = user;
    sluice_status st = SLUICE_PERM;

    (void)channel;
    if (frame->type == MESSAGE_CREDIT)
        st = on_credit(link, frame->body);
    else if (frame->type == MESSAGE_RESULT)
        st = dispatch_take_result(link, frame);
    else if (frame->type == MESSAGE_RESOLVED)
        st = resolve_answered(link, frame);
    else if (frame->type == MESSAGE_RESUMED)
        st = inherit_claim(link, frame->body);
    else if (frame->type == MESSAGE_PAUSED)
        st = on_paused(link, frame);
    else if (frame->type == MESSAGE_REPORTED)
        st = report_answered(link, frame);
    else if (frame->type == MESSAGE_EXPLAINED)
        st = question_answered(link->queue, frame);
    if (st == SLUICE_OK)
        return;
    log_error("deliver %u sent a frame of type %u that makes no sense: its link is closed",
              link->index, frame->type);
    role_accuse(link->queue->role, "deliver", link->index, link->pid);
    close_link(link);
    death_link_broken(link);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct deliver_link *link = user;

    (void)channel;
    if (link->credit_messages == 0 && link->used_messages == 0)
        log_info("deliver %u has left", link->index); /* it said that it would */
    else
        log_warning("deliver %u is gone: %s", link->index, reason);
    close_link(link);
    death_link_closed(link);
}

/* Until it has this frame a deliver process takes no jobs. */
static void greet(struct deliver_link *link)
{
    if (channel_send_body(link->channel, MESSAGE_RESUME, link->queue->inherited, SPAN_EMPTY) !=
        SLUICE_OK)
        role_accuse(link->queue->role, "deliver", link->index, link->pid); /* for another */
}

void deliver_link_start(struct queue *queue, const struct message_link *message, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct deliver_link *link = calloc(1, sizeof(*link));

    if (link != NULL) {
        link->queue = queue;
        link->index = message->index;
        link->pid = message->pid;
        link->generation = message->generation;
        link->crew = crews_find(&queue->crews, message->crew);
        link->is_isolated = message->is_isolated;
        if (channel_new(fd, "queue to deliver", &handlers, link, &link->channel) == SLUICE_OK) {
            DL_APPEND(queue->delivers, link);
            greet(link);
            resolve_link_started(queue);
            return;
        }
    }
    log_error("no memory for a link to deliver %u", message->index);
    free(link);
    (void)close(fd);
}

size_t deliver_link_count(const struct queue *queue)
{
    const struct deliver_link *link;
    size_t count = 0;

    DL_FOREACH(queue->delivers, link)
    count += link->channel != NULL;
    return count;
}

/* Jobs go back to the schedule, so that every unit is in one place when it is freed. */
void deliver_links_done(struct queue *queue)
{
    while (queue->delivers != NULL) {
        close_link(queue->delivers);
        deliver_link_end(queue->delivers, DISPATCH_RETURN_MS);
    }
    inherit_done(queue);
}
