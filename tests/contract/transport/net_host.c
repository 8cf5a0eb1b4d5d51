/* SPDX-License-Identifier: ISC */
/*
 * net_host: see net_host.h.
 */
#include "net_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- clock ----------------------------------------------------------------------------------- */

int64_t net_now_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000) * NET_HOST_SPEED;
}

static int64_t clock_monotonic_ms(const struct sluice_host *host)
{
    (void)host;
    return net_now_ms();
}

static int64_t clock_wall_ms(const struct sluice_host *host)
{
    (void)host;
    return net_now_ms();
}

/* Real milliseconds to a deadline, rounded up; not over what poll() takes. */
static int real_ms(int64_t deadline_ms)
{
    int64_t left_ms = (deadline_ms - net_now_ms() + NET_HOST_SPEED - 1) / NET_HOST_SPEED;

    return left_ms < 0 ? 0 : left_ms > 1000 ? 1000 : (int)left_ms;
}

/* ---- io ------------------------------------------------------------------------------------- */

struct sluice_stream {
    int fd;
    const char *why;
};

/* SLUICE_TEMP when the deadline comes first. */
static sluice_status wait_for(struct sluice_stream *stream, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd pollfd = {.fd = stream->fd, .events = events};
        int n;

        if (net_now_ms() >= deadline_ms) {
            stream->why = "timed out";
            return SLUICE_TEMP;
        }
        n = poll(&pollfd, 1, real_ms(deadline_ms));
        assert_true(n >= 0 || errno == EINTR);
        if (n > 0)
            return SLUICE_OK;
    }
}

static void io_close(struct sluice_stream *stream)
{
    if (stream == NULL)
        return;
    assert_int_equal(close(stream->fd), 0);
    free(stream);
}

