/* SPDX-License-Identifier: ISC */
/*
 * sink: an SMTP server that takes everything and keeps nothing, as cheaply as one thread can, so that
 * what is measured is the sender.
 *
 *   sink [-d MS] [-m MESSAGES] [-o FILE] ADDRESS:PORT
 *
 * -d MS     the reply to the end of data comes that much later: a slow host
 * -m N      ends when so many messages have come
 * -o FILE   a line for each message, when it was there: seconds (CLOCK_MONOTONIC) and first recipient
 *
 * Until then, SIGTERM or SIGINT; says at last on standard output, as JSON, what came, when (seconds of
 * CLOCK_MONOTONIC) and what it cost.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_SIZE ((size_t)64 * 1024)
#define OUTPUT_SIZE ((size_t)16 * 1024)
#define EVENTS_MAX 256
#define RECIPIENT_SIZE 128
#define LINE_SIZE_MAX 2048

struct connection {
    int fd;
    bool is_in_data;
    bool is_closing;
    size_t len; /* of input that is not looked at yet */
    char *input;
    char recipient[RECIPIENT_SIZE]; /* the transaction's first */
    size_t out_len;
    char out[OUTPUT_SIZE];
    double due; /* when the reply to the end of data may go; 0: nothing is held back */
    struct connection *next_late;
};

static struct {
    int epoll;
    int listener;
    double delay;
    FILE *arrivals;
    uint64_t messages;
    uint64_t wanted; /* messages; 0: no end */
    double first_s;
    double last_s;
    uint64_t connections;
    uint64_t bytes;
    struct connection *late; /* in the order of their times */
    struct connection **late_end;
} sink = {.late_end = &sink.late};

static volatile sig_atomic_t is_over;

static void stop(int signal)
{
    (void)signal;
    is_over = 1;
}

static void connection_free(struct connection *c)
{
    (void)close(c->fd);
    free(c->input);
    free(c);
}

static void say(struct connection *c, const char *reply)
{
    size_t len = strlen(reply);

    if (c->out_len + len <= OUTPUT_SIZE) {
        memcpy(c->out + c->out_len, reply, len);
        c->out_len += len;
    }
}

/* ---- commands -------------------------------------------------------------------------------- */

static void note_recipient(struct connection *c, const char *line, size_t len)
{
    const char *start = memchr(line, '<', len);
    const char *end = start != NULL ? memchr(start, '>', len - (size_t)(start - line)) : NULL;

    if (c->recipient[0] != '\0' || end == NULL)
        return;
    (void)snprintf(c->recipient, sizeof(c->recipient), "%.*s", (int)(end - start - 1), start + 1);
}

static void take_line(struct connection *c, const char *line, size_t len)
{
    if (len >= 4 && strncasecmp(line, "EHLO", 4) == 0) {
        say(c,
            "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN\r\n");
    } else if (len >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        say(c, "354 go\r\n");
        c->is_in_data = true;
    } else if (len >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        say(c, "221 2.0.0 bye\r\n");
        c->is_closing = true;
    } else {
        if (sink.arrivals != NULL && len >= 4 && strncasecmp(line, "RCPT", 4) == 0)
            note_recipient(c, line, len);
        say(c, "250 2.0.0 ok\r\n");
    }
}

static void hold_back(struct connection *c)
{
    c->due = bench_now() + sink.delay;
    c->next_late = NULL;
    *sink.late_end = c;
    sink.late_end = &c->next_late;
}

static void take_message(struct connection *c)
{
    sink.messages++;
    c->is_in_data = false;
    if (sink.messages == 1)
        sink.first_s = bench_now();
    if (sink.messages == sink.wanted) {
        sink.last_s = bench_now();
        is_over = 1;
    }
    if (sink.arrivals != NULL) {
        (void)fprintf(sink.arrivals, "%.6f %s\n", bench_now(), c->recipient);
        c->recipient[0] = '\0';
    }
    say(c, "250 2.0.0 taken\r\n");
    if (sink.delay > 0)
        hold_back(c);
}

/* How much of the input is done with. Content is looked at once: its last four bytes stay, since the
 * end of data may be cut there. */
