/* SPDX-License-Identifier: ISC */
/*
 * channel: an inbox and an outbox on a socket that the loop polls.
 *
 * A peer that has died may have left frames behind. So a failure to send only ends the sending;
 * reading goes on to the end of what is there, and only then is the channel closed.
 */
#include "ipc/channel.h"

#include "ipc/inbox.h"
#include "ipc/messages.h"
#include "ipc/outbox.h"
#include "task/task.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define NAME_SIZE 64
#define REASON_SIZE 256
#define READS_IN_A_TURN 16 /* then others have their turn */
#define STARVED_RETRY_MS 5

struct channel {
    uv_poll_t poll;
    uv_timer_t retry;
    unsigned handle_count; /* that libuv has not given back */
    struct task_later later;
    int fd;
    int events; /* that are polled for */
    char name[NAME_SIZE];
    const struct channel_handlers *handlers;
    void *user;
    struct inbox inbox;
    struct outbox outbox;
    bool has_hello;
    bool is_sending; /* until the socket takes no more */
    bool is_closed;  /* the handlers are not called any more */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct channel *channel, int events)
{
    if (channel->events == events)
        return;
    channel->events = events;
    (void)uv_poll_start(&channel->poll, events, on_poll); /* the descriptor is good: cannot fail */
}

static void stop_sending(struct channel *channel)
{
    channel->is_sending = false;
    outbox_done(&channel->outbox);
    task_later_cancel(&channel->later);
    (void)uv_timer_stop(&channel->retry);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void on_retry(uv_timer_t *timer);

static void flush(struct channel *channel)
{
    if (!channel->is_sending)
        return;
    switch (outbox_flush(&channel->outbox, channel->fd)) {
    case OUTBOX_EMPTY:
        poll_for(channel, UV_READABLE);
        break;
    case OUTBOX_BLOCKED:
        poll_for(channel, UV_READABLE | UV_WRITABLE);
        break;
    case OUTBOX_STARVED: /* the socket says it is writable all the time */
        poll_for(channel, UV_READABLE);
        (void)uv_timer_start(&channel->retry, on_retry, STARVED_RETRY_MS, 0);
        break;
    case OUTBOX_BROKEN: /* reading will tell why */
        stop_sending(channel);
        poll_for(channel, UV_READABLE);
        break;
    }
}

static void on_retry(uv_timer_t *timer)
{
    flush(timer->data);
}

static void on_later(struct task_later *later)
{
    flush((struct channel *)(void *)((char *)later - offsetof(struct channel, later)));
}

sluice_status channel_send(struct channel *channel, uint16_t type, uint64_t ref,
                           const struct sluice_span *parts, size_t count, int fd)
{
    struct frame_header header = {.type = type, .ref = ref};
    size_t size = 0;

    if (!channel->is_sending)
        return SLUICE_TEMP;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > CHANNEL_BODY_MAX - size)
            return SLUICE_PERM; /* the peer would hang up on us */
        size += parts[i].len;
    }
    header.size = (uint32_t)size;
    header.flags = fd != -1 ? FRAME_HAS_FD : 0;
    sluice_status status = outbox_add(&channel->outbox, &header, parts, count, fd);
    if (status == SLUICE_OK)
        task_later(&channel->later);
    return status;
}

sluice_status channel_send_body(struct channel *channel, uint16_t type, uint64_t ref,
                                struct sluice_span body)
{
    return channel_send(channel, type, ref, &body, 1, -1);
}

size_t channel_pending(const struct channel *channel)
{
    return outbox_pending(&channel->outbox);
}

/* ---- in -------------------------------------------------------------------------------------- */

static void fail(struct channel *channel, const char *reason)
{
    char text[NAME_SIZE + REASON_SIZE];

    if (channel->is_closed)
        return;
    stop_sending(channel);
    (void)uv_poll_stop(&channel->poll);
    channel->is_closed = true;
    (void)snprintf(text, sizeof(text), "%s: %s", channel->name, reason); /* cut is fine */
    channel->handlers->closed(channel, text, channel->user);
}

