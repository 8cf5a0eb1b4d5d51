/* SPDX-License-Identifier: ISC */
/*
 * peer: see peer.h.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BUFFER_MAX ((size_t)64 * 1024)
#define PATIENCE_MS 20000 /* a client that hangs ends the test, not the machine */

struct connection {
    struct peer *peer;
    int fd;
    int is_open;
    int may_pipeline;
    size_t start, end;
    char buffer[BUFFER_MAX];
};

static void say(struct connection *c, const char *reply)
{
    size_t len = strlen(reply);

    if (strcmp(reply, PEER_SILENT) == 0) {
        struct pollfd pollfd = {.fd = c->fd, .events = POLLRDHUP};

        (void)poll(&pollfd, 1, PATIENCE_MS);
        c->is_open = 0;
        return;
    }
    if (strcmp(reply, PEER_CLOSE) == 0 || send(c->fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len ||
        strncmp(reply, "421", 3) == 0)
        c->is_open = 0;
}

static int fill(struct connection *c)
{
    struct pollfd pollfd = {.fd = c->fd, .events = POLLIN};
    ssize_t n;

    memmove(c->buffer, c->buffer + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
    if (c->end == BUFFER_MAX || poll(&pollfd, 1, PATIENCE_MS) <= 0)
        return 0;
    n = recv(c->fd, c->buffer + c->end, BUFFER_MAX - c->end, 0);
    c->end += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* The next line with its CRLF; NULL when the client has gone. */
static char *next_line(struct connection *c, size_t *ret_len)
{
    char *end;

    while ((end = memmem(c->buffer + c->start, c->end - c->start, "\r\n", 2)) == NULL) {
        if (!fill(c)) {
            c->is_open = 0;
            return NULL;
        }
    }
    *ret_len = (size_t)(end + 2 - (c->buffer + c->start));
    c->start += *ret_len;
    return end + 2 - *ret_len;
}

static void answer_rcpt(struct connection *c, const char *command)
{
    const char *local = strchr(command, '<') != NULL ? strchr(command, '<') + 1 : "";
    char reply[64];

    if (*local == 'r' && local[1] >= '0' && local[1] <= '9')
        (void)snprintf(reply, sizeof(reply), "%.3s %c.2.1 told so\r\n", local + 1, local[1]);
    else if (*local == 'p')
        (void)snprintf(reply, sizeof(reply), "%.3s told so\r\n", local + 1);
    else if (*local == 'q')
        (void)snprintf(reply, sizeof(reply), "%.3s 5.5.3 too many\r\n", local + 1);
    else if (strncmp(local, "junk", 4) == 0)
        (void)snprintf(reply, sizeof(reply), "what?\x01\r\n");
    else if (strncmp(local, PEER_CLOSE, 5) == 0 || strncmp(local, PEER_SILENT, 6) == 0)
        (void)snprintf(reply, sizeof(reply), "%s", *local == 'c' ? PEER_CLOSE : PEER_SILENT);
    else
        (void)snprintf(reply, sizeof(reply), "250 2.1.5 Ok\r\n");
    say(c, reply);
}

static const char *or_default(const char *reply, const char *friendly)
{
    return reply != NULL ? reply : friendly;
}

/* Everything to the lone dot. */
static void take_content(struct connection *c)
{
    const struct peer_script *script = &c->peer->script;
    struct peer_message *message = &c->peer->messages[c->peer->message_count];
    size_t len = 0, size = 0, room = BUFFER_MAX;
    char *line, *raw = malloc(room);

    while ((line = next_line(c, &len)) != NULL && !(len == 3 && memcmp(line, ".\r\n", 3) == 0)) {
        while (size + len > room)
            raw = realloc(raw, room *= 2);
        memcpy(raw + size, line, len);
        size += len;
        if (script->content_max != 0 && size > script->content_max) {
            say(c, script->content_reply);
            c->is_open = 0;
            break;
        }
    }
    if (!c->is_open) {
        free(raw);
        return;
    }
    message->raw = raw;
    message->len = size;
    c->peer->message_count++;
    say(c, or_default(script->dot, "250 2.0.0 Ok: queued as 1234\r\n"));
    if (script->after_message != NULL) {
        say(c, script->after_message);
        c->is_open = 0;
    }
}

static void answer_data(struct connection *c)
{
    const char *reply = or_default(c->peer->script.data, "354 go ahead\r\n");

    say(c, reply);
    if (c->is_open && reply[0] == '3' && c->peer->message_count < PEER_MESSAGES_MAX)
        take_content(c);
}

static void answer(struct connection *c, const char *line)
{
    const struct peer_script *script = &c->peer->script;

    if (strncmp(line, "EHLO", 4) == 0 || strncmp(line, "LHLO", 4) == 0)
        say(c, or_default(script->ehlo, PEER_EHLO));
    else if (strncmp(line, "HELO", 4) == 0)
        say(c, or_default(script->helo, "250 peer.test\r\n"));
    else if (strncmp(line, "MAIL", 4) == 0)
        say(c, or_default(script->mail, "250 2.1.0 Ok\r\n"));
    else if (strncmp(line, "RCPT", 4) == 0)
        answer_rcpt(c, line);
    else if (strncmp(line, "DATA", 4) == 0)
        answer_data(c);
    else if (strncmp(line, "RSET", 4) == 0)
        say(c, or_default(script->rset, "250 2.0.0 Ok\r\n"));
    else
        c->is_open = 0; /* QUIT */
}

/* Notes a command, and what came with it. */
static void note(struct connection *c, const char *line, size_t len)
{
    struct peer *peer = c->peer;
    size_t used = strlen(peer->transcript);
    int is_envelope = memcmp(line, "MAIL", 4) == 0 || memcmp(line, "RCPT", 4) == 0;

    if (used + len < PEER_TRANSCRIPT_MAX)
        (void)snprintf(peer->transcript + used, PEER_TRANSCRIPT_MAX - used, "%.*s\n",
                       (int)(len - 2), line);
    if (c->start < c->end && !(c->may_pipeline && is_envelope))
        peer->early_count++;
    if (memcmp(line, "MAIL", 4) == 0 &&
        memmem(c->buffer + c->start, c->end - c->start, "\r\nDATA\r\n", 8) != NULL)
        peer->pipelined_count++;
}

static void serve(struct peer *peer, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));
    const char *ehlo = or_default(peer->script.ehlo, PEER_EHLO);
    size_t len;
    char *line;

    c->peer = peer;
    c->fd = fd;
    c->is_open = 1;
    c->may_pipeline = strstr(ehlo, "PIPELINING") != NULL;
    say(c, or_default(peer->script.greeting, "220 peer.test ESMTP\r\n"));
    while (c->is_open && (line = next_line(c, &len)) != NULL) {
        note(c, line, len);
        answer(c, line);
    }
    free(c);
}

static void *run(void *argument)
{
    struct peer *peer = argument;
    int fd;

    while ((fd = accept(peer->listener, NULL, NULL)) != -1) {
        peer->connection_count++;
        serve(peer, fd);
        (void)close(fd);
    }
    return NULL;
}

void peer_start(struct peer *peer, const struct peer_script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);

    memset(peer, 0, sizeof(*peer));
    peer->script = *script;
    peer->transcript = calloc(1, PEER_TRANSCRIPT_MAX);
    assert_non_null(peer->transcript);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(peer->listener, 16), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
    peer->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void peer_stop(struct peer *peer)
{
    assert_int_equal(shutdown(peer->listener, SHUT_RDWR), 0); /* ends accept() */
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    assert_int_equal(close(peer->listener), 0);
}

void peer_done(struct peer *peer)
{
    for (size_t i = 0; i < peer->message_count; i++)
        free(peer->messages[i].raw);
    free(peer->transcript);
}
