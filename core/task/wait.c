/* SPDX-License-Identifier: ISC */
/*
 * wait: waiting in queues and for descriptors, on top of task_park and task_wake.
 */
#include "task/task.h"

#include "base/hash.h"

#include <stdlib.h>
#include <utlist.h>
#include <uv.h>

/* ---- queues ---------------------------------------------------------------------------------- */

/* On the stack of who waits. */
struct task_waiter {
    struct task *task;
    struct task_waiter *prev;
    struct task_waiter *next;
    bool is_served; /* and taken off the queue */
};

sluice_status task_queue_wait(struct task_queue *queue, int64_t deadline_ms)
{
    struct task_waiter waiter = {.task = task_self()};
    sluice_status status = SLUICE_OK;

    DL_APPEND(queue->waiters, &waiter);
    while (!waiter.is_served && status == SLUICE_OK)
        status = task_park(deadline_ms);
    /* Served counts even if the deadline came with it: else what we were woken for would be lost. */
    if (waiter.is_served)
        return SLUICE_OK;
    DL_DELETE(queue->waiters, &waiter);
    return status;
}

bool task_queue_wake_one(struct task_queue *queue)
{
    struct task_waiter *waiter = queue->waiters;

    if (waiter == NULL)
        return false;
    DL_DELETE(queue->waiters, waiter);
    waiter->is_served = true;
    task_wake(waiter->task);
    return true;
}

void task_queue_wake_all(struct task_queue *queue)
{
    while (task_queue_wake_one(queue))
        continue;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/* libuv allows one poll handle for each descriptor; a reader and a writer share it. */
struct watch {
    uv_poll_t poll;
    int fd;
    bool is_kept; /* stays when nobody waits */
    int armed;    /* UV_READABLE, UV_WRITABLE: what the handle looks for, */
    int seen;     /* and what has come since somebody began to wait */
    struct task *reader;
    struct task *writer;
    UT_hash_handle hh;
};

/* All descriptors that are waited for, of the one loop. */
static struct watch *watches;

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_close(struct watch *watch)
{
    HASH_DEL(watches, watch);
    uv_close((uv_handle_t *)&watch->poll, on_closed);
}

static struct watch *watch_open(int fd)
{
    struct watch *watch;

    HASH_FIND_INT(watches, &fd, watch);
    if (watch != NULL)
        return watch;
    watch = calloc(1, sizeof(*watch));
    if (watch == NULL || uv_poll_init(task_loop(), &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->fd = fd;
    HASH_ADD_INT(watches, fd, watch);
    if (!hash_has(watch)) {
        uv_close((uv_handle_t *)&watch->poll, on_closed);
        return NULL;
    }
    return watch;
}

static void on_event(uv_poll_t *poll, int status, int events);

static int wanted_of(const struct watch *watch)
{
    return (watch->reader != NULL ? UV_READABLE : 0) | (watch->writer != NULL ? UV_WRITABLE : 0);
}

/* No events: stops. */
static bool arm(struct watch *watch, int events)
{
    if (uv_poll_start(&watch->poll, events, on_event) != 0)
        return false;
    watch->armed = events;
    return true;
}

/* An error counts as both: who reads or writes will see it. */
static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    else if ((events & ~wanted_of(watch)) != 0)
        (void)arm(watch, watch->armed & wanted_of(watch)); /* asks for less: cannot fail */
    watch->seen |= events;
    if ((events & UV_READABLE) != 0 && watch->reader != NULL)
        task_wake(watch->reader);
    if ((events & UV_WRITABLE) != 0 && watch->writer != NULL)
        task_wake(watch->writer);
    if (status < 0)
        (void)arm(watch, 0);
}

static void join(struct watch *watch, int wanted)
{
    watch->seen &= ~wanted;
    if ((wanted & UV_READABLE) != 0)
        watch->reader = task_self();
    if ((wanted & UV_WRITABLE) != 0)
        watch->writer = task_self();
}

static void part(struct watch *watch, int wanted)
{
    if ((wanted & UV_READABLE) != 0)
        watch->reader = NULL;
    if ((wanted & UV_WRITABLE) != 0)
        watch->writer = NULL;
    /* What is armed and not wanted any more is left to the next event: perhaps it is wanted then. */
    if (wanted_of(watch) == 0 && !watch->is_kept)
        watch_close(watch);
}

sluice_status task_wait_fd(int fd, int events, int64_t deadline_ms)
{
    int wanted = ((events & TASK_READABLE) != 0 ? UV_READABLE : 0) |
                 ((events & TASK_WRITABLE) != 0 ? UV_WRITABLE : 0);
    struct watch *watch = watch_open(fd);
    if (watch == NULL)
        return SLUICE_TEMP;

    join(watch, wanted);
    bool is_armed = (watch->armed & wanted) == wanted || arm(watch, watch->armed | wanted);
    sluice_status status = is_armed ? SLUICE_OK : SLUICE_TEMP;
    while (status == SLUICE_OK && (watch->seen & wanted) == 0)
        status = task_park(deadline_ms);
    part(watch, wanted);
    return status;
}

sluice_status task_keep_fd(int fd)
{
    struct watch *watch = watch_open(fd);

    if (watch == NULL)
        return SLUICE_TEMP;
    uv_unref((uv_handle_t *)&watch->poll); /* who waits keeps the loop alive */
    watch->is_kept = true;
    return SLUICE_OK;
}

void task_forget_fd(int fd)
{
    struct watch *watch;

    HASH_FIND_INT(watches, &fd, watch);
    if (watch == NULL)
        return;
    watch->is_kept = false;
    if (wanted_of(watch) == 0)
        watch_close(watch);
}
