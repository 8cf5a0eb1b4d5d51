/* SPDX-License-Identifier: ISC */
/* lookup_link: see lookup_link.h. */
#include "queue/lookup_link.h"

#include "base/log.h"
#include "queue/question.h"
#include "queue/state.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

static void end_link(struct lookup_link *link)
{
    question_link_ended(link->queue, link->channel);
    channel_free(link->channel);
    DL_DELETE(link->queue->lookups, link);
    free(link);
}

/* What its tables have to tell is for those that ask them. */
static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct lookup_link *link = user;

    (void)channel;
    if (frame->type == MESSAGE_EXPLAINED)
        (void)question_answered(link->queue, frame);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct lookup_link *link = user;

    (void)channel;
    log_info("lookup %u is gone: %s", link->index, reason);
    end_link(link);
}

void lookup_link_start(struct queue *queue, const struct message_link *message, int fd)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    struct lookup_link *link = calloc(1, sizeof(*link));

    if (link != NULL) {
        link->queue = queue;
        link->index = message->index;
        link->pid = message->pid;
        link->generation = message->generation;
        if (channel_new(fd, "queue to lookup", &handlers, link, &link->channel) == SLUICE_OK) {
            DL_APPEND(queue->lookups, link);
            return;
        }
    }
    log_error("no memory for a link to lookup %u", message->index);
    free(link);
    (void)close(fd);
}

struct lookup_link *lookup_link_find(const struct queue *queue, unsigned index)
{
    struct lookup_link *link;

    DL_FOREACH(queue->lookups, link)
    {
        if (link->index == index && link->generation == queue->role->generation)
            return link;
    }
    return NULL;
}

size_t lookup_link_count(const struct queue *queue)
{
    const struct lookup_link *link;
    size_t count = 0;

    DL_FOREACH(queue->lookups, link)
    {
        count += link->generation == queue->role->generation ? 1 : 0;
    }
    return count;
}

void lookup_links_done(struct queue *queue)
{
    while (queue->lookups != NULL)
        end_link(queue->lookups);
}
