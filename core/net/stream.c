/* SPDX-License-Identifier: ISC */
/*
 * stream: tries first, waits second.
 *
 * The poll handle is made at the first wait, and its interest is left as it is when the wait is
 * over: a session that reads, answers and reads again asks the kernel for nothing but its bytes.
 * Only an event that nobody waits for is switched off.
 */
#include "net/stream.h"

#include "base/span.h"
#include "task/task.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/* So many reads or writes without waiting, then the other tasks have a turn. */
#define STREAM_BURST 16

struct stream {
    uv_poll_t poll;
    bool has_poll;
    int armed;  /* UV_READABLE, UV_WRITABLE: what the poll handle looks for */
    int wanted; /* what the waiter waits for */
    int seen;   /* and what of it has come */
    struct task *waiter;
    bool is_expired; /* what it waits for need not come any more */
    bool has_written; /* and not read since */
    int fd;
    unsigned burst;
    char *buffer; /* STREAM_BUFFER_SIZE; NULL while empty and waiting */
    size_t start; /* of the bytes in it */
    size_t end;
    bool timed_out;
    const char *why;
};

/* ---- room ------------------------------------------------------------------------------------ */

/* A stream has a buffer only while there is something in it, so few serve many: those that are not
 * needed are kept, the warmest on top. The loop's thread alone is here. */
#define ROOMS_MAX 16

static struct {
    char *kept[ROOMS_MAX];
    size_t count;
} rooms;

static char *take_room(void)
{
    return rooms.count > 0 ? rooms.kept[--rooms.count] : malloc(STREAM_BUFFER_SIZE);
}

static void give_room(char *room)
{
    if (room != NULL && rooms.count < ROOMS_MAX)
        rooms.kept[rooms.count++] = room;
    else
        free(room);
}

/* ---- opening and closing --------------------------------------------------------------------- */

sluice_status stream_new(int fd, struct stream **ret_stream)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    int on = 1;

    if (stream == NULL)
        return SLUICE_TEMP;
    /* What we write is whole commands and replies. Fails on a local socket, which needs none. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    stream->fd = fd;
    stream->why = "no error";
    *ret_stream = stream;
    return SLUICE_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void stream_close(struct stream *stream)
{
    if (stream == NULL)
        return;
    assert(stream->waiter == NULL);
    give_room(stream->buffer);
    if (stream->has_poll)
        uv_close((uv_handle_t *)&stream->poll, on_closed);
    (void)close(stream->fd); /* all that matters was acknowledged by the peer */
    if (!stream->has_poll)
        free(stream);
}

