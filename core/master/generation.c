/* SPDX-License-Identifier: ISC */
/*
 * generation: one run of the check role, and what it hands over (see check.h for the order).
 *
 * That role has run plugins' code, which the master does not trust: it takes names and counts within
 * limits, and as a plugin only a file that could be one: the code that queue loads is not to come
 * from the network's side of the wall.
 */
#include "master/generation.h"

#include "base/clock.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "master/process.h"
#include "plugin/load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define PLUGIN_NAME_MAX 128

void generation_init(struct generation *generation, uint64_t number)
{
    static const char *const names[GENERATION_ROLES] = {"master", "receive", "queue", "deliver"};

    *generation = (struct generation){.number = number};
    for (size_t i = 0; i < GENERATION_ROLES; i++)
        generation->roles[i] = (struct generation_role){.name = names[i], .snapshot_fd = -1};
}

void generation_done(struct generation *generation)
{
    for (size_t i = 0; i < GENERATION_ROLES; i++) {
        struct generation_role *role = &generation->roles[i];
        if (role->snapshot_fd != -1)
            (void)close(role->snapshot_fd); /* in memory */
        for (size_t p = 0; p < role->plugin_count; p++) {
            (void)close(role->plugins[p].fd); /* only read */
            free(role->plugins[p].name);
        }
        free(role->plugins);
    }
    generation_init(generation, 0);
}

const struct generation_role *generation_role(const struct generation *generation, const char *name)
{
    for (size_t i = 0; i < GENERATION_ROLES; i++) {
        if (strcmp(generation->roles[i].name, name) == 0)
            return &generation->roles[i];
    }
    return NULL;
}

/* ---- what check sends ------------------------------------------------------------------------ */

struct run {
    struct generation *generation;
    struct generation_role *role; /* whose snapshot came last */
    struct channel *channel;
    bool is_complete;
    struct error fault; /* the first thing that made no sense */
};

static sluice_status take_snapshot(struct run *run, struct channel_frame *frame)
{
    for (size_t i = 0; i < GENERATION_ROLES; i++) {
        struct generation_role *role = &run->generation->roles[i];
        if (!span_equal(frame->body, sluice_span_of(role->name)))
            continue;
        if (frame->fd == -1 || role->snapshot_fd != -1)
            break;
        role->snapshot_fd = frame->fd;
        frame->fd = -1;
        run->role = role;
        return SLUICE_OK;
    }
    return error_set(&run->fault, SLUICE_TEMP, "check: a snapshot that makes no sense");
}

static sluice_status add_plugin(struct generation_role *role, char *name, int fd, struct error *err)
{
    struct generation_plugin *plugins =
        reallocarray(role->plugins, role->plugin_count + 1, sizeof(*plugins));

    if (plugins == NULL)
        return error_set(err, SLUICE_TEMP, "check: out of memory");
    role->plugins = plugins;
    plugins[role->plugin_count++] = (struct generation_plugin){.name = name, .fd = fd};
    return SLUICE_OK;
}

static sluice_status take_plugin(struct run *run, struct channel_frame *frame)
{
    struct generation_role *role = run->role;

    if (role == NULL || frame->fd == -1 || frame->body.len > PLUGIN_NAME_MAX ||
        role->plugin_count == GENERATION_PLUGINS_MAX)
        return error_set(&run->fault, SLUICE_TEMP, "check: a plugin's file that makes no sense");
    char *name = span_dup(frame->body);
    if (name == NULL)
        return error_set(&run->fault, SLUICE_TEMP, "check: out of memory");
    sluice_status status = plugin_check_file(frame->fd, name, geteuid(), &run->fault);
    if (status == SLUICE_OK)
        status = add_plugin(role, name, frame->fd, &run->fault);
    if (status == SLUICE_OK)
        frame->fd = -1;
    else
        free(name);
    return status;
}

/* Check leaves when it sees the end of the channel. */
static void hang_up(struct run *run)
{
    channel_free(run->channel);
    run->channel = NULL;
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct run *run = user;
    sluice_status status = SLUICE_OK;

    (void)channel;
    if (frame->type == MESSAGE_SNAPSHOT)
        status = take_snapshot(run, frame);
    else if (frame->type == MESSAGE_PLUGIN)
        status = take_plugin(run, frame);
    else if (frame->type == MESSAGE_CHECKED)
        run->is_complete = true;
    else
        status = error_set(&run->fault, SLUICE_TEMP, "check: frame %u", frame->type);
    if (run->is_complete || status != SLUICE_OK)
        hang_up(run);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)channel;
    (void)reason; /* how the process ends says more */
    hang_up(user);
}

/* ---- one run --------------------------------------------------------------------------------- */

static sluice_status judge(int wait_status, struct error *err)
{
    char text[PROCESS_END_SIZE];

    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EX_OK)
        return SLUICE_OK;
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EX_CONFIG)
        return error_set(err, SLUICE_CONFIG, "%s", "");
    return error_set(err, SLUICE_TEMP, "check of the configuration failed: %s",
                     process_format_end(wait_status, text));
}

/* channel_fd: check's end. */
static sluice_status run_check(const char *config_path, int channel_fd, struct error *err)
{
    struct process_spec spec = {
        .arguments = {"--role", "check", "-c", config_path},
        .channel_fd = channel_fd,
        .lock_fd = -1,
        .output_fd = -1,
        .ruleset = -1,
    };
    struct process *process;
    int wait_status;
    sluice_status status = process_start(&spec, &process, err);

    (void)close(channel_fd); /* the process has its own */
    if (status != SLUICE_OK)
        return status;
    if (process_wait(process, CLOCK_NEVER, &wait_status) != SLUICE_OK)
        status =
            error_set(err, SLUICE_TEMP, "check of the configuration: ended before it was done");
    else
        status = judge(wait_status, err);
    process_free(process);
    return status;
}

static sluice_status open_channel(struct run *run, int *ret_peer, struct error *err)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return error_set(err, SLUICE_TEMP, "socketpair: %s", strerror(errno));
    if (channel_new(pair[0], "check", &handlers, run, &run->channel) != SLUICE_OK) {
        (void)close(pair[0]); /* nothing was sent */
        (void)close(pair[1]);
        return error_set(err, SLUICE_TEMP, "check: out of memory");
    }
    *ret_peer = pair[1];
    return SLUICE_OK;
}

/* What the master and every role need is there. */
static bool has_snapshots(const struct generation *generation)
{
    for (size_t i = 0; i < GENERATION_ROLES; i++) {
        if (generation->roles[i].snapshot_fd == -1)
            return false;
    }
    return true;
}

sluice_status generation_check(struct generation *generation, const char *config_path,
                               struct error *err)
{
    struct run run = {.generation = generation};
    int peer = -1; /* check's end of the channel */
    sluice_status status = open_channel(&run, &peer, err);

    if (status != SLUICE_OK)
        return status;
    status = run_check(config_path, peer, err);
    hang_up(&run);
    if (status != SLUICE_OK)
        return status;
    if (run.fault.status != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s", run.fault.text);
    if (!run.is_complete || !has_snapshots(generation))
        return error_set(err, SLUICE_TEMP, "check of the configuration: it left something out");
    return SLUICE_OK;
}
