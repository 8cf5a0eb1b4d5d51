/* SPDX-License-Identifier: ISC */
/*
 * child: see child.h. A life of a process: execute it, hand down what its role needs, wait for READY,
 * link, wait for its end.
 */
#include "master/child.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/span.h"
#include "ipc/messages.h"
#include "master/links.h"
#include "master/output.h"
#include "master/relief.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <utlist.h>

#define CHANNEL_NAME_SIZE (CHILD_NAME_SIZE + 16)
#define EARLY_DEATHS_MAX 3

bool child_is(const struct child *child, const char *role)
{
    return strcmp(child->role->name, role) == 0;
}

struct sluice_span child_crew(const struct child *child)
{
    return sluice_span_of(child->crew != NULL ? child->crew->name : "");
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void drop_inheritance(struct child *child)
{
    if (child->inherited_fd != -1)
        (void)close(child->inherited_fd); /* in memory */
    child->inherited_fd = -1;
}

static sluice_status take_ready(struct child *child)
{
    if (child->is_ready)
        return SLUICE_PERM;
    child->is_ready = true;
    child->was_ready = true;
    drop_inheritance(child);
    links_make(child, SPAN_EMPTY);
    task_queue_wake_all(&child->children->changed);
    return SLUICE_OK;
}

/* Its links are closed already; with its next life it gets new ones. */
static sluice_status take_accusation(const struct child *accuser, struct sluice_span body)
{
    struct message_link link;
    const struct child *child;

    if (!child_is(accuser, "queue") || message_link_decode(body, &link) != SLUICE_OK)
        return SLUICE_PERM;
    LL_FOREACH(accuser->children->list, child)
    {
        if (child == accuser || child->process == NULL ||
            process_pid(child->process) != link.pid ||
            !span_equal(link.role, sluice_span_of(child->role->name)))
            continue;
        log_error("role %s: killed, because queue could make no sense of it", child->name);
        process_kill(child->process, SIGKILL);
    }
    return SLUICE_OK;
}

static void settle(struct child *child, int fd)
{
    if (child->bequest == NULL)
        return;
    *child->bequest = (struct bequest){.is_settled = true, .fd = fd};
    child->bequest = NULL;
    task_queue_wake_all(&child->children->changed);
}

/* Its last frame; it leaves when it sees the end of the channel. */
static sluice_status take_handed_over(struct child *child, struct channel_frame *frame)
{
    if (child->bequest == NULL)
        return SLUICE_PERM;
    settle(child, frame->fd);
    frame->fd = -1;
    child->is_ready = false;
    channel_free(child->channel);
    child->channel = NULL;
    return SLUICE_OK;
}

/* Somebody who may asks for a reload; the answer goes to that connection. */
static sluice_status take_reload(const struct child *child, struct channel_frame *frame)
{
    const struct children_setup *setup = child->children->setup;

    if (!child_is(child, "queue") || frame->fd == -1)
        return SLUICE_PERM;
    setup->reload(setup->user, frame->fd);
    frame->fd = -1;
    return SLUICE_OK;
}

/* Its link was closed, and perhaps not because queue has died: then its next life would bring one. */
static sluice_status take_link_wish(struct child *child, const struct channel_frame *frame)
{
    if (!child_is(child, "receive") && !child_is(child, "deliver"))
        return SLUICE_PERM;
    if (frame->ref == child->link_count) /* else one is on its way */
        links_make(child, frame->body);
    return SLUICE_OK;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct child *child = user;
    sluice_status status = SLUICE_PERM;

    (void)channel;
    if (frame->type == MESSAGE_READY)
        status = take_ready(child);
    else if (frame->type == MESSAGE_ACCUSE)
        status = take_accusation(child, frame->body);
    else if (frame->type == MESSAGE_HANDED_OVER)
        status = take_handed_over(child, frame);
    else if (frame->type == MESSAGE_RELINK)
        status = take_link_wish(child, frame);
    else if (frame->type == MESSAGE_RELOAD)
        status = take_reload(child, frame);
    else if (frame->type == MESSAGE_ISOLATE)
        status = relief_isolate(child, frame->body);
    else if (frame->type == MESSAGE_REPLACE)
        status = relief_replace(child, frame->body);
    else if (frame->type == MESSAGE_PONG)
        status = vitals_take(child, frame->ref);
    if (status == SLUICE_OK)
        return;
    log_error("role %s: killed, its frame %u makes no sense", child->name, frame->type);
    process_kill(child->process, SIGKILL);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    struct child *child = user;

    (void)reason; /* the role sees the end too, and leaves; how its process ends says more */
    channel_free(channel);
    child->channel = NULL;
}

/* ---- what it is told ------------------------------------------------------------------------- */

static bool send_file(struct child *child, uint16_t type, const char *text, int fd)
{
    struct sluice_span body = sluice_span_of(text);

    return channel_send(child->channel, type, 0, &body, 1, fd) == SLUICE_OK;
}

static bool send_setup(struct child *child)
{
    struct message_setup message = {.generation = child->generation->number,
                                    .index = child->index,
                                    .log_target = (uint32_t)child->children->setup->log_target,
                                    .crew = child_crew(child)};
    struct buffer body = BUFFER_INIT;

    message_setup_encode(&message, &body);
    struct sluice_span part = buffer_span(&body);
    bool is_sent = !buffer_failed(&body) && channel_send(child->channel, MESSAGE_SETUP, 0, &part, 1,
                                                         child->role->snapshot_fd) == SLUICE_OK;
    buffer_done(&body);
    return is_sent;
}

static bool send_listeners(struct child *child)
{
    const struct listeners *listeners = &child->generation->listeners;
    bool is_sent = true;

    if (child_is(child, "queue"))
        return send_file(child, MESSAGE_LISTENER, "control", child->children->setup->control_fd);
    for (size_t i = 0; i < listeners->count && is_sent; i++) {
        const struct role_listener *listener = &listeners->list[i];
        const char *role = listener_is_metrics(listener->address) ? "metrics" : "receive";

        if (child_is(child, role))
            is_sent = send_file(child, MESSAGE_LISTENER, listener->address, listener->fd);
    }
    return is_sent;
}

static bool send_shared(struct child *child)
{
    const struct shared *shared = child->children->setup->shared;
    bool is_sent = true;

    for (size_t i = 0; i < shared->count && is_sent; i++) {
        const struct shared_memory *memory = &shared->list[i];

        if (shared_is_for(memory, child->role->name))
            is_sent = send_file(child, MESSAGE_SHARED, memory->name, memory->fd);
    }
    return is_sent;
}

static bool send_start(struct child *child)
{
    bool is_sent = child->inherited_fd == -1 ||
                   send_file(child, MESSAGE_INHERIT, "", child->inherited_fd);

    return is_sent && channel_send_body(child->channel, MESSAGE_START, 0, SPAN_EMPTY) == SLUICE_OK;
}

static bool send_log_file(struct child *child)
{
    int log_fd = child->children->setup->log_fd;

    return log_fd == -1 || send_file(child, MESSAGE_LOG_FILE, "", log_fd);
}

static bool hand_down(struct child *child)
{
    bool is_sent = send_log_file(child) && send_setup(child);

    for (size_t i = 0; i < child->role->plugin_count && is_sent; i++)
        is_sent = send_file(child, MESSAGE_PLUGIN, child->role->plugins[i].name,
                            child->role->plugins[i].fd);
    is_sent = is_sent && send_listeners(child) && send_shared(child);
    return is_sent && (child->is_held || send_start(child));
}

/* ---- a life ---------------------------------------------------------------------------------- */

static const struct privileges *privileges_of(const struct child *child)
{
    const struct children_setup *setup = child->children->setup;

    if (child_is(child, "queue"))
        return &setup->queue_owner;
    return child->crew != NULL ? &child->crew->privileges : &setup->network_owner;
}

static sluice_status execute(struct child *child, int channel_fd, struct error *err)
{
    const struct children_setup *setup = child->children->setup;
    struct process_spec spec = {
        .arguments = {"--role", child->role->name},
        .channel_fd = channel_fd,
        .lock_fd = setup->lock_fd,
        .words_fd = child->obituary.write_fd,
        .output_fd = -1,
        .privileges = privileges_of(child),
        .ruleset = child_is(child, "queue") ? -1 : child->generation->ruleset,
        .limits = child->limits.table != NULL ? &child->limits : NULL,
    };
    sluice_status status = SLUICE_OK;

    if (setup->is_output_logged)
        status = output_open(child->name, &spec.output_fd, err);
    if (status == SLUICE_OK)
        status = process_start(&spec, &child->process, err);
    if (spec.output_fd != -1)
        (void)close(spec.output_fd); /* the process has its own */
    return status;
}

/* A process that has been handed all that it needs. */
static sluice_status begin_life(struct child *child, struct error *err)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    char name[CHANNEL_NAME_SIZE];
    int pair[2];