int stream_fd(const struct stream *stream)
{
    return stream->fd;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static sluice_status fail(struct stream *stream, const char *why)
{
    stream->timed_out = false;
    stream->why = why;
    return SLUICE_TEMP;
}

static sluice_status fail_wait(struct stream *stream)
{
    (void)fail(stream, task_is_cancelled() ? "cancelled" : "timed out");
    stream->timed_out = !task_is_cancelled();
    return SLUICE_TEMP;
}

static void on_event(uv_poll_t *poll, int status, int events);

static bool arm(struct stream *stream, int events)
{
    if (!stream->has_poll) {
        if (uv_poll_init(task_loop(), &stream->poll, stream->fd) != 0)
            return false;
        uv_unref((uv_handle_t *)&stream->poll); /* who waits keeps the loop alive */
        stream->poll.data = stream;
        stream->has_poll = true;
    }
    if (uv_poll_start(&stream->poll, events, on_event) != 0) /* no events: stops */
        return false;
    stream->armed = events;
    return true;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;

    if (status < 0) { /* libuv has stopped the handle; the call that is tried next says why */
        stream->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    stream->seen |= events;
    if (stream->waiter != NULL && (events & stream->wanted) != 0)
        task_wake(stream->waiter);
    int unwanted = stream->armed & events & ~stream->wanted;
    if (unwanted != 0)
        (void)arm(stream, stream->armed & ~unwanted); /* asks for less: cannot fail */
}

static sluice_status wait_for(struct stream *stream, int events, int64_t deadline_ms)
{
    sluice_status status = SLUICE_OK;

    stream->burst = 0;
    if ((stream->armed & events) != events && !arm(stream, stream->armed | events))
        return fail(stream, "cannot be polled");
    stream->seen = 0;
    stream->wanted = events;
    stream->waiter = task_self();
    while (status == SLUICE_OK && (stream->seen & events) == 0)
        status = stream->is_expired ? SLUICE_TEMP : task_park(deadline_ms);
    stream->waiter = NULL;
    stream->wanted = 0;
    return status == SLUICE_OK ? SLUICE_OK : fail_wait(stream);
}

static void share_turns(struct stream *stream)
{
    if (++stream->burst < STREAM_BURST)
        return;
    stream->burst = 0;
    task_yield();
}

/* ---- connecting ------------------------------------------------------------------------------ */

static sluice_status finish_connect(struct stream *stream, int64_t deadline_ms)
{
    int result = 0;
    socklen_t len = sizeof(result);

    if (wait_for(stream, UV_WRITABLE, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &result, &len) == -1)
        return fail(stream, strerror(errno));
    return result == 0 ? SLUICE_OK : fail(stream, strerror(result));
}

static sluice_status start_connect(struct stream *stream, const struct sockaddr *to, socklen_t len,
                                   int64_t deadline_ms)
{
    if (task_is_cancelled())
        return fail_wait(stream);
    if (connect(stream->fd, to, len) == 0)
        return SLUICE_OK;
    /* EINTR: goes on in the background, like EINPROGRESS */
    if (errno == EINPROGRESS || errno == EINTR)
        return finish_connect(stream, deadline_ms);
    return fail(stream, strerror(errno));
}

static sluice_status connect_to(const struct sockaddr *to, socklen_t len, int64_t deadline_ms,
                                struct stream **ret_stream, struct error *err)
{
    struct stream *stream;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "%s", strerror(errno));
    if (stream_new(fd, &stream) != SLUICE_OK) {
        (void)close(fd);
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    if (start_connect(stream, to, len, deadline_ms) != SLUICE_OK) {
        (void)error_set(err, SLUICE_TEMP, "%s", stream->why);
        stream_close(stream);
        return SLUICE_TEMP;
    }
    *ret_stream = stream;
    return SLUICE_OK;
}

sluice_status stream_connect(const struct address *to, int64_t deadline_ms,
                             struct stream **ret_stream, struct error *err)
{
    return connect_to(&to->any, to->len, deadline_ms, ret_stream, err);
}

sluice_status stream_connect_local(struct sluice_span path, int64_t deadline_ms,
                                   struct stream **ret_stream, struct error *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (path.len == 0 || path.len >= sizeof(to.sun_path) || span_find(path, '\0') < path.len)
        return error_set(err, SLUICE_TEMP, "this is no name of a socket");
    memcpy(to.sun_path, path.ptr, path.len);
    return connect_to((const struct sockaddr *)&to, sizeof(to), deadline_ms, ret_stream, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool make_room(struct stream *stream)
{
    if (stream->buffer == NULL)
        stream->buffer = take_room();
    if (stream->buffer == NULL)
        return false;
    if (stream->end == STREAM_BUFFER_SIZE) {
        memmove(stream->buffer, stream->buffer + stream->start, stream->end - stream->start);
        stream->end -= stream->start;
        stream->start = 0;
    }
    return true;
}

static void drop_empty_buffer(struct stream *stream)
{
    if (stream->start != stream->end)
        return;
    give_room(stream->buffer);
    stream->buffer = NULL;
    stream->start = stream->end = 0;
}

/* Who has just written waits for an answer that is not there yet: to ask for it at once is a system call
 * for nothing, one of four for each message. */
static sluice_status wait_for_answer(struct stream *stream, int64_t deadline_ms)
{
    if (!stream->has_written)
        return SLUICE_OK;
    stream->has_written = false;
    drop_empty_buffer(stream);
    return wait_for(stream, UV_READABLE, deadline_ms);
}

/* What recv's result below 1 means: OK: try again, after a wait. */
static sluice_status after_receive(struct stream *stream, ssize_t n, int64_t deadline_ms)
{
    if (n == 0)
        return SLUICE_NOT_FOUND;
    if (errno == EINTR)
        return SLUICE_OK;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return fail(stream, strerror(errno));
    drop_empty_buffer(stream);
    return wait_for(stream, UV_READABLE, deadline_ms);
}

sluice_status stream_fill(struct stream *stream, int64_t deadline_ms)
{
    stream->is_expired = false;
    if (task_is_cancelled())
        return fail_wait(stream);
    if (stream->end - stream->start == STREAM_BUFFER_SIZE)
        return fail(stream, "buffer is full");
    share_turns(stream);
    sluice_status status = wait_for_answer(stream, deadline_ms);
    while (status == SLUICE_OK) {
        if (!make_room(stream))
            return fail(stream, "out of memory");
        ssize_t n =
            recv(stream->fd, stream->buffer + stream->end, STREAM_BUFFER_SIZE - stream->end, 0);
        if (n > 0) {
            stream->end += (size_t)n;
            return SLUICE_OK;
        }
        status = after_receive(stream, n, deadline_ms);
    }
    return status;
}

struct sluice_span stream_buffered(const struct stream *stream)
{
    if (stream->start == stream->end)
        return (struct sluice_span){.ptr = NULL, .len = 0};
    return (struct sluice_span){.ptr = stream->buffer + stream->start,
                                .len = stream->end - stream->start};
}

void stream_consume(struct stream *stream, size_t len)
{
    assert(len <= stream->end - stream->start);
    stream->start += len;
    if (stream->start == stream->end)
        stream->start = stream->end = 0;
}

static size_t read_buffered(struct stream *stream, void *out, size_t size)
{
    struct sluice_span buffered = stream_buffered(stream);
    size_t len = buffered.len < size ? buffered.len : size;

    if (len > 0)
        memcpy(out, buffered.ptr, len);
    stream_consume(stream, len);
    return len;
}

sluice_status stream_read(struct stream *stream, void *out, size_t size, int64_t deadline_ms,
                          size_t *ret_len)
{
    stream->is_expired = false;
    if (task_is_cancelled())
        return fail_wait(stream);
    if (stream->start != stream->end) {
        *ret_len = read_buffered(stream, out, size);
        return SLUICE_OK;
    }
    share_turns(stream);
    sluice_status status = wait_for_answer(stream, deadline_ms);
    while (status == SLUICE_OK) {
        ssize_t n = recv(stream->fd, out, size, 0);
        if (n > 0) {
            *ret_len = (size_t)n;
            return SLUICE_OK;
        }
        status = after_receive(stream, n, deadline_ms);
    }
    if (status == SLUICE_NOT_FOUND)
        *ret_len = 0;
    return status == SLUICE_NOT_FOUND ? SLUICE_OK : status;
}

bool stream_is_readable(struct stream *stream)
{
    char byte;

    if (stream->start != stream->end)
        return true;
    ssize_t n = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n != -1 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- writing --------------------------------------------------------------------------------- */

sluice_status stream_write(struct stream *stream, struct sluice_span data, int64_t deadline_ms)
{
    stream->is_expired = false;
    stream->has_written = true;
    while (data.len > 0) {
        share_turns(stream);
        ssize_t n = send(stream->fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (n >= 0) {
            data.ptr += n;
            data.len -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (wait_for(stream, UV_WRITABLE, deadline_ms) != SLUICE_OK)
                return SLUICE_TEMP;
        } else if (errno != EINTR) {
            return fail(stream, strerror(errno));
        }
    }
    return SLUICE_OK;
}

void stream_expire(struct stream *stream)
{
    stream->is_expired = true;
    if (stream->waiter != NULL)
        task_wake(stream->waiter);
}

/* ---- why ------------------------------------------------------------------------------------- */

const char *stream_explain(const struct stream *stream)
{
    return stream->why;
}

bool stream_timed_out(const struct stream *stream)
{
    return stream->timed_out;
}
