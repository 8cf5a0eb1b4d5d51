/* SPDX-License-Identifier: ISC */
/*
 * generation: one run of the check role, and what it hands over (see check.h for the order).
 *
 * That role has run plugins' code, which the master does not trust: it takes names and counts within
 * limits, and as a plugin only a file that could be one: the code that queue loads is not to come
 * from the network's side of the wall.
 */
#include "master/generation.h"

#include "base/log.h"
#include "base/span.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "master/landlock.h"
#include "master/process.h"
#include "plugin/load.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define PLUGIN_NAME_MAX 128
#define WORDS_MAX ((size_t)256 * 1024) /* of what check says */

sluice_status generation_new(uint64_t number, struct generation **ret_generation)
{
    static const char *const names[GENERATION_ROLES] = {"master",  "receive", "queue",
                                                        "deliver", "metrics"};
    struct generation *generation = calloc(1, sizeof(*generation));

    if (generation == NULL)
        return SLUICE_TEMP;
    generation->number = number;
    generation->references = 1;
    generation->ruleset = -1;
    for (size_t i = 0; i < GENERATION_ROLES; i++)
        generation->roles[i] = (struct generation_role){.name = names[i], .snapshot_fd = -1};
    *ret_generation = generation;
    return SLUICE_OK;
}

struct generation *generation_ref(struct generation *generation)
{
    generation->references++;
    return generation;
}

static void role_done(struct generation_role *role)
{
    if (role->snapshot_fd != -1)
        (void)close(role->snapshot_fd); /* in memory */
    for (size_t i = 0; i < role->plugin_count; i++) {
        (void)close(role->plugins[i].fd); /* only read */
        free(role->plugins[i].name);
    }
    free(role->plugins);
}

void generation_unref(struct generation *generation)
{
    if (generation == NULL || --generation->references > 0)
        return;
    for (size_t i = 0; i < GENERATION_ROLES; i++)
        role_done(&generation->roles[i]);
    for (unsigned i = 0; i < generation->home_count; i++)
        role_done(&generation->homes[i]);
    if (generation->ruleset != -1)
        (void)close(generation->ruleset); /* in the kernel */
    for (size_t i = 0; i < generation->crew_count; i++)
        free(generation->crews[i].name);
    listeners_close(&generation->listeners);
    config_close(generation->config);
    free(generation);
}

