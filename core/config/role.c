/* SPDX-License-Identifier: ISC */
/*
 * role: the frames of the master, and what follows from them.
 */
#include "config/role_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "config/logging.h"
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

#define PROCESS_NAME_SIZE 16 /* prctl's */
#define HEAP_KEPT (1024 * 1024)

struct role_runtime role_runtime = {.log_fd = -1, .inherited_fd = -1};

static void leave(int exit_status)
{
    role_runtime.exit_status = exit_status;
    task_loop_stop();
}

/* ---- what is handed down --------------------------------------------------------------------- */

int role_plugin_fd(const char *plugin)
{
    return handed_find(&role_runtime.plugins, plugin);
}

int role_inherited_fd(void)
{
    return role_runtime.inherited_fd;
}

void role_close_listeners(struct role *role)
{
    assert(role == &role_runtime.role);
    role->listener_count = 0;
    handed_done(&role_runtime.addresses);
}

void *role_shared_memory(const char *name, size_t *ret_size)
{
    return handed_map(&role_runtime.shared, name, PROT_READ | PROT_WRITE, ret_size);
}

const void *role_shared_view(const char *name, size_t *ret_size)
{
    return handed_map(&role_runtime.shared, name, PROT_READ, ret_size);
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
    if (role_runtime.is_log_started && frame->fd != -1)
        log_set_file(frame->fd);
    else
        role_runtime.log_fd = frame->fd;
    frame->fd = -1;
}

/* A crew's user may have other programs, which could look into a process of theirs: it has deliver's
 * secrets, and mail. */
