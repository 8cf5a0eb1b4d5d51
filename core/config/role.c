/* SPDX-License-Identifier: ISC */
/*
 * role: the frames of the master, and what follows from them.
 *
 * A process has one role, and role_plugin_fd is asked without one: hence the static struct.
 */
#include "config/role.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "config/handed.h"
#include "config/logging.h"
#include "ipc/channel.h"
#include "task/crash.h"
#include "task/pool.h"
#include "task/slice.h"
#include "task/task.h"
#include "task/watchdog.h"

#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#define PROCESS_NAME_SIZE 16 /* prctl's */
#define HEAP_KEPT (1024 * 1024)
#define RELINK_MS 1000       /* a peer that has died is back by then, and its link there */

enum phase {
    PHASE_BORN,     /* takes what is handed down */
    PHASE_STARTING, /* start() has been called */
    PHASE_FAILED,   /* and has returned an error */
    PHASE_RUNNING,  /* or OK */
    PHASE_FINISHED, /* role_finished, role_handed_over */
};

/* How the role is to end: the first wish counts. */
enum ending {
    ENDING_NONE,
    ENDING_DRAIN,
    ENDING_HANDOVER,
};

/* Who receive and deliver have links to. */
#define PEERS 2
static const char *const peers[PEERS] = {"queue", "lookup"};

static struct {
    struct role role;
    const struct role_ops *ops;
    struct channel *master;
    struct config *config;
    char *crew;
    struct handed plugins;
    struct handed addresses;
    struct handed shared;
    struct role_listener *listeners;
    bool is_log_started;
    int log_fd; /* -1: none */
    enum phase phase;
    enum ending ending; /* asked for */
    bool is_replaced;   /* asked for by us */
    uint64_t link_count; /* that have come */
    bool has_lost[PEERS]; /* a link to that peer */
    uv_timer_t relink;    /* runs while any is lost */
    int inherited_fd;
    int exit_status;
} runtime = {.log_fd = -1, .inherited_fd = -1};

static void leave(int exit_status)
{
    runtime.exit_status = exit_status;
    task_loop_stop();
}

/* ---- what is handed down --------------------------------------------------------------------- */

int role_plugin_fd(const char *plugin)
{
    return handed_find(&runtime.plugins, plugin);
}

int role_inherited_fd(void)
{
    return runtime.inherited_fd;
}

void role_close_listeners(struct role *role)
{
    assert(role == &runtime.role);
    role->listener_count = 0;
    handed_done(&runtime.addresses);
}

void *role_shared_memory(const char *name, size_t *ret_size)
{
    return handed_map(&runtime.shared, name, PROT_READ | PROT_WRITE, ret_size);
}

const void *role_shared_view(const char *name, size_t *ret_size)
{
    return handed_map(&runtime.shared, name, PROT_READ, ret_size);
}

void role_start_metrics(void)
{
    size_t size = 0;
    void *memory = role_shared_memory("metrics", &size);

    if (memory == NULL)
        log_warning("no shared memory: nothing is counted");
    metrics_attach(memory, size);
}

/* Before the setup it is kept for the start of the log. */
static void take_log_file(struct channel_frame *frame)
{
    if (runtime.is_log_started && frame->fd != -1)
        log_set_file(frame->fd);
    else
        runtime.log_fd = frame->fd;
    frame->fd = -1;
}

/* A crew's user may have other programs, which could look into a process of theirs: it has deliver's
 * secrets, and mail. */