const struct generation_role *generation_role(const struct generation *generation, const char *name,
                                              unsigned index)
{
    if (strcmp(name, "lookup") == 0)
        return &generation->homes[index];
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

/* NULL: there is none of that name, or no more. */
static struct generation_role *next_role(struct generation *generation, struct sluice_span name)
{
    for (size_t i = 0; i < GENERATION_ROLES; i++) {
        struct generation_role *role = &generation->roles[i];

        if (span_equal(name, sluice_span_of(role->name)))
            return role->snapshot_fd == -1 ? role : NULL;
    }
    if (!span_equal(name, SPAN_LITERAL("lookup")) || generation->home_count == HOMES_MAX)
        return NULL;
    struct generation_role *home = &generation->homes[generation->home_count++];
    *home = (struct generation_role){.name = "lookup", .snapshot_fd = -1};
    return home;
}

static sluice_status take_snapshot(struct run *run, struct channel_frame *frame)
{
    struct generation_role *role =
        frame->fd != -1 ? next_role(run->generation, frame->body) : NULL;

    if (role == NULL)
        return error_set(&run->fault, SLUICE_TEMP, "check: a snapshot that makes no sense");
    role->snapshot_fd = frame->fd;
    frame->fd = -1;
    run->role = role;
    return SLUICE_OK;
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

/* channel_fd: check's end. output_fd: where it says what is wrong, or -1. */
static sluice_status run_check(const char *config_path, int channel_fd, int output_fd,
                               int64_t deadline_ms, struct error *err)
{
    struct process_spec spec = {
        .words_fd = -1,
        .arguments = {"--role", "check", "-c", config_path},
        .channel_fd = channel_fd,
        .lock_fd = -1,
        .output_fd = output_fd,
        .ruleset = -1,
    };
    struct process *process;
    int wait_status;
    sluice_status status = process_start(&spec, &process, err);

    (void)close(channel_fd); /* the process has its own */
    if (status != SLUICE_OK)
        return status;
    if (process_wait(process, deadline_ms, &wait_status) != SLUICE_OK)
        status = error_set(err, SLUICE_TEMP, "check of the configuration: %s",
                           task_is_cancelled() ? "ended before it was done"
                                               : "not done in time");
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

static sluice_status check(struct generation *generation, const char *config_path, int output_fd,
                           int64_t deadline_ms, struct error *err)
{
    struct run run = {.generation = generation};
    int peer = -1; /* check's end of the channel */
    sluice_status status = open_channel(&run, &peer, err);

    if (status != SLUICE_OK)
        return status;
    status = run_check(config_path, peer, output_fd, deadline_ms, err);
    hang_up(&run);
    if (status != SLUICE_OK)
        return status;
    if (run.fault.status != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s", run.fault.text);
    if (!run.is_complete || !has_snapshots(generation))
        return error_set(err, SLUICE_TEMP, "check of the configuration: it left something out");
    return config_open(generation_role(generation, "master", 0)->snapshot_fd, &generation->config,
                       err);
}

/* ---- what check says ------------------------------------------------------------------------- */

/* A file in memory that does not grow: whatever a plugin writes there, it costs us no more. */
static int open_words(void)
{
    int fd = memfd_create("check", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd == -1)
        return -1;
    if (ftruncate(fd, (off_t)WORDS_MAX) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    (void)close(fd); /* nothing is in it */
    return -1;
}

/* Up to the first zero: nobody has written there. */
static void read_words(int fd, struct buffer *said)
{
    char *words = mmap(NULL, WORDS_MAX, PROT_READ, MAP_SHARED, fd, 0);

    if (words == MAP_FAILED)
        return; /* what is missing is seen from the status */
    buffer_add(said, words, strnlen(words, WORDS_MAX));
    (void)munmap(words, WORDS_MAX); /* it is mapped */
}

sluice_status generation_check(struct generation *generation, const char *config_path,
                               int64_t deadline_ms, struct buffer *said, struct error *err)
{
    int words_fd = said != NULL ? open_words() : -1;

    if (said != NULL && words_fd == -1)
        return error_set(err, SLUICE_TEMP, "check of the configuration: %s", strerror(errno));
    sluice_status status = check(generation, config_path, words_fd, deadline_ms, err);
    if (words_fd != -1) {
        read_words(words_fd, said);
        (void)close(words_fd); /* in memory */
    }
    return status;
}

/* ---- crews ----------------------------------------------------------------------------------- */

static sluice_status add_crew(struct generation *generation, const char *name,
                              const struct privileges *mail, const struct privileges *network,
                              struct error *err)
{
    struct generation_crew *crew = &generation->crews[generation->crew_count];
    sluice_status status = privileges_find_crew(name, mail, network, &crew->privileges, err);

    if (status != SLUICE_OK)
        return status;
    crew->name = span_dup(sluice_span_of(name));
    if (crew->name == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    generation->crew_count++;
    return SLUICE_OK;
}

sluice_status generation_find_crews(struct generation *generation, const struct privileges *mail,
                                    const struct privileges *network, struct error *err)
{
    struct config *config;
    struct crews crews;
    sluice_status status =
        config_open(generation_role(generation, "deliver", 0)->snapshot_fd, &config, err);

    if (status != SLUICE_OK)
        return status;
    crews_read(config, &crews);
    for (unsigned i = CREW_COMMON + 1; i < crews.count && status == SLUICE_OK; i++)
        status = add_crew(generation, crews.names[i], mail, network, err);
    config_close(config);
    return status;
}

const struct generation_crew *generation_crew(const struct generation *generation,
                                              struct sluice_span name)
{
    for (unsigned i = 0; i < generation->crew_count; i++) {
        if (span_equal(sluice_span_of(generation->crews[i].name), name))
            return &generation->crews[i];
    }
    return NULL;
}

/* ---- Landlock -------------------------------------------------------------------------------- */

/* The files that a role opens again by its descriptors, wherever they are by then. */
static sluice_status allow_files(const struct generation *generation,
                                 const struct generation_role *role, struct error *err)
{
    sluice_status status = SLUICE_OK;

    for (size_t i = 0; i < role->plugin_count && status == SLUICE_OK; i++)
        status = landlock_allow(generation->ruleset, role->plugins[i].fd, err);
    return status;
}

/* What one role's configuration needs in spite of the closed folder. */
static sluice_status allow_role(const struct generation *generation, const char *name,
                                unsigned index, bool *is_readable, struct error *err)
{
    const struct generation_role *role = generation_role(generation, name, index);
    const char *folder = config_text(generation->config, "queue_directory");
    struct config *config;
    sluice_status status = config_open(role->snapshot_fd, &config, err);

    if (status != SLUICE_OK)
        return status;
    status = landlock_allow_tables(generation->ruleset, folder, config, is_readable, err);
    config_close(config);
    return status == SLUICE_OK ? allow_files(generation, role, err) : status;
}

/* A machine without Landlock has the two users; that is said, and not an error. */
sluice_status generation_close_folder(struct generation *generation, struct error *err)
{
    const char *folder = config_text(generation->config, "queue_directory");
    bool is_readable = false;
    sluice_status status = landlock_new(folder, &generation->ruleset, err);

    if (status == SLUICE_UNSUPPORTED) {
        log_warning("Landlock: %s; only its owner and mode close %s", err->text, folder);
        return SLUICE_OK;
    }
    if (status == SLUICE_OK)
        status = landlock_allow(generation->ruleset, processes_executable(), err);
    if (status == SLUICE_OK)
        status = allow_role(generation, "receive", 0, &is_readable, err);
    if (status == SLUICE_OK)
        status = allow_role(generation, "deliver", 0, &is_readable, err);
    for (unsigned i = 0; i < generation->home_count && status == SLUICE_OK; i++)
        status = allow_role(generation, "lookup", i, &is_readable, err);
    if (status == SLUICE_OK && is_readable)
        log_notice("%s lies below the folder of a table: Landlock closes it to writing only",
                   folder);
    return status;
}
