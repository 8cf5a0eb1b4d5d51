/* SPDX-License-Identifier: ISC */
/*
 * relief: see relief.h.
 */
#include "master/relief.h"

#include "base/buffer.h"
#include "base/span.h"
#include "ipc/messages.h"

#include <utlist.h>

#define ISOLATED_INDEX 1000 /* no other deliver process comes near */

void relief_tell_queue(const struct child *dead, bool is_crash)
{
    const struct obituary *obituary = &dead->obituary;
    struct message_died died = {
        .pid = (int32_t)process_pid(dead->process),
        .is_crash = is_crash,
        .task = sluice_span_of(obituary->task),
        .activity = sluice_span_of(obituary->activity),
        .text = sluice_span_of(obituary->text),
    };
    struct buffer body = BUFFER_INIT;
    const struct child *child;

    message_died_encode(&died, &body);
    LL_FOREACH(dead->children->list, child)
    {
        if (child_is(child, "queue") && child->is_ready && child->channel != NULL &&
            !buffer_failed(&body))
            (void)channel_send_body(child->channel, MESSAGE_DIED, 0,
                                    buffer_span(&body)); /* else this one is not counted */
    }
    buffer_done(&body);
}

/* The one of queue's own generation; others are about to leave. */
static struct child *find_isolated(const struct child *queue)
{
    struct child *child;

    LL_FOREACH(queue->children->list, child)
    {
        if (child->is_isolated && !child->is_leaving && child->generation == queue->generation)
            break;
    }
    return child;
}

/* Another one that is tried for ever. NULL: no memory, which has been said. */
static struct child *start_vital(struct children *children, struct generation *generation,
                                 const char *role, unsigned index)
{
    struct error err = ERROR_INIT;
    struct child *child;

    if (child_start(children, generation, role, index, false, &child, &err) != SLUICE_OK) {
        log_error("%s", err.text);
        return NULL;
    }
    child->is_vital = true;
    return child;
}

sluice_status relief_isolate(struct child *queue, struct sluice_span body)
{
    struct child *isolated = find_isolated(queue);
    struct message_isolate isolate;

    if (!child_is(queue, "queue") || message_isolate_decode(body, &isolate) != SLUICE_OK)
        return SLUICE_PERM;
    if (isolated != NULL && isolate.is_wanted && span_equal(child_crew(isolated), isolate.crew))
        return SLUICE_OK;
    if (isolated != NULL)
        child_drain(isolated, 0);
    if (!isolate.is_wanted || queue->is_leaving)
        return SLUICE_OK;
    isolated = start_vital(queue->children, queue->generation, "deliver", ISOLATED_INDEX);
    if (isolated == NULL)
        return SLUICE_OK; /* which has been said */
    isolated->is_isolated = true;
    isolated->crew = generation_crew(queue->generation, isolate.crew);
    return SLUICE_OK;
}

sluice_status relief_replace(struct child *child, struct sluice_span body)
{
    struct message_replace replace;
    struct child *successor;

    if (child_is(child, "queue") || message_replace_decode(body, &replace) != SLUICE_OK)
        return SLUICE_PERM;
    if (child->is_leaving)
        return SLUICE_OK;
    successor = start_vital(child->children, child->generation, child->role->name, child->index);
    if (successor == NULL)
        return SLUICE_OK; /* this one still does what it can */
    successor->is_isolated = child->is_isolated;
    successor->crew = child->crew;
    log_warning("role %s (pid %ld): all threads of %.*s hang: replaced", child->name,
                (long)process_pid(child->process), SPAN_ARGS(replace.text));
    child_drain(child, 0);
    return SLUICE_OK;
}
