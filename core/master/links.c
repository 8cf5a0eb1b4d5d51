/* SPDX-License-Identifier: ISC */
/*
 * links: see links.h.
 */
#include "master/links.h"

#include "base/buffer.h"
#include "base/span.h"
#include "ipc/messages.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

static void send_link(struct child *to, const struct child *peer, int fd)
{
    struct message_link link = {.role = sluice_span_of(peer->role->name),
                                .index = peer->index,
                                .generation = peer->generation->number,
                                .is_isolated = peer->is_isolated,
                                .pid = (int32_t)process_pid(peer->process),
                                .crew = child_crew(peer)};
    struct buffer body = BUFFER_INIT;

    message_link_encode(&link, &body);
    struct sluice_span part = buffer_span(&body);
    if (buffer_failed(&body) ||
        channel_send(to->channel, MESSAGE_LINK, 0, &part, 1, fd) != SLUICE_OK)
        log_error("role %s: no link to %s", to->name, peer->name);
    else
        to->link_count++;
    buffer_done(&body);
}

static void link_pair(struct child *a, struct child *b)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
        log_error("link of %s and %s: %s", a->name, b->name, strerror(errno));
        return;
    }
    send_link(a, b, pair[0]);
    send_link(b, a, pair[1]);
    (void)close(pair[0]); /* the channels have their own */
    (void)close(pair[1]);
}

/* A queue that hands over gets no new links: they are the next one's. */
static bool takes_links(const struct child *child)
{
    return child->is_ready && child->channel != NULL && child->bequest == NULL;
}

/* Receive and deliver have to do with queue, and all three with the tables of their own generation: queue for
 * what operators ask. */
static bool is_served(const struct child *child, const struct child *by)
{
    bool is_worker = child_is(child, "receive") || child_is(child, "deliver");

    if (child_is(by, "lookup"))
        return (is_worker || child_is(child, "queue")) && child->generation == by->generation;
    return is_worker && child_is(by, "queue");
}

void links_make(struct child *child, struct sluice_span role)
{
    struct child *peer;

    LL_FOREACH(child->children->list, peer)
    {
        if (role.len > 0 && !span_equal(role, sluice_span_of(peer->role->name)))
            continue;
        if ((is_served(child, peer) || is_served(peer, child)) && takes_links(peer) && takes_links(child))
            link_pair(child, peer);
    }
}
