/* SPDX-License-Identifier: ISC */
/*
 * handover: from one queue process to the next. There is never more than one that has the store: the
 * next one is executed and handed all it needs beforehand, and begins when the former has closed it.
 */
#include "master/child.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <utlist.h>

#define SETTLE_MS 60000       /* for the queue to let go of the store */
#define BEGIN_MS (600 * 1000) /* for the next one to read what is in the store */
#define LEAVE_MS 10000        /* for the former to end, which has nothing more to do */
#define AGAIN_MS 1000

/* The one that runs, or is started again at present; NULL: a start has failed. */
static struct child *find_queue(const struct children *children)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    {
        if (child_is(child, "queue") && !child->is_leaving)
            return child;
    }
    return NULL;
}

/* Nobody is to settle it any more. */
static void forget(const struct children *children, const struct bequest *bequest)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    {
        if (child->bequest == bequest)
            child->bequest = NULL;
    }
}

/* What the queue that runs leaves. One that is late is killed: its clients see a crash. */
static int settle_queue(struct children *children, struct child *queue)
{
    int64_t deadline_ms = clock_monotonic_ms() + SETTLE_MS;
    struct bequest bequest;

    child_hand_over(queue, &bequest);
    while (!bequest.is_settled) {
        if (task_queue_wait(&children->changed, deadline_ms) == SLUICE_OK || bequest.is_settled)
            continue;
        if (task_is_cancelled())
            break;
        child_kill(queue);
        deadline_ms = CLOCK_NEVER;
    }
    forget(children, &bequest);
    return bequest.fd;
}

/* Lets it begin with a descriptor of its own; fd: -1 for nothing. */
static void release(struct child *child, int fd)
{
    int own_fd = fd != -1 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (fd != -1 && own_fd == -1)
        log_error("what the queue had under way is lost: %s", strerror(errno));
    child_release(child, own_fd);
}

/* Without a queue there is no mail: however long it takes. */
static void go_back(struct children *children, struct generation *from, int inherited_fd)
{
    struct error err = ERROR_INIT;
    struct child *queue;

    while (child_start(children, from, "queue", 0, true, &queue, &err) != SLUICE_OK) {
        log_error("%s", err.text);
        if (task_sleep_until(clock_monotonic_ms() + AGAIN_MS) != SLUICE_OK)
            return;
    }
    queue->is_vital = true;
    release(queue, inherited_fd);
    if (children_wait_for_ready(children, from, "queue", clock_monotonic_ms() + BEGIN_MS, &err) !=
        SLUICE_OK)
        log_error("%s", err.text);
}

/* Kills what is left of a generation's queue, and waits: it may have the store. */
static void remove_queue(struct children *children, const struct generation *generation)
{
    struct child *child;
    struct child *next;

    LL_FOREACH_SAFE(children->list, child, next)
    {
        if (child->generation == generation && child_is(child, "queue"))
            child_kill(child);
    }
    (void)children_wait_for_end(children, generation, "queue", CLOCK_NEVER); /* or cancelled */
}

sluice_status children_hand_over(struct children *children, struct generation *from,
                                 struct generation *to, struct error *err)
{
    struct child *queue = find_queue(children);
    struct child *heir;
    int inherited_fd = -1;
    sluice_status status = child_start(children, to, "queue", 0, true, &heir, err);

    if (status != SLUICE_OK)
        return status;
    if (queue != NULL)
        inherited_fd = settle_queue(children, queue);
    release(heir, inherited_fd);
    status = children_wait_for_ready(children, to, "queue", clock_monotonic_ms() + BEGIN_MS, err);
    if (status == SLUICE_OK) {
        if (children_wait_for_end(children, from, "queue", clock_monotonic_ms() + LEAVE_MS) !=
            SLUICE_OK)
            remove_queue(children, from);
    } else if (!task_is_cancelled()) {
        log_error("%s: the queue goes on with generation %llu", err->text,
                  (unsigned long long)from->number);
        remove_queue(children, to);
        go_back(children, from, inherited_fd);
    }
    if (inherited_fd != -1)
        (void)close(inherited_fd); /* in memory */
    return status;
}