    if (obituary_open(&child->obituary, err) != SLUICE_OK)
        return SLUICE_TEMP;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return error_set(err, SLUICE_TEMP, "socketpair: %s", strerror(errno));
    (void)snprintf(name, sizeof(name), "master to %s", child->name);
    sluice_status status = channel_new(pair[0], name, &handlers, child, &child->channel);
    if (status != SLUICE_OK) {
        (void)close(pair[0]); /* nothing was sent */
        status = error_set(err, SLUICE_TEMP, "out of memory");
    } else if (!hand_down(child)) {
        status = error_set(err, SLUICE_TEMP, "out of memory or descriptors");
    } else {
        status = execute(child, pair[1], err);
    }
    (void)close(pair[1]); /* the process has its own */
    obituary_started(&child->obituary);
    return status;
}

static void end_life(struct child *child)
{
    channel_free(child->channel);
    child->channel = NULL;
    process_free(child->process);
    child->process = NULL;
    obituary_done(&child->obituary);
    child->is_ready = false;
    child->link_count = 0;
    child->vitals = (struct vitals){0};
    settle(child, -1);
}

/* TEMP: cancelled. */
static sluice_status wait_for_death(struct child *child, int *ret_wait_status)
{
    bool is_watched = vitals_count(child);

    while (process_wait(child->process,
                        is_watched ? clock_monotonic_ms() + VITALS_LOOK_MS : CLOCK_NEVER,
                        ret_wait_status) != SLUICE_OK) {
        if (task_is_cancelled())
            return SLUICE_TEMP;
        vitals_look(child);
    }
    return SLUICE_OK;
}