static void take_hello(struct channel *channel, const struct channel_frame *frame)
{
    char reason[REASON_SIZE];

    if (frame->type != MESSAGE_HELLO)
        fail(channel, "the first frame is no hello");
    else if (frame->ref != CHANNEL_VERSION) {
        (void)snprintf(reason, sizeof(reason), "the peer talks version %llu, this program %d",
                       (unsigned long long)frame->ref, CHANNEL_VERSION);
        fail(channel, reason);
    }
    channel->has_hello = true;
}

static void take_frames(struct channel *channel)
{
    struct channel_frame frame;
    const char *reason;
    sluice_status status = SLUICE_OK;

    while (!channel->is_closed &&
           (status = inbox_next(&channel->inbox, &frame, &reason)) == SLUICE_OK) {
        if (!channel->has_hello)
            take_hello(channel, &frame);
        else
            channel->handlers->frame(channel, &frame, channel->user);
        if (frame.fd != -1)
            (void)close(frame.fd); /* the handler has no use for it */
    }
    if (!channel->is_closed && status == SLUICE_PERM)
        fail(channel, reason);
}

/* False: nothing more to read now. */
static bool read_once(struct channel *channel)
{
    const char *reason;

    switch (inbox_receive(&channel->inbox, channel->fd, &reason)) {
    case SLUICE_OK:
        take_frames(channel);
        return true;
    case SLUICE_TEMP:
        return false;
    case SLUICE_NOT_FOUND:
        fail(channel, channel->inbox.end > channel->inbox.begin
                          ? "the peer has gone in the middle of a frame"
                          : "the peer has gone");
        return false;
    default:
        fail(channel, reason);
        return false;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct channel *channel = poll->data;

    if (status < 0) { /* the socket is in error, and libuv polls it no more: to the end, then */
        while (!channel->is_closed && read_once(channel))
            continue;
        fail(channel, "the peer has gone");
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        flush(channel);
    if ((events & UV_READABLE) == 0)
        return;
    for (int i = 0; i < READS_IN_A_TURN && !channel->is_closed; i++) {
        if (!read_once(channel) || channel->inbox.is_short) /* if more comes we are told again */
            break;
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_handle_closed(uv_handle_t *handle)
{
    struct channel *channel = handle->data;

    if (--channel->handle_count > 0)
        return;
    inbox_done(&channel->inbox); /* until now a handler may have been looking at a frame in it */
    free(channel);
}

sluice_status channel_new(int fd, const char *name, const struct channel_handlers *handlers,
                          void *user, struct channel **ret_channel)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL || uv_poll_init(task_loop(), &channel->poll, fd) != 0) {
        free(channel);
        return SLUICE_TEMP;
    }
    (void)uv_timer_init(task_loop(), &channel->retry); /* cannot fail */
    channel->poll.data = channel;
    channel->retry.data = channel;
    channel->handle_count = 2;
    channel->later.fn = on_later;
    channel->fd = -1;
    (void)snprintf(channel->name, sizeof(channel->name), "%s", name); /* cut is fine */
    channel->handlers = handlers;
    channel->user = user;
    channel->is_sending = true;
    struct sluice_span hello = sluice_span_of(channel->name);
    if (channel_send_body(channel, MESSAGE_HELLO, CHANNEL_VERSION, hello) != SLUICE_OK) {
        channel_free(channel);
        return SLUICE_TEMP;
    }
    channel->fd = fd;
    poll_for(channel, UV_READABLE);
    *ret_channel = channel;
    return SLUICE_OK;
}

void channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    channel->is_closed = true;
    stop_sending(channel);
    uv_close((uv_handle_t *)&channel->poll, on_handle_closed);
    uv_close((uv_handle_t *)&channel->retry, on_handle_closed);
    if (channel->fd != -1)
        (void)close(channel->fd);
    channel->fd = -1;
}