static sluice_status finish_connect(struct sluice_stream *stream, int64_t deadline_ms)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (wait_for(stream, POLLOUT, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    assert_int_equal(getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    stream->why = strerror(error);
    return error == 0 ? SLUICE_OK : SLUICE_TEMP;
}

static sluice_status io_connect(const struct sluice_host *host, const struct sluice_endpoint *to,
                                int64_t deadline_ms, const struct sluice_errors *errors,
                                struct sluice_stream **ret_stream)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
    struct sluice_stream *stream = calloc(1, sizeof(*stream));
    char text[INET_ADDRSTRLEN];

    (void)host;
    assert_non_null(stream);
    assert_in_range(to->port, 1, 65535);
    (void)snprintf(text, sizeof(text), "%.*s", (int)to->address.len, to->address.ptr);
    assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(stream->fd >= 0);
    if ((connect(stream->fd, (struct sockaddr *)&address, sizeof(address)) == -1 &&
         errno != EINPROGRESS) ||
        finish_connect(stream, deadline_ms) != SLUICE_OK) {
        errors->explain(errors, NULL, stream->why != NULL ? stream->why : strerror(errno));
        io_close(stream);
        return SLUICE_TEMP;
    }
    *ret_stream = stream;
    return SLUICE_OK;
}

static sluice_status io_read(struct sluice_stream *stream, void *buffer, size_t size,
                             int64_t deadline_ms, size_t *ret_len)
{
    ssize_t n;

    assert_true(size > 0);
    if (wait_for(stream, POLLIN, deadline_ms) != SLUICE_OK)
        return SLUICE_TEMP;
    n = recv(stream->fd, buffer, size, 0);
    if (n == -1) {
        stream->why = strerror(errno);
        return SLUICE_TEMP;
    }
    *ret_len = (size_t)n;
    return SLUICE_OK;
}

static sluice_status io_write(struct sluice_stream *stream, struct sluice_span data,
                              int64_t deadline_ms)
{
    while (data.len > 0) {
        ssize_t n;

        if (wait_for(stream, POLLOUT, deadline_ms) != SLUICE_OK)
            return SLUICE_TEMP;
        n = send(stream->fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (n == -1 && errno != EAGAIN) {
            stream->why = strerror(errno);
            return SLUICE_TEMP;
        }
        data.ptr += n > 0 ? n : 0;
        data.len -= n > 0 ? (size_t)n : 0;
    }
    return SLUICE_OK;
}

static int32_t io_is_readable(struct sluice_stream *stream)
{
    struct pollfd pollfd = {.fd = stream->fd, .events = POLLIN};

    return poll(&pollfd, 1, 0) > 0;
}

static const char *io_explain(struct sluice_stream *stream)
{
    return stream->why;
}

static sluice_status io_sleep(const struct sluice_host *host, int64_t deadline_ms)
{
    (void)host;
    while (net_now_ms() < deadline_ms)
        (void)poll(NULL, 0, real_ms(deadline_ms));
    return SLUICE_OK;
}

static sluice_status io_wait_fd(const struct sluice_host *host, int32_t fd, uint32_t events,
                                int64_t deadline_ms)
{
    struct pollfd waiting = {.fd = fd};

    (void)host;
    if ((events & SLUICE_IO_READABLE) != 0)
        waiting.events |= POLLIN;
    if ((events & SLUICE_IO_WRITABLE) != 0)
        waiting.events |= POLLOUT;
    return poll(&waiting, 1, real_ms(deadline_ms)) == 1 ? SLUICE_OK : SLUICE_TEMP;
}

/* ---- dns ------------------------------------------------------------------------------------- */

static struct net_host *net_host_of(const struct sluice_host *host)
{
    return (struct net_host *)(uintptr_t)host; /* test.sdk is its first member */
}

static const char *type_name(uint32_t type)
{
    return type == SLUICE_DNS_A ? "A" : type == SLUICE_DNS_AAAA ? "AAAA" : "MX";
}

static void give_records(const char *answer, uint32_t type, const struct sluice_dns_sink *sink)
{
    while (*(answer += strspn(answer, " ")) != '\0') {
        struct sluice_dns_record record = {
            .struct_size = sizeof(record),
            .type = type,
            .target = {answer, strcspn(answer, " ")},
        };
        char *colon;

        answer += record.target.len;
        if (type == SLUICE_DNS_MX) {
            record.preference = (uint32_t)strtoul(record.target.ptr, &colon, 10);
            record.target.len -= (size_t)(colon + 1 - record.target.ptr);
            record.target.ptr = colon + 1;
        }
        sink->record(sink, &record);
    }
}

static sluice_status dns_query(const struct sluice_host *host, struct sluice_span name,
                               uint32_t type, int64_t deadline_ms,
                               const struct sluice_dns_sink *sink,
                               const struct sluice_errors *errors)
{
    struct net_host *net = net_host_of(host);
    size_t len = strlen(net->queries);

    (void)deadline_ms;
    int exists = 0;

    (void)snprintf(net->queries + len, sizeof(net->queries) - len, "%s %.*s\n", type_name(type),
                   (int)name.len, name.ptr);
    for (const struct net_zone *z = net->zone; z != NULL && z->name != NULL; z++) {
        if (strlen(z->name) != name.len || memcmp(z->name, name.ptr, name.len) != 0)
            continue;
        exists = 1;
        if (strcmp(z->type, type_name(type)) != 0)
            continue;
        if (strcmp(z->answer, "SERVFAIL") == 0) {
            errors->explain(errors, "4.4.3", "SERVFAIL");
            return SLUICE_TEMP;
        }
        give_records(z->answer, type, sink);
        return SLUICE_OK;
    }
    errors->explain(errors, NULL, exists ? "Host found but no data record of requested type"
                                         : "Host not found");
    return SLUICE_NOT_FOUND;
}

/* ---- the host -------------------------------------------------------------------------------- */

/* No thread: who waits anyway does not mind. */
static sluice_status offload_run(const struct sluice_host *host,
                                 sluice_status (*work)(void *argument),
                                 void (*release)(void *argument), void *argument,
                                 int64_t deadline_ms, sluice_status *ret_status)
{
    (void)host;
    (void)release;
    (void)deadline_ms;
    *ret_status = work(argument);
    return SLUICE_OK;
}

static const void *get_service(const struct sluice_host *host, const char *id)
{
    static const struct sluice_io io = {
        .struct_size = sizeof(io),
        .connect = io_connect,
        .read = io_read,
        .write = io_write,
        .is_readable = io_is_readable,
        .explain = io_explain,
        .close = io_close,
        .sleep = io_sleep,
        .wait_fd = io_wait_fd,
    };
    static const struct sluice_clock clock = {
        .struct_size = sizeof(clock),
        .wall_ms = clock_wall_ms,
        .monotonic_ms = clock_monotonic_ms,
    };
    static const struct sluice_dns dns = {.struct_size = sizeof(dns), .query = dns_query};
    static const struct sluice_offload offload = {
        .struct_size = sizeof(offload), .run = offload_run};

    if (strcmp(id, SLUICE_IO_ID) == 0)
        return &io;
    if (strcmp(id, SLUICE_CLOCK_ID) == 0)
        return &clock;
    if (strcmp(id, SLUICE_DNS_ID) == 0)
        return &dns;
    if (strcmp(id, SLUICE_OFFLOAD_ID) == 0)
        return &offload;
    return net_host_of(host)->get_other_service(host, id);
}

void net_host_init(struct net_host *net, const char *instance, const struct net_zone *zone)
{
    test_host_init(&net->test, instance);
    net->get_other_service = net->test.sdk.get_service;
    net->test.sdk.get_service = get_service;
    net->zone = zone;
    net->queries[0] = '\0';
}
