/* SPDX-License-Identifier: ISC */
/*
 * children: see children.h. A life of a process: execute it, hand down what its role needs, wait for
 * READY, link, wait for its end.
 */
#include "master/children.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/span.h"
#include "ipc/messages.h"
#include "master/output.h"
#include "master/process.h"
#include "master/restart.h"
#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <utlist.h>

#define CHILD_NAME_SIZE 32
#define CHANNEL_NAME_SIZE 48
#define EARLY_DEATHS_MAX 3
#define KILL_WAIT_MS 5000 /* for the end of a process that was killed */

struct child {
    struct children *children;
    const struct generation_role *role;
    unsigned index;
    char name[CHILD_NAME_SIZE]; /* "queue 0" */
    struct process *process;    /* NULL between two lives */
    struct channel *channel;    /* NULL: none, or it is broken */
    bool is_ready;              /* in this life */
    bool was_ready;             /* in any */
    bool was_killed;            /* its last life was ended by a signal */
    unsigned early_deaths;      /* before it was ever ready */
    bool is_leaving;            /* asked to; the present life is the last */
    bool has_left;              /* its task is over */
    struct error fault;         /* why it never became ready */
    struct restart restart;
    struct child *next;
};

struct children {
    const struct children_setup *setup;
    struct child *list;
    struct task_queue changed; /* one of them became ready, or has left, or is to leave */
};

static bool is_role(const struct child *child, const char *role)
{
    return strcmp(child->role->name, role) == 0;
}

/* ---- links ----------------------------------------------------------------------------------- */

