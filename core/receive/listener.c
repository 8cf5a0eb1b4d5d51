/* SPDX-License-Identifier: ISC */
/*
 * listener: a task that waits for the socket and then takes several connections at a time.
 */
#include "receive/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "receive/session.h"
#include "receive/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define ACCEPT_BURST 16
#define STARVED_PAUSE_MS 100
#define FULL_PAUSE_MS 1000 /* until others may have become too slow */
#define UID_UNKNOWN ((uid_t)-1)

struct listener {
    struct receiver *receiver;
    const char *address;
    int fd;
    struct complaint complaint;
    struct task *task;
    bool is_over;
    struct task_queue over;
};

static void wait_a_little(struct listener *listener, const char *why)
{
    complain(&listener->complaint, LOG_LEVEL_WARNING, "%s: accept: %s", listener->address, why);
    (void)task_sleep_until(clock_monotonic_ms() + STARVED_PAUSE_MS);
}

/* Takes fd. A local client says who it is by its credentials. */
static sluice_status start_session(struct listener *listener, int fd,
                                   const struct sockaddr_storage *from, socklen_t len)
{
    struct ucred peer = {.uid = UID_UNKNOWN};
    socklen_t peer_len = sizeof(peer);
    struct address client;

    if (from->ss_family == AF_UNIX) {
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len); /* else it is unknown */
        return session_start_local(listener->receiver, fd, peer.uid);
    }
    address_from_sockaddr((const struct sockaddr *)from, len, &client);
    return session_start(listener->receiver, fd, &client);
}

/* False: there is nothing to accept at present. */
static bool accept_one(struct listener *listener)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);

    int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            wait_a_little(listener, strerror(errno));
        return errno != EAGAIN && errno != EWOULDBLOCK; /* else the client gave up already */
    }
    if (start_session(listener, fd, &from, len) != SLUICE_OK)
        wait_a_little(listener, "no memory for a session");
    return true;
}

static void accept_some(struct listener *listener)
{
    bool has_more = true;

    stress_relieve(listener->receiver);
    for (int i = 0; i < ACCEPT_BURST && has_more && !task_is_cancelled(); i++) {
        if (listener->receiver->session_count >= listener->receiver->session_max)
            break;
        has_more = accept_one(listener);
    }
    if (has_more)
        task_yield();
    else
        (void)task_wait_fd(listener->fd, TASK_READABLE, CLOCK_NEVER);
}

/* Places are made for who is there already, and for nobody else. */
static void wait_for_place(struct listener *listener)
{
    struct receiver *receiver = listener->receiver;

    if (task_wait_fd(listener->fd, TASK_READABLE, CLOCK_NEVER) != SLUICE_OK)
        return;
    complain(&listener->complaint, LOG_LEVEL_WARNING,
             "%s: %zu sessions: new ones take the place of idle ones", listener->address,
             receiver->session_count);
    stress_relieve(receiver);
    if (receiver->session_count >= receiver->session_max)
        (void)task_queue_wait(&receiver->session_ended, clock_monotonic_ms() + FULL_PAUSE_MS);
}

static void listener_run(void *arg)
{
    struct listener *listener = arg;
    struct receiver *receiver = listener->receiver;

    (void)task_keep_fd(listener->fd); /* without it each wait is a little dearer */
    while (!task_is_cancelled()) {
        if (receiver->session_count < receiver->session_max)
            accept_some(listener);
        else
            wait_for_place(listener);
    }
    task_forget_fd(listener->fd);
    listener->is_over = true;
    task_queue_wake_all(&listener->over);
}

sluice_status listener_start(struct receiver *receiver, const char *address, int fd,
                             struct listener **ret_listener)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    int flags = fcntl(fd, F_GETFL);

    if (listener == NULL)
        return SLUICE_TEMP;
    if (flags != -1)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* of a socket: does not fail */
    listener->receiver = receiver;
    listener->address = address;
    listener->fd = fd;
    if (task_start("listener", listener_run, listener, &listener->task) != SLUICE_OK) {
        free(listener);
        return SLUICE_TEMP;
    }
    *ret_listener = listener;
    return SLUICE_OK;
}

void listener_stop(struct listener *listener)
{
    if (listener == NULL)
        return;
    if (!listener->is_over)
        task_cancel(listener->task);
    while (!listener->is_over) {
        if (task_queue_wait(&listener->over, CLOCK_NEVER) != SLUICE_OK)
            return; /* we are cancelled ourselves: it still runs, and keeps its memory */
    }
    free(listener);
}