static sluice_status take_setup(const struct channel_frame *frame, struct error *err)
{
    struct log_settings settings = {.max_level = LOG_LEVEL_INFO, .file_fd = role_runtime.log_fd};
    struct message_setup setup;

    if (role_runtime.config != NULL || frame->fd == -1 ||
        message_setup_decode(frame->body, &setup) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's setup makes no sense");
    sluice_status status = config_open(frame->fd, &role_runtime.config, err);
    if (status == SLUICE_OK)
        logging_configure(role_runtime.config, &settings);
    settings.target = (enum log_target)setup.log_target;
    log_start(logging_component(role_runtime.ops->name), &settings);
    role_runtime.is_log_started = true;
    role_runtime.role.generation = setup.generation;
    role_runtime.role.index = setup.index;
    role_runtime.crew = span_dup(setup.crew);
    role_runtime.role.crew = role_runtime.crew;
    if (role_runtime.crew == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    if (role_runtime.crew[0] != '\0')
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail */
    role_runtime.role.config = role_runtime.config;
    return status;
}

static sluice_status take_inheritance(struct channel_frame *frame, struct error *err)
{
    if (role_runtime.phase != PHASE_BORN || frame->fd == -1 || role_runtime.inherited_fd != -1)
        return error_set(err, SLUICE_PERM, "the master's inheritance makes no sense");
    role_runtime.inherited_fd = frame->fd;
    frame->fd = -1;
    return SLUICE_OK;
}

/* The listeners as the role sees them. */
static sluice_status list_listeners(void)
{
    size_t count = role_runtime.addresses.count;

    role_runtime.listeners = calloc(count + 1, sizeof(*role_runtime.listeners));
    if (role_runtime.listeners == NULL)
        return SLUICE_TEMP;
    for (size_t i = 0; i < count; i++) {
        role_runtime.listeners[i].address = role_runtime.addresses.items[i].name;
        role_runtime.listeners[i].fd = role_runtime.addresses.items[i].fd;
    }
    role_runtime.role.listeners = role_runtime.listeners;
    role_runtime.role.listener_count = count;
    return SLUICE_OK;
}

/* ---- start and end --------------------------------------------------------------------------- */

/* What has been asked for, once start() has returned. */
static void end_work(void)
{
    if (role_runtime.phase != PHASE_RUNNING)
        return;
    if (role_runtime.ending == ENDING_DRAIN)
        role_runtime.ops->drain(&role_runtime.role);
    else if (role_runtime.ending == ENDING_HANDOVER)
        role_runtime.ops->handover(&role_runtime.role);
}

/* From now on nothing may hold the loop; while starting plugins may take their time to open. */
static void start_watchdog(void)
{
    int64_t limit_ms = config_number(role_runtime.config, "loop_timeout");

    if (limit_ms > 0 && watchdog_start(limit_ms) != SLUICE_OK)
        log_warning("no memory for a watchdog");
}

static void start(void *arg)
{
    struct error err = ERROR_INIT;

    (void)arg;
    sluice_status status = role_runtime.ops->start(&role_runtime.role, &err);
    if (status != SLUICE_OK) {
        log_error("%s", err.text);
        role_runtime.phase = PHASE_FAILED;
        leave(status == SLUICE_CONFIG ? EX_CONFIG : EX_TEMPFAIL);
        return;
    }
    role_runtime.phase = PHASE_RUNNING;
    start_watchdog();
    pool_set_alarm(role_ask_for_another);
    if (role_runtime.master != NULL)
        (void)channel_send_body(role_runtime.master, MESSAGE_READY, 0,
                                SPAN_EMPTY); /* else it is gone */
    end_work();
}

static sluice_status take_start(struct error *err)
{
    if (role_runtime.config == NULL || role_runtime.phase != PHASE_BORN)
        return error_set(err, SLUICE_PERM, "the master's start makes no sense");
    if (list_listeners() != SLUICE_OK || task_start("start", start, NULL, NULL) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role_runtime.phase = PHASE_STARTING;
    return SLUICE_OK;
}

static sluice_status take_link(struct channel_frame *frame, struct error *err)
{
    struct message_link link;

    if (role_runtime.phase < PHASE_RUNNING || frame->fd == -1 ||
        message_link_decode(frame->body, &link) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's link makes no sense");
    role_runtime.link_count++;
    role_link_found(link.role);
    role_runtime.ops->link(&role_runtime.role, &link, frame->fd);
    frame->fd = -1;
    return SLUICE_OK;
}

static sluice_status take_death(const struct channel_frame *frame, struct error *err)
{
    struct message_died died;

    if (role_runtime.phase < PHASE_RUNNING || message_died_decode(frame->body, &died) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's news of a death makes no sense");
    if (role_runtime.phase == PHASE_RUNNING && role_runtime.ops->died != NULL)
        role_runtime.ops->died(&role_runtime.role, &died);
    return SLUICE_OK;
}

static void leave_in_time(void *arg)
{
    int64_t limit_ms = config_number(role_runtime.config, "drain_timeout");

    (void)arg;
    if (task_sleep_until(clock_monotonic_ms() + limit_ms) == SLUICE_OK &&
        role_runtime.phase != PHASE_FINISHED)
        leave(EX_OK);
}

/* Who is replaced because of what hangs cannot wait for that to come to its end. */
static void bound_drain(void)
{
    if (role_runtime.is_replaced &&
        task_start("leave in time", leave_in_time, NULL, NULL) != SLUICE_OK)
        leave(EX_OK);
}

/* A drain may be asked for again, with less grace. */
static void ask_for_end(enum role_ending ending)
{
    if (role_runtime.ending != ENDING_NONE &&
        (ending != ENDING_DRAIN || role_runtime.ending != ending))
        return;
    role_runtime.ending = ending;
    if (role_runtime.phase == PHASE_BORN)
        leave(EX_OK); /* nothing is under way */
    else
        end_work();
}

static sluice_status take_handover(struct error *err)
{
    if (role_runtime.ops->handover == NULL)
        return error_set(err, SLUICE_PERM, "the master's handover makes no sense");
    ask_for_end(ENDING_HANDOVER);
    return SLUICE_OK;
}

static sluice_status take_reloaded(struct channel_frame *frame, struct error *err)
{
    struct message_reloaded answer;

    if (role_runtime.ops->reloaded == NULL || role_runtime.phase < PHASE_RUNNING ||
        frame->fd == -1 || message_reloaded_decode(frame->body, &answer) != SLUICE_OK)
        return error_set(err, SLUICE_PERM, "the master's answer makes no sense");
    if (role_runtime.phase == PHASE_FINISHED)
        return SLUICE_OK; /* the asker sees that there is no answer */
    role_runtime.ops->reloaded(&role_runtime.role, &answer, frame->fd);
    frame->fd = -1;
    return SLUICE_OK;
}

void role_finished(struct role *role)
{
    assert(role == &role_runtime.role);
    role_runtime.phase = PHASE_FINISHED;
    leave(EX_OK);
}

/* The process leaves when the master has the frame and closes the channel. */
void role_handed_over(struct role *role, int fd)
{
    assert(role == &role_runtime.role);
    role_runtime.phase = PHASE_FINISHED;
    if (role_runtime.master == NULL ||
        channel_send(role_runtime.master, MESSAGE_HANDED_OVER, 0, NULL, 0, fd) != SLUICE_OK)
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
        status = handed_add(&role_runtime.plugins, frame);
        break;
    case MESSAGE_LISTENER:
        status = handed_add(&role_runtime.addresses, frame);
        break;
    case MESSAGE_LOG_FILE:
        take_log_file(frame);
        break;
    case MESSAGE_SHARED:
        status = handed_add(&role_runtime.shared, frame);
        break;
    case MESSAGE_START:
        return take_start(err);
    case MESSAGE_LINK:
        return take_link(frame, err);
    case MESSAGE_DIED:
        return take_death(frame, err);
    case MESSAGE_DRAIN:
        role_runtime.role.drain_grace_ms = (int64_t)frame->ref;
        bound_drain();
        ask_for_end(ENDING_DRAIN);
        break;
    case MESSAGE_PING:
        if (role_runtime.master != NULL)
            (void)channel_send_body(role_runtime.master, MESSAGE_PONG, frame->ref,
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
    role_runtime.role.drain_grace_ms = 0;
    ask_for_end(ENDING_DRAIN);
}

static void on_closed(struct channel *channel, const char *reason, void *user)
{
    (void)user;
    channel_free(channel);
    role_runtime.master = NULL;
    if (role_runtime.phase == PHASE_FINISHED) {
        leave(role_runtime.exit_status);
        return;
    }
    log_warning("%s: finishing what is under way", reason);
    if (role_runtime.phase != PHASE_RUNNING ||
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
    channel_free(role_runtime.master);
    role_runtime.master = NULL;
    uv_close((uv_handle_t *)&role_runtime.relink, NULL);
    task_loop_done();
    handed_done(&role_runtime.plugins);
    handed_done(&role_runtime.addresses);
    handed_done(&role_runtime.shared);
    if (role_runtime.inherited_fd != -1)
        (void)close(role_runtime.inherited_fd); /* only read */
    free(role_runtime.listeners);
    free(role_runtime.crew);
    config_close(role_runtime.config);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* nothing is left to hide from leak checkers */
    if (role_runtime.is_log_started)
        log_stop();
}

/* After a start or a drain that did not end tasks are in the middle of things, and nothing can be
 * freed. */
static void leave_as_it_is(void)
{
    log_error("leaving what is under way as it is");
    log_stop();
    _exit(role_runtime.exit_status);
}

int role_run(const struct role_ops *ops)
{
    static const struct channel_handlers handlers = {.frame = on_frame, .closed = on_closed};

    role_runtime.ops = ops;
    role_runtime.role.name = ops->name;
    prepare_process(ops->name);
    if (ops->is_awaited)
        slice_ask_short();
    if (task_loop_init() != SLUICE_OK)
        return EX_OSERR;
    (void)uv_timer_init(task_loop(), &role_runtime.relink); /* cannot fail */
    if (channel_new(ROLE_MASTER_FD, "master", &handlers, NULL, &role_runtime.master) != SLUICE_OK) {
        uv_close((uv_handle_t *)&role_runtime.relink, NULL);
        task_loop_done();
        log_error("no channel to the master: roles are started by the master alone");
        return EX_USAGE;
    }
    task_loop_run();
    watchdog_stop();
    pool_set_alarm(NULL);
    if (role_runtime.phase == PHASE_STARTING || role_runtime.phase == PHASE_RUNNING)
        leave_as_it_is();
    if (role_runtime.phase != PHASE_BORN)
        ops->stop(&role_runtime.role);
    free_runtime();
    return role_runtime.exit_status;
}