static sluice_status take_setup(const struct channel_frame *frame, struct error *err)
{
    struct log_settings settings = {.max_level = LOG_LEVEL_INFO, .file_fd = runtime.log_fd};
    struct message_setup setup;

    if (runtime.config != NULL || frame->fd == -1 ||
        message_setup_decode(frame->body, &setup) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's setup makes no sense");
    sluice_status status = config_open(frame->fd, &runtime.config, err);
    if (status == SLUICE_OK)
        logging_configure(runtime.config, &settings);
    settings.target = (enum log_target)setup.log_target;
    log_start(logging_component(runtime.ops->name), &settings);
    runtime.is_log_started = true;
    runtime.role.generation = setup.generation;
    runtime.role.index = setup.index;
    runtime.crew = span_dup(setup.crew);
    runtime.role.crew = runtime.crew;
    if (runtime.crew == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    if (runtime.crew[0] != '\0')
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail */
    runtime.role.config = runtime.config;
    return status;
}

static sluice_status take_inheritance(struct channel_frame *frame, struct error *err)
{
    if (runtime.phase != PHASE_BORN || frame->fd == -1 || runtime.inherited_fd != -1)
        return error_set(err, SLUICE_PERM, "the master's inheritance makes no sense");
    runtime.inherited_fd = frame->fd;
    frame->fd = -1;
    return SLUICE_OK;
}

/* The listeners as the role sees them. */
static sluice_status list_listeners(void)
{
    size_t count = runtime.addresses.count;

    runtime.listeners = calloc(count + 1, sizeof(*runtime.listeners));
    if (runtime.listeners == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0; i < count; i++) {
        runtime.listeners[i].address = runtime.addresses.items[i].name;
        runtime.listeners[i].fd = runtime.addresses.items[i].fd;
    }
    runtime.role.listeners = runtime.listeners;
    runtime.role.listener_count = count;
    return SLUICE_OK;
}

/* ---- start and end --------------------------------------------------------------------------- */

/* What has been asked for, once start() has returned. */
static void end_work(void)
{
    if (runtime.phase != PHASE_RUNNING)
        return;
    if (runtime.ending == ENDING_DRAIN)
        runtime.ops->drain(&runtime.role);
    else if (runtime.ending == ENDING_HANDOVER)
        runtime.ops->handover(&runtime.role);
}

/* From now on nothing may hold the loop; while starting plugins may take their time to open. */
static void start_watchdog(void)
{
    int64_t limit_ms = config_number(runtime.config, "loop_timeout");

    if (limit_ms > 0 && watchdog_start(limit_ms) != SLUICE_OK)
        log_warning("no memory for a watchdog");
}

/*
 * All threads of a plugin hang: it will not answer any more, but a new process will. The queue's store
 * is never given up on: what it has begun may still become durable.
 */
static void on_hung_pool(const char *name)
{
    struct sluice_span text = sluice_span_of(name);
    struct message_replace replace = {.text = text};
    struct buffer body = BUFFER_INIT;

    if (strcmp(runtime.ops->name, "queue") == 0) {
        log_error("all threads of %s hang", name);
        return;
    }
    if (runtime.is_replaced || runtime.ending != ENDING_NONE || runtime.master == NULL)
        return;
    log_error("all threads of %s hang: another process takes over", name);
    message_replace_encode(&replace, &body);
    runtime.is_replaced =
        !buffer_failed(&body) && channel_send_body(runtime.master, MESSAGE_REPLACE, 0,
                                                   buffer_span(&body)) == SLUICE_OK;
    buffer_done(&body);
}

static void start(void *arg)
{
    struct error err = ERROR_INIT;

    (void)arg;
    sluice_status status = runtime.ops->start(&runtime.role, &err);
    if (status != SLUICE_OK) {
        log_error("%s", err.text);
        runtime.phase = PHASE_FAILED;
        leave(status == SLUICE_CONFIG ? EX_CONFIG : EX_TEMPFAIL);
        return;
    }
    runtime.phase = PHASE_RUNNING;
    start_watchdog();
    pool_set_alarm(on_hung_pool);
    if (runtime.master != NULL)
        (void)channel_send_body(runtime.master, MESSAGE_READY, 0, SPAN_EMPTY); /* else it is gone */
    end_work();
}

static sluice_status take_start(struct error *err)
{
    if (runtime.config == NULL || runtime.phase != PHASE_BORN)
        return error_set(err, SLUICE_PERM, "the master's start makes no sense");
    if (list_listeners() != SLUICE_OK || task_start("start", start, NULL, NULL) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    runtime.phase = PHASE_STARTING;
    return SLUICE_OK;
}

/* It was asked for again and again until now. */
static void found_link(struct sluice_span peer)
{
    bool is_any_lost = false;

    for (size_t i = 0; i < PEERS; i++) {
        if (span_equal(peer, sluice_span_of(peers[i])))
            runtime.has_lost[i] = false;
        is_any_lost = is_any_lost || runtime.has_lost[i];
    }
    if (!is_any_lost)
        (void)uv_timer_stop(&runtime.relink); /* cannot fail */
}

static sluice_status take_link(struct channel_frame *frame, struct error *err)
{
    struct message_link link;

    if (runtime.phase < PHASE_RUNNING || frame->fd == -1 ||
        message_link_decode(frame->body, &link) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's link makes no sense");
    runtime.link_count++;
    found_link(link.role);
    runtime.ops->link(&runtime.role, &link, frame->fd);
    frame->fd = -1;
    return SLUICE_OK;
}

static sluice_status take_death(const struct channel_frame *frame, struct error *err)
{
    struct message_died died;

    if (runtime.phase < PHASE_RUNNING || message_died_decode(frame->body, &died) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's news of a death makes no sense");
    if (runtime.phase == PHASE_RUNNING && runtime.ops->died != NULL)
        runtime.ops->died(&runtime.role, &died);
    return SLUICE_OK;
}

bool role_isolate(const struct role *role, const char *crew)
{
    struct message_isolate isolate = {.is_wanted = crew != NULL,
                                      .crew = sluice_span_of(crew != NULL ? crew : "")};
    struct buffer body = BUFFER_INIT;

    assert(role == &runtime.role);
    message_isolate_encode(&isolate, &body);
    bool is_sent = runtime.master != NULL && !buffer_failed(&body) &&
                   channel_send_body(runtime.master, MESSAGE_ISOLATE, 0, buffer_span(&body)) ==
                       SLUICE_OK;
    buffer_done(&body);
    return is_sent;
}

static void leave_in_time(void *arg)
{
    int64_t limit_ms = config_number(runtime.config, "drain_timeout");

    (void)arg;
    if (task_sleep_until(clock_monotonic_ms() + limit_ms) == SLUICE_OK &&
        runtime.phase != PHASE_FINISHED)
        leave(EX_OK);
}

/* Who is replaced because of what hangs cannot wait for that to come to its end. */
static void bound_drain(void)
{
    if (runtime.is_replaced && task_start("leave in time", leave_in_time, NULL, NULL) != SLUICE_OK)
        leave(EX_OK);
}

/* A drain may be asked for again, with less grace. */
static void ask_for_end(enum ending ending)
{
    if (runtime.ending != ENDING_NONE && (ending != ENDING_DRAIN || runtime.ending != ending))
        return;
    runtime.ending = ending;
    if (runtime.phase == PHASE_BORN)
        leave(EX_OK); /* nothing is under way */
    else
        end_work();
}

static sluice_status take_handover(struct error *err)
{
    if (runtime.ops->handover == NULL)
        return error_set(err, SLUICE_PERM, "the master's handover makes no sense");
    ask_for_end(ENDING_HANDOVER);
    return SLUICE_OK;
}

void role_accuse(const struct role *role, const char *peer, unsigned peer_index,
                 int32_t peer_pid)
{
    struct message_link link = {
        .role = sluice_span_of(peer), .index = peer_index, .pid = peer_pid};
    struct buffer body = BUFFER_INIT;

    (void)role;
    message_link_encode(&link, &body);
    if (runtime.master != NULL && !buffer_failed(&body))
        (void)channel_send_body(runtime.master, MESSAGE_ACCUSE, 0,
                                buffer_span(&body)); /* or gone */
    buffer_done(&body);
}

/* The peer may have died: then it is the master who knows first. Else it is asked until a link comes. */
static void on_relink(uv_timer_t *timer)
{
    (void)timer;
    for (size_t i = 0; i < PEERS && runtime.master != NULL; i++) {
        if (runtime.has_lost[i])
            (void)channel_send_body(runtime.master, MESSAGE_RELINK, runtime.link_count,
                                    sluice_span_of(peers[i])); /* or next time */
    }
}

void role_link_lost(const char *peer)
{
    for (size_t i = 0; i < PEERS; i++)
        runtime.has_lost[i] = runtime.has_lost[i] || strcmp(peer, peers[i]) == 0;
    if (runtime.master != NULL)
        (void)uv_timer_start(&runtime.relink, on_relink, RELINK_MS, RELINK_MS); /* has a callback */
}

sluice_status role_ask_for_reload(const struct role *role, int asker_fd)
{
    sluice_status status = SLUICE_TEMP;

    assert(role == &runtime.role);
    if (runtime.master != NULL)
        status = channel_send(runtime.master, MESSAGE_RELOAD, 0, NULL, 0, asker_fd);
    (void)close(asker_fd); /* the channel has its own */
    return status;
}

static sluice_status take_reloaded(struct channel_frame *frame, struct error *err)
{
    struct message_reloaded answer;

    if (runtime.ops->reloaded == NULL || runtime.phase < PHASE_RUNNING || frame->fd == -1 ||
        message_reloaded_decode(frame->body, &answer) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's answer makes no sense");
    if (runtime.phase == PHASE_FINISHED)
        return SLUICE_OK; /* the asker sees that there is no answer */
    runtime.ops->reloaded(&runtime.role, &answer, frame->fd);
    frame->fd = -1;
    return SLUICE_OK;
}

void role_finished(struct role *role)
{
    assert(role == &runtime.role);
    runtime.phase = PHASE_FINISHED;
    leave(EX_OK);
}

/* The process leaves when the master has the frame and closes the channel. */
void role_handed_over(struct role *role, int fd)
{
    assert(role == &runtime.role);
    runtime.phase = PHASE_FINISHED;
    if (runtime.master == NULL ||
        channel_send(runtime.master, MESSAGE_HANDED_OVER, 0, NULL, 0, fd) != SLUICE_OK)
        leave(EX_TEMPFAIL); /* for the master we have crashed */
    if (fd != -1)
        (void)close(fd); /* the channel has its own */
}

/* ---- the master ------------------------------------------------------------------------------ */

static sluice_status take_frame(struct channel_frame *frame, struct error *err)
{
    sluice_status status = SLUICE_OK;

    switch (frame->type) {
    case MESSAGE_SETUP:
        return take_setup(frame, err);
    case MESSAGE_PLUGIN:
        status = handed_add(&runtime.plugins, frame);
        break;
    case MESSAGE_LISTENER:
        status = handed_add(&runtime.addresses, frame);
        break;
    case MESSAGE_LOG_FILE:
        take_log_file(frame);
        break;
    case MESSAGE_SHARED:
        status = handed_add(&runtime.shared, frame);
        break;
    case MESSAGE_START:
        return take_start(err);
    case MESSAGE_LINK:
        return take_link(frame, err);
    case MESSAGE_DIED:
        return take_death(frame, err);
    case MESSAGE_DRAIN:
        runtime.role.drain_grace_ms = (int64_t)frame->ref;
        bound_drain();
        ask_for_end(ENDING_DRAIN);
        break;
    case MESSAGE_PING:
        if (runtime.master != NULL)
            (void)channel_send_body(runtime.master, MESSAGE_PONG, frame->ref,
                                    SPAN_EMPTY); /* or the master takes us for dead */
        break;
    case MESSAGE_HANDOVER:
        return take_handover(err);
    case MESSAGE_INHERIT:
        return take_inheritance(frame, err);
    case MESSAGE_RELOADED:
        return take_reloaded(frame, err);
    default:
        return error_set(err, SLUICE_PERM, "the master's frame %u makes no sense", frame->type);
    }
    return status == SLUICE_OK ? status : error_set(err, status, "out of memory");
}

static void on_frame(struct channel *channel, struct channel_frame *frame, void *user)
{
    struct error err = ERROR_INIT;

    (void)channel;
    (void)user;
    if (take_frame(frame, &err) == SLUICE_OK)
        return;
    log_error("%s", err.text);
    leave(EX_SOFTWARE);
}

/* Without this a task that hangs would keep the process for ever. */
static void leave_soon(void *arg)
{
    (void)arg;
    if (task_sleep_until(clock_monotonic_ms() + ROLE_ORPHAN_MS) == SLUICE_OK)
        leave(EX_TEMPFAIL);
}

static void drain_at_once(void)
{
    runtime.role.drain_grace_ms = 0;
    ask_for_end(ENDING_DRAIN);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)user;
    channel_free(channel);
    runtime.master = NULL;
    if (runtime.phase == PHASE_FINISHED) {
        leave(runtime.exit_status);
        return;
    }
    log_warning("%s: finishing what is under way", reason);
    if (runtime.phase != PHASE_RUNNING ||
        task_start("leave soon", leave_soon, NULL, NULL) != SLUICE_OK)
        leave(EX_TEMPFAIL);
    else
        drain_at_once();
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Else malloc gives the end of the heap back behind each message and takes it again for the next: half
 * a brk() a message, and page faults. Fails without harm. */
static void prepare_heap(void)
{
#ifdef M_TRIM_THRESHOLD
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_KEPT); /* the first one ends its adapting itself */
#endif
}

/* Who waits for some time at random, as plugins do before they try a server again, shall not do so at the
 * same moment as all other processes, here and elsewhere. */
static void prepare_chance(void)
{
    unsigned seed;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (unsigned)getpid();
    srandom(seed);
}

static void prepare_process(const char *name)
{
    char process[PROCESS_NAME_SIZE];

    prepare_heap();
    prepare_chance();
    (void)snprintf(process, sizeof(process), "sluice-%s", name); /* cut is fine */
    (void)prctl(PR_SET_NAME, process);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Whoever a plugin may execute gets neither. */
    (void)fcntl(ROLE_MASTER_FD, F_SETFD, FD_CLOEXEC);
    (void)fcntl(ROLE_LOCK_FD, F_SETFD, FD_CLOEXEC);
    if (fcntl(ROLE_WORDS_FD, F_SETFD, FD_CLOEXEC) == 0)
        crash_set_words(ROLE_WORDS_FD);
}

static void free_runtime(void)
{
    channel_free(runtime.master);
    runtime.master = NULL;
    uv_close((uv_handle_t *)&runtime.relink, NULL);
    task_loop_done();
    handed_done(&runtime.plugins);
    handed_done(&runtime.addresses);
    handed_done(&runtime.shared);
    if (runtime.inherited_fd != -1)
        (void)close(runtime.inherited_fd); /* only read */
    free(runtime.listeners);
    free(runtime.crew);
    config_close(runtime.config);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* nothing is left to hide from leak checkers */
    if (runtime.is_log_started)
        log_stop();
}

/* After a start or a drain that did not end tasks are in the middle of things, and nothing can be
 * freed. */
static void leave_as_it_is(void)
{
    log_error("leaving what is under way as it is");
    log_stop();
    _exit(runtime.exit_status);
}

int role_run(const struct role_ops *ops)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};

    runtime.ops = ops;
    runtime.role.name = ops->name;
    prepare_process(ops->name);
    if (ops->is_awaited)
        slice_ask_short();
    if (task_loop_init() != SLUICE_OK)
        return EX_OSERR;
    (void)uv_timer_init(task_loop(), &runtime.relink); /* cannot fail */
    if (channel_new(ROLE_MASTER_FD, "master", &handlers, NULL, &runtime.master) != SLUICE_OK) {
        uv_close((uv_handle_t *)&runtime.relink, NULL);
        task_loop_done();
        log_error("no channel to the master: roles are started by the master alone");
        return EX_USAGE;
    }
    task_loop_run();
    watchdog_stop();
    pool_set_alarm(NULL);
    if (runtime.phase == PHASE_STARTING || runtime.phase == PHASE_RUNNING)
        leave_as_it_is();
    if (runtime.phase != PHASE_BORN)
        ops->stop(&runtime.role);
    free_runtime();
    return runtime.exit_status;
}