static void send_link(struct child *to, const struct child *peer, int fd)
{
    struct message_link link = {.role = sluice_span_of(peer->role->name),
                                .index = peer->index,
                                .generation = peer->children->setup->generation->number};
    struct buffer body = BUFFER_INIT;

    message_link_encode(&link, &body);
    struct sluice_span part = buffer_span(&body);
    if (buffer_failed(&body) ||
        channel_send(to->channel, MESSAGE_LINK, 0, &part, 1, fd) != SLUICE_OK)
        log_error("role %s: no link to %s", to->name, peer->name);
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

/* A child has become ready: links to all that are. */
static void link_child(struct child *child)
{
    struct child *peer;

    LL_FOREACH(child->children->list, peer)
    {
        bool is_pair = is_role(child, "queue") != is_role(peer, "queue");
        if (is_pair && peer->is_ready && peer->channel != NULL && child->channel != NULL)
            link_pair(child, peer);
    }
}

/* ---- a life ---------------------------------------------------------------------------------- */

static sluice_status take_ready(struct child *child)
{
    if (child->is_ready)
        return SLUICE_PERM;
    child->is_ready = true;
    child->was_ready = true;
    link_child(child);
    task_queue_wake_all(&child->children->changed);
    return SLUICE_OK;
}

/* Its links are closed already; with its next life it gets new ones. */
static sluice_status take_accusation(const struct child *accuser, struct sluice_span body)
{
    struct message_link link;
    const struct child *child;

    if (!is_role(accuser, "queue") || message_link_decode(body, &link) != SLUICE_OK)
        return SLUICE_PERM;
    LL_FOREACH(accuser->children->list, child)
    {
        if (child == accuser || child->index != link.index || child->process == NULL ||
            !span_equal(link.role, sluice_span_of(child->role->name)))
            continue;
        log_error("role %s: killed, because queue could make no sense of it", child->name);
        process_kill(child->process, SIGKILL);
    }
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

static bool send_file(struct child *child, uint16_t type, const char *text, int fd)
{
    struct sluice_span body = sluice_span_of(text);

    return channel_send(child->channel, type, 0, &body, 1, fd) == SLUICE_OK;
}

static bool send_setup(struct child *child)
{
    const struct children_setup *setup = child->children->setup;
    struct message_setup message = {.generation = setup->generation->number,
                                    .index = child->index,
                                    .log_target = (uint32_t)setup->log_target};
    struct buffer body = BUFFER_INIT;

    message_setup_encode(&message, &body);
    struct sluice_span part = buffer_span(&body);
    bool is_sent = !buffer_failed(&body) && channel_send(child->channel, MESSAGE_SETUP, 0, &part, 1,
                                                         child->role->snapshot_fd) == SLUICE_OK;
    buffer_done(&body);
    return is_sent;
}

/* Everything up to START. */
static bool hand_down(struct child *child)
{
    const struct children_setup *setup = child->children->setup;
    bool is_sent = (setup->log_fd == -1 || send_file(child, MESSAGE_LOG_FILE, "", setup->log_fd)) &&
                   send_setup(child);

    for (size_t i = 0; i < child->role->plugin_count && is_sent; i++)
        is_sent = send_file(child, MESSAGE_PLUGIN, child->role->plugins[i].name,
                            child->role->plugins[i].fd);
    for (size_t i = 0; i < setup->listener_count && is_sent && is_role(child, "receive"); i++)
        is_sent =
            send_file(child, MESSAGE_LISTENER, setup->listeners[i].address, setup->listeners[i].fd);
    for (size_t i = 0; i < setup->shared->count && is_sent; i++) {
        const struct shared_memory *memory = &setup->shared->list[i];

        if (shared_is_for(memory, child->role->name))
            is_sent = send_file(child, MESSAGE_SHARED, memory->name, memory->fd);
    }
    return is_sent && channel_send_body(child->channel, MESSAGE_START, 0, SPAN_EMPTY) == SLUICE_OK;
}

static sluice_status execute(struct child *child, int channel_fd, struct error *err)
{
    const struct children_setup *setup = child->children->setup;
    bool is_queue = is_role(child, "queue");
    struct process_spec spec = {
        .arguments = {"--role", child->role->name},
        .channel_fd = channel_fd,
        .lock_fd = setup->lock_fd,
        .output_fd = -1,
        .privileges = is_queue ? &setup->queue_owner : &setup->network_owner,
        .ruleset = is_queue ? -1 : setup->ruleset,
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
    return status;
}

static void end_life(struct child *child)
{
    channel_free(child->channel);
    child->channel = NULL;
    process_free(child->process);
    child->process = NULL;
    child->is_ready = false;
}

/* Until the process has ended; TEMP with a text: how. */
static sluice_status live(struct child *child, struct error *err)
{
    char text[PROCESS_END_SIZE];
    int wait_status = 0;
    sluice_status status = begin_life(child, err);

    if (status != SLUICE_OK)
        return status;
    if (process_wait(child->process, CLOCK_NEVER, &wait_status) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "cancelled");
    child->was_killed = WIFSIGNALED(wait_status);
    bool is_config = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EX_CONFIG;
    return error_set(err, is_config ? SLUICE_CONFIG : SLUICE_TEMP, "role %s (pid %ld) died: %s",
                     child->name, (long)process_pid(child->process),
                     process_format_end(wait_status, text));
}

/* ---- all lives ------------------------------------------------------------------------------- */

/* How long to wait for the next life, said in the log. */
static int64_t mourn(struct child *child, int64_t started_ms, const struct error *err)
{
    int64_t delay_ms =
        restart_delay(&child->restart, is_role(child, "deliver"), started_ms, clock_monotonic_ms());

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
    return !child->was_killed || child->early_deaths == EARLY_DEATHS_MAX;
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

    while (!child->is_leaving) {
        struct error err = ERROR_INIT;
        int64_t started_ms = clock_monotonic_ms();
        (void)live(child, &err); /* a life always ends in some way */
        end_life(child);
        if (child->is_leaving)
            break;
        if (is_hopeless(child)) {
            child->fault = err;
            break;
        }
        wait_for_life(child, clock_monotonic_ms() + mourn(child, started_ms, &err));
    }
    child->has_left = true;
    task_queue_wake_all(&child->children->changed);
}

static sluice_status add_child(struct children *children, const char *role, unsigned index,
                               struct error *err)
{
    struct child *child = calloc(1, sizeof(*child));

    if (child == NULL)
        return error_set(err, SLUICE_TEMP, "role %s %u: out of memory", role, index);
    child->children = children;
    child->role = generation_role(children->setup->generation, role);
    child->index = index;
    (void)snprintf(child->name, sizeof(child->name), "%s %u", role, index);
    if (task_start(child->name, supervise, child, NULL) != SLUICE_OK) {
        free(child);
        return error_set(err, SLUICE_TEMP, "role %s %u: out of memory", role, index);
    }
    LL_APPEND(children->list, child);
    return SLUICE_OK;
}

/* OK: all are ready. NOT_FOUND: not yet. Else why one of them never will be. */
static sluice_status look_for_ready(const struct children *children, const char *role,
                                    struct error *err)
{
    const struct child *child;
    sluice_status status = SLUICE_OK;

    LL_FOREACH(children->list, child)
    {
        if (!is_role(child, role) || child->was_ready)
            continue;
        if (child->has_left)
            return error_set(err, child->fault.status, "%s", child->fault.text);
        status = SLUICE_NOT_FOUND;
    }
    return status;
}

sluice_status children_new(const struct children_setup *setup, struct children **ret_children)
{
    struct children *children = calloc(1, sizeof(*children));

    if (children == NULL)
        return SLUICE_TEMP;
    children->setup = setup;
    *ret_children = children;
    return SLUICE_OK;
}

sluice_status children_start(struct children *children, const char *role, unsigned count,
                             struct error *err)
{
    sluice_status status = SLUICE_OK;

    for (unsigned i = 0; i < count && status == SLUICE_OK; i++)
        status = add_child(children, role, i, err);
    if (status != SLUICE_OK)
        return status;
    while ((status = look_for_ready(children, role, err)) == SLUICE_NOT_FOUND) {
        if (task_queue_wait(&children->changed, CLOCK_NEVER) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "role %s: ended before it was ready", role);
    }
    return status;
}

static bool have_left(const struct children *children, const char *role)
{
    const struct child *child;

    LL_FOREACH(children->list, child)
    {
        if ((role == NULL || is_role(child, role)) && !child->has_left)
            return false;
    }
    return true;
}

sluice_status children_drain(struct children *children, const char *role, int64_t deadline_ms)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    {
        if (!is_role(child, role))
            continue;
        child->is_leaving = true;
        if (child->channel != NULL)
            (void)channel_send_body(child->channel, MESSAGE_DRAIN, 0, SPAN_EMPTY); /* or killed */
    }
    task_queue_wake_all(&children->changed);
    while (!have_left(children, role)) {
        if (task_queue_wait(&children->changed, deadline_ms) != SLUICE_OK)
            return have_left(children, role) ? SLUICE_OK : SLUICE_TEMP;
    }
    return SLUICE_OK;
}

void children_renew_log(struct children *children)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    {
        if (child->channel != NULL && child->children->setup->log_fd != -1)
            (void)send_file(child, MESSAGE_LOG_FILE, "", child->children->setup->log_fd); /* or gone */
    }
}

void children_kill(struct children *children, const char *role)
{
    struct child *child;

    LL_FOREACH(children->list, child)
    {
        if (role != NULL && !is_role(child, role))
            continue;
        child->is_leaving = true;
        if (child->process == NULL)
            continue;
        log_warning("role %s (pid %ld) did not finish in time: killed", child->name,
                    (long)process_pid(child->process));
        process_kill(child->process, SIGKILL);
    }
    task_queue_wake_all(&children->changed);
}

void children_free(struct children *children)
{
    struct child *child;
    struct child *next;
    int64_t deadline_ms = clock_monotonic_ms() + KILL_WAIT_MS;

    if (children == NULL)
        return;
    children_kill(children, NULL);
    while (!have_left(children, NULL)) {
        if (task_queue_wait(&children->changed, deadline_ms) != SLUICE_OK)
            return; /* the kernel holds a process; its task still has us */
    }
    LL_FOREACH_SAFE(children->list, child, next)
    {
        free(child);
    }
    free(children);
}
