/* SPDX-License-Identifier: ISC */
/*
 * children: see children.h. What is done with several of them at once; child.c has the single one.
 */
#include "master/child.h"

#include "base/clock.h"

#include <stdlib.h>
#include <utlist.h>

#define KILL_WAIT_MS 5000 /* for the end of a process that was killed */
#define CREW_INDEX 100    /* of the first crew's process; there are fewer of the common one */
#define RETIRED_MAX 4     /* generations before the present one whose sessions may go on */

sluice_status children_new(const struct children_setup *setup, struct children **ret_children)
{
    struct children *children = calloc(1, sizeof(*children));

    if (children == NULL)
        return SLUICE_TEMP;
    children->setup = setup;
    *ret_children = children;
    return SLUICE_OK;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* OK: all are ready. NOT_FOUND: not yet. Else why one of them never will be. */
static sluice_status look_for_ready(const struct children *children,
                                    const struct generation *generation, const char *role,
                                    struct error *err)
{
    const struct child *child;
    sluice_status status = SLUICE_OK;

    LL_FOREACH(children->list, child)
    {
        if (child->generation != generation || !child_is(child, role) || child->was_ready)
            continue;
        if (child->has_left)
            return error_set(err, child->fault.status, "%s", child->fault.text);
        status = SLUICE_NOT_FOUND;
    }
    return status;
}

sluice_status children_wait_for_ready(struct children *children,
                                      const struct generation *generation, const char *role,
                                      int64_t deadline_ms, struct error *err)
{
    sluice_status status;

    while ((status = look_for_ready(children, generation, role, err)) == SLUICE_NOT_FOUND) {
        if (task_queue_wait(&children->changed, deadline_ms) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "role %s: %s", role,
                             task_is_cancelled() ? "ended before it was ready"
                                                 : "not ready in time");
    }
    return status;
}

sluice_status children_start(struct children *children, struct generation *generation,
                             const char *role, unsigned count, int64_t deadline_ms,
                             struct error *err)
{
    struct child *child;

    for (unsigned i = 0; i < count; i++) {
        sluice_status status = child_start(children, generation, role, i, false, &child, err);
        if (status != SLUICE_OK)
            return status;
    }
    return children_wait_for_ready(children, generation, role, deadline_ms, err);
}

sluice_status children_start_crews(struct children *children, struct generation *generation,
                                   int64_t deadline_ms, struct error *err)
{
    const struct children_setup *setup = children->setup;
    struct child *child;
    sluice_status status = generation_find_crews(generation, &setup->queue_owner,
                                                 &setup->network_owner, err);

    for (unsigned i = 0; i < generation->crew_count && status == SLUICE_OK; i++) {
        status = child_start(children, generation, "deliver", CREW_INDEX + i, false, &child, err);
        if (status == SLUICE_OK)
            child->crew = &generation->crews[i];
    }
    return status == SLUICE_OK
               ? children_wait_for_ready(children, generation, "deliver", deadline_ms, err)
               : status;
}

void children_answer(const struct children *children, const struct message_reloaded *answer,
                     int asker_fd)
{
    struct buffer body = BUFFER_INIT;
    const struct child *child;

    message_reloaded_encode(answer, &body);
    struct sluice_span part = buffer_span(&body);
    LL_FOREACH(children->list, child)
    {
        if (child_is(child, "queue") && child->is_ready && child->channel != NULL &&
            !buffer_failed(&body))
            (void)channel_send(child->channel, MESSAGE_RELOADED, 0, &part, 1,
                               asker_fd); /* else the asker sees that there is no answer */
    }
    buffer_done(&body);
}

/* ---- end ------------------------------------------------------------------------------------- */

void children_retire(struct children *children, const struct generation *present,
                     int64_t grace_ms)
{
    struct child *child;
    struct child *next;

    LL_FOREACH_SAFE(children->list, child, next)
    {
        bool is_ancient = child->generation->number + RETIRED_MAX < present->number;

        if (child->generation != present)
            child_drain(child, is_ancient ? 0 : grace_ms);
    }
    task_queue_wake_all(&children->changed);
}

bool children_have_left(const struct children *children, const struct generation *generation,
                        const char *role)
{
    const struct child *child;

    LL_FOREACH(children->list, child)
    {
        if ((generation == NULL || child->generation == generation) &&
            (role == NULL || child_is(child, role)))
            return false;
    }
    return true;
}

sluice_status children_wait_for_end(struct children *children, const struct generation *generation,
                                    const char *role, int64_t deadline_ms)
{
    while (!children_have_left(children, generation, role)) {
        if (task_queue_wait(&children->changed, deadline_ms) != SLUICE_OK)
            return children_have_left(children, generation, role) ? SLUICE_OK : SLUICE_TEMP;
    }
    return SLUICE_OK;
}

sluice_status children_drain(struct children *children, const char *role, int64_t deadline_ms)
{
    struct child *child;
    struct child *next;

    LL_FOREACH_SAFE(children->list, child, next)
    {
        if (child_is(child, role))
            child_drain(child, 0);
    }
    task_queue_wake_all(&children->changed);
    return children_wait_for_end(children, NULL, role, deadline_ms);
}

void children_renew_log(struct children *children)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    child_renew_log(child);
}

void children_kill(struct children *children, const char *role)
{
    struct child *child;
    struct child *next;

    LL_FOREACH_SAFE(children->list, child, next)
    {
        if (role == NULL || child_is(child, role))
            child_kill(child);
    }
    task_queue_wake_all(&children->changed);
}

void children_free(struct children *children)
{
    int64_t deadline_ms = clock_monotonic_ms() + KILL_WAIT_MS;

    if (children == NULL)
        return;
    children_kill(children, NULL);
    if (children_wait_for_end(children, NULL, NULL, deadline_ms) == SLUICE_OK)
        free(children); /* else the kernel holds a process; its task still has us */
}