/* Until the process has ended; OK: with exit status 0, TEMP and CONFIG with a text: how else. */
static sluice_status live(struct child *child, struct error *err)
{
    char text[OBITUARY_SENTENCE_SIZE];
    int wait_status = 0;
    sluice_status status = begin_life(child, err);

    if (status != SLUICE_OK)
        return status;
    if (wait_for_death(child, &wait_status) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "cancelled");
    child->was_killed = WIFSIGNALED(wait_status);
    obituary_read(&child->obituary, wait_status);
    if (child_is(child, "deliver"))
        relief_tell_queue(child, !child->is_dismissed && (wait_status != 0 || !child->is_leaving));
    bool is_config = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EX_CONFIG;
    (void)error_set(err, is_config ? SLUICE_CONFIG : SLUICE_TEMP, "role %s (pid %ld%s%s) died: %s",
                    child->name, (long)process_pid(child->process),
                    child->limits.table != NULL ? ", " : "",
                    child->limits.table != NULL ? child->limits.table : "",
                    obituary_sentence(&child->obituary, text));
    return wait_status == 0 ? SLUICE_OK : err->status;
}

/* ---- all lives ------------------------------------------------------------------------------- */

/* How long to wait for the next life, said in the log. */
static int64_t mourn(struct child *child, int64_t started_ms, const struct error *err)
{
    bool has_backoff = (child_is(child, "deliver") && !child->is_isolated) ||
                       child_is(child, "metrics") || child_is(child, "lookup");
    int64_t delay_ms =
        restart_delay(&child->restart, has_backoff, started_ms, clock_monotonic_ms());

    metric_add(metric_get(METRIC_PROCESS_RESTARTS, child->role->name, NULL, NULL), 1);
    if (delay_ms == 0)
        log_error("%s; restarting", err->text);
    else
        log_error("%s; restarting in %lld s", err->text, (long long)(delay_ms / 1000));
    return delay_ms;
}

/* It says itself that it cannot start, or crashes whenever it does: trying for ever helps nobody. A
 * signal may also have come from outside. */
static bool is_hopeless(struct child *child)
{
    if (child->was_ready)
        return false;
    child->early_deaths++;
    return !child->was_killed || child->early_deaths >= EARLY_DEATHS_MAX;
}

/* False: there will be no next life. */
static bool may_go_on(struct child *child, const struct error *err)
{
    if (!is_hopeless(child))
        return true;
    drop_inheritance(child); /* which may be what it dies of */
    if (!child->is_vital)
        child->fault = *err;
    return child->is_vital;
}