static size_t take_input(struct connection *c)
{
    size_t used = 0;

    while (used < c->len && !c->is_closing && c->due == 0) {
        char *at = c->input + used;
        size_t len = c->len - used;
        char *end = c->is_in_data ? memmem(at, len, "\r\n.\r\n", 5) : memchr(at, '\n', len);

        if (end == NULL && c->is_in_data)
            return len > 4 ? c->len - 4 : used;
        if (end == NULL)
            return used;
        if (c->is_in_data) {
            used += (size_t)(end - at) + 5;
            take_message(c);
        } else {
            take_line(c, at, (size_t)(end - at));
            /* The line end before content belongs to the end of data, should there be no content. */
            used += (size_t)(end - at) + (c->is_in_data ? 0 : 1);
            if (c->is_in_data)
                used--;
        }
    }
    return used;
}

/* ---- connections ----------------------------------------------------------------------------- */

static bool flush(struct connection *c)
{
    size_t done = 0;

    while (done < c->out_len) {
        ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);

        if (n <= 0)
            return false; /* replies are short: a client that does not read them is broken */
        done += (size_t)n;
    }
    c->out_len = 0;
    return true;
}

static bool work(struct connection *c)
{
    size_t used = take_input(c);

    memmove(c->input, c->input + used, c->len - used);
    c->len -= used;
    if (c->due != 0)
        return true; /* the reply goes later */
    return flush(c) && !c->is_closing;
}

static bool is_readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->input + c->len, INPUT_SIZE - c->len, MSG_DONTWAIT);

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    sink.bytes += (uint64_t)n;
    c->len += (size_t)n;
    return work(c);
}

static void take_connections(void)
{
    int fd;
    int one = 1;

    while ((fd = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
        struct connection *c = calloc(1, sizeof(*c));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        if (c == NULL || (c->input = malloc(INPUT_SIZE)) == NULL)
            bench_fail("out of memory");
        c->fd = fd;
        sink.connections++;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        say(c, "220 sink\r\n");
        if (!flush(c) || epoll_ctl(sink.epoll, EPOLL_CTL_ADD, fd, &event) == -1)
            connection_free(c);
    }
}

/* Replies that were held back long enough; returns the milliseconds until the next, or -1. */
static int release_late(void)
{
    struct connection *c;

    while ((c = sink.late) != NULL) {
        double left = c->due - bench_now();

        if (left > 0)
            return (int)(left * 1000) + 1;
        sink.late = c->next_late;
        if (sink.late == NULL)
            sink.late_end = &sink.late;
        c->due = 0;
        if (!flush(c) || !work(c))
            connection_free(c);
    }
    return -1;
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];

    while (!is_over) {
        int timeout_ms = release_late();
        int count = epoll_wait(sink.epoll, events, EVENTS_MAX, timeout_ms);

        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == NULL)
                take_connections();
            else if (c->due == 0 && !is_readable(c))
                connection_free(c);
            else if (c->due != 0)
                (void)usleep(100); /* it talks although its reply is held back */
        }
    }
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct sigaction action = {.sa_handler = stop};
    int option;

    while ((option = getopt(argc, argv, "d:m:o:")) != -1) {
        if (option == 'd')
            sink.delay = strtod(optarg, NULL) / 1000;
        else if (option == 'm')
            sink.wanted = strtoull(optarg, NULL, 10);
        else if (option == 'o')
            sink.arrivals = fopen(optarg, "w");
        else
            bench_fail("usage: sink [-d MS] [-m MESSAGES] [-o FILE] ADDRESS:PORT");
    }
    if (optind + 1 != argc)
        bench_fail("usage: sink [-d MS] [-m MESSAGES] [-o FILE] ADDRESS:PORT");
    if (sink.arrivals != NULL)
        (void)setvbuf(sink.arrivals, NULL, _IOLBF, 0); /* somebody may read along */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    sink.listener = bench_listen(argv[optind]);
    sink.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sink.arrivals != NULL)
        (void)setvbuf(sink.arrivals, NULL, _IOLBF, BUFSIZ); /* somebody reads along */
    if (sink.epoll == -1 || epoll_ctl(sink.epoll, EPOLL_CTL_ADD, sink.listener, &event) == -1)
        bench_fail("epoll");
    run();
    if (sink.arrivals != NULL)
        (void)fclose(sink.arrivals);
    printf("{\"messages\": %llu, \"connections\": %llu, \"bytes\": %llu, \"first_s\": %.6f, "
           "\"last_s\": %.6f, \"cpu_s\": %.4f}\n",
           (unsigned long long)sink.messages, (unsigned long long)sink.connections,
           (unsigned long long)sink.bytes, sink.first_s, sink.last_s, bench_cpu());
    return 0;
}
