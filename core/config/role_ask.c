/* SPDX-License-Identifier: ISC */
/*
 * role_ask: what a role asks the master for: see role.h and role_private.h.
 */
#include "config/role_private.h"

#include "base/log.h"
#include "base/span.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#define RELINK_MS 1000 /* a peer that has died is back by then, and its link there */

static const char *const peers[ROLE_PEERS] = {"queue", "lookup"};

/* False: there is no master any more, or no memory. */
static bool ask(uint16_t type, struct buffer *body)
{
    bool is_sent = role_runtime.master != NULL && !buffer_failed(body) &&
                   channel_send_body(role_runtime.master, type, 0, buffer_span(body)) == SLUICE_OK;

    buffer_done(body);
    return is_sent;
}

/*
 * All threads of a plugin hang: it will not answer any more, but a new process will. The queue's store
 * is never given up on: what it has begun may still become durable.
 */
void role_ask_for_another(const char *name)
{
    struct sluice_span text = sluice_span_of(name);
    struct message_replace replace = {.text = text};
    struct buffer body = BUFFER_INIT;

    if (strcmp(role_runtime.ops->name, "queue") == 0) {
        log_error("all threads of %s hang", name);
        return;
    }
    if (role_runtime.is_replaced || role_runtime.ending != ENDING_NONE ||
        role_runtime.master == NULL)
        return;
    log_error("all threads of %s hang: another process takes over", name);
    message_replace_encode(&replace, &body);
    role_runtime.is_replaced = ask(MESSAGE_REPLACE, &body);
}

bool role_isolate(const struct role *role, const char *crew)
{
    struct message_isolate isolate = {.is_wanted = crew != NULL,
                                      .crew = sluice_span_of(crew != NULL ? crew : "")};
    struct buffer body = BUFFER_INIT;

    assert(role == &role_runtime.role);
    message_isolate_encode(&isolate, &body);
    return ask(MESSAGE_ISOLATE, &body);
}

void role_accuse(const struct role *role, const char *peer, unsigned peer_index, int32_t peer_pid)
{
    struct message_link link = {.role = sluice_span_of(peer), .index = peer_index, .pid = peer_pid};
    struct buffer body = BUFFER_INIT;

    (void)role;
    message_link_encode(&link, &body);
    (void)ask(MESSAGE_ACCUSE, &body); /* or it is gone */
}

void role_link_found(struct sluice_span peer)
{
    bool is_any_lost = false;

    for (size_t i = 0; i < ROLE_PEERS; i++) {
        if (span_equal(peer, sluice_span_of(peers[i])))
            role_runtime.has_lost[i] = false;
        is_any_lost = is_any_lost || role_runtime.has_lost[i];
    }
    if (!is_any_lost)
        (void)uv_timer_stop(&role_runtime.relink); /* cannot fail */
}

/* The peer may have died: then it is the master who knows first. Else it is asked until a link comes. */
static void on_relink(uv_timer_t *timer)
{
    (void)timer;
    for (size_t i = 0; i < ROLE_PEERS && role_runtime.master != NULL; i++) {
        if (role_runtime.has_lost[i])
            (void)channel_send_body(role_runtime.master, MESSAGE_RELINK, role_runtime.link_count,
                                    sluice_span_of(peers[i])); /* or next time */
    }
}

void role_link_lost(const char *peer)
{
    for (size_t i = 0; i < ROLE_PEERS; i++)
        role_runtime.has_lost[i] = role_runtime.has_lost[i] || strcmp(peer, peers[i]) == 0;
    if (role_runtime.master != NULL)
        (void)uv_timer_start(&role_runtime.relink, on_relink, RELINK_MS,
                             RELINK_MS); /* has a callback */
}

sluice_status role_ask_for_reload(const struct role *role, int asker_fd)
{
    sluice_status status = SLUICE_TEMP;

    assert(role == &role_runtime.role);
    if (role_runtime.master != NULL)
        status = channel_send(role_runtime.master, MESSAGE_RELOAD, 0, NULL, 0, asker_fd);
    (void)close(asker_fd); /* the channel has its own */
    return status;
}