static void wait_for_life(struct child *child, int64_t until_ms)
{
    while (!child->is_leaving && clock_monotonic_ms() < until_ms &&
           task_queue_wait(&child->children->changed, until_ms) == SLUICE_OK)
        continue;
}

static void supervise(void *arg)
{
    struct child *child = arg;
    struct children *children = child->children;

    while (!child->is_leaving) {
        struct error err = ERROR_INIT;
        int64_t started_ms = clock_monotonic_ms();
        sluice_status status = live(child, &err);
        end_life(child);
        if (child->is_leaving) {
            if (status != SLUICE_OK && !child->is_dismissed)
                log_error("%s", err.text);
            break;
        }
        if (!may_go_on(child, &err))
            break;
        wait_for_life(child, clock_monotonic_ms() + mourn(child, started_ms, &err));
    }
    settle(child, -1);
    child->has_left = true;
    if (child->is_leaving)
        child_free(child);
    task_queue_wake_all(&children->changed);
}

static sluice_status child_new(struct children *children, struct generation *generation,
                               const char *role, unsigned index, struct child **ret_child,
                               struct error *err)
{
    struct child *child = calloc(1, sizeof(*child));

    if (child == NULL)
        return error_set(err, SLUICE_TEMP, "role %s %u: out of memory", role, index);
    child->children = children;
    child->generation = generation;
    child->role = generation_role(generation, role, index);
    child->index = index;
    child->inherited_fd = -1;
    (void)snprintf(child->name, sizeof(child->name), "%s %u", role, index);
    if (child_is(child, "lookup") &&
        limits_read(child->role->snapshot_fd, index, &child->limits, err) != SLUICE_OK) {
        free(child);
        return err->status;
    }
    *ret_child = child;
    return SLUICE_OK;
}

sluice_status child_start(struct children *children, struct generation *generation,
                          const char *role, unsigned index, bool is_held, struct child **ret_child,
                          struct error *err)
{
    struct child *child = NULL;
    sluice_status status = child_new(children, generation, role, index, &child, err);

    if (status != SLUICE_OK)
        return status;
    child->is_held = is_held;
    if (task_start(child->name, supervise, child, NULL) != SLUICE_OK) {
        limits_done(&child->limits);
        free(child);
        return error_set(err, SLUICE_TEMP, "role %s %u: out of memory", role, index);
    }
    (void)generation_ref(generation);
    LL_APPEND(children->list, child);
    *ret_child = child;
    return SLUICE_OK;
}

void child_release(struct child *child, int fd)
{
    child->is_held = false;
    child->inherited_fd = fd;
    if (child->channel != NULL && !send_start(child))
        process_kill(child->process, SIGKILL); /* and it is told all again */
}

void child_drain(struct child *child, int64_t grace_ms)
{
    child->is_leaving = true;
    if (child->has_left)
        child_free(child);
    else if (child->channel != NULL && child->bequest == NULL)
        (void)channel_send_body(child->channel, MESSAGE_DRAIN, (uint64_t)grace_ms,
                                SPAN_EMPTY); /* or killed */
}

void child_hand_over(struct child *child, struct bequest *bequest)
{
    *bequest = (struct bequest){.is_settled = child->has_left, .fd = -1};
    child->is_leaving = true;
    if (child->has_left) {
        child_free(child);
        return;
    }
    child->bequest = bequest;
    if (child->channel != NULL &&
        channel_send_body(child->channel, MESSAGE_HANDOVER, 0, SPAN_EMPTY) != SLUICE_OK)
        process_kill(child->process, SIGKILL);
    task_queue_wake_all(&child->children->changed); /* between two lives it leaves now */
}

void child_renew_log(struct child *child)
{
    if (child->channel != NULL)
        (void)send_log_file(child); /* or it is on its way out */
}

void child_kill(struct child *child)
{
    child->is_leaving = true;
    if (child->has_left) {
        child_free(child);
        return;
    }
    if (child->process == NULL)
        return;
    log_warning("role %s (pid %ld) did not finish in time: killed", child->name,
                (long)process_pid(child->process));
    child->is_dismissed = true;
    process_kill(child->process, SIGKILL);
}

void child_free(struct child *child)
{
    LL_DELETE(child->children->list, child);
    drop_inheritance(child);
    generation_unref(child->generation);
    limits_done(&child->limits);
    free(child);
}
