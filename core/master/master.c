/* SPDX-License-Identifier: ISC */
/*
 * master: start, wait, drain: one after the other on a task, with signals as the only interruption.
 *
 * Start and drain are phases, tasks of their own that a signal may cancel: SIGTERM ends a start, a
 * second SIGTERM ends a drain. timeout(1) and service managers tell a process and its group, so that
 * one wish comes twice: what comes within AGAIN_MS of the first is no second one.
 */
#include "master/master.h"

#include "base/clock.h"
#include "config/config.h"
#include "master/children.h"
#include "master/daemon.h"
#include "master/folders.h"
#include "master/generation.h"
#include "master/landlock.h"
#include "master/listeners.h"
#include "master/local.h"
#include "master/lock.h"
#include "master/outlet.h"
#include "master/process.h"
#include "task/task.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#define PROCESSES_MAX 64 /* of one role */
#define AGAIN_MS 1000
#define QUEUE_DRAIN_MS 10000 /* queue's own, after deliver has had all of drain_timeout */

static const int watched_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define WATCHED_COUNT (sizeof(watched_signals) / sizeof(watched_signals[0]))

struct master;

/* A part of the master's life that a signal may cut short. */
struct phase {
    void (*run)(struct master *master);
    struct task *task; /* NULL: over */
    bool is_drain;
};

struct master {
    const struct master_options *options;
    int report_fd; /* daemon.h */
    int exit_status;
    int64_t stopped_ms;        /* when we were told to stop; 0: we were not */
    struct task_queue changed; /* a signal came, a phase is over */
    struct phase *phase;
    uv_signal_t signals[WATCHED_COUNT];

    struct outlet outlet;
    struct generation generation;
    struct config *config;
    struct lock lock;
    struct listeners listeners;
    struct shared shared;
    int ruleset;
    struct children_setup setup;
    struct children *children;
};

static bool is_stopping(const struct master *master)
{
    return master->stopped_ms != 0;
}

/* ---- failing --------------------------------------------------------------------------------- */

/* Says why there will be no daemon; an empty text has been said by check. */
static void fail(struct master *master, int exit_status, const struct error *err)
{
    master->exit_status = exit_status;
    if (is_stopping(master)) {
        master->exit_status = EX_OK; /* it was told to */
        return;
    }
    if (err->text[0] == '\0')
        return;
    log_error("%s", err->text);
    if (!master->options->is_foreground)
        (void)fprintf(stderr, "sluiced: %s\n", err->text); /* the log is not the terminal */
}

/* ---- start ----------------------------------------------------------------------------------- */

static unsigned process_count(const struct master *master, const char *parameter)
{
    int64_t wanted = config_number(master->config, parameter);
    cpu_set_t cpus;

    if (wanted == 0)
        wanted = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return wanted < PROCESSES_MAX ? (unsigned)wanted : PROCESSES_MAX;
}

static sluice_status load_generation(struct master *master, struct error *err)
{
    sluice_status status = generation_check(&master->generation, master->options->config_path, err);

    if (status == SLUICE_OK)
        status = config_open(generation_role(&master->generation, "master")->snapshot_fd,
                             &master->config, err);
    if (status != SLUICE_OK)
        return status;
    return outlet_configure(&master->outlet, master->config, err);
}

static sluice_status find_owners(struct master *master, struct error *err)
{
    static const char *const parameters[] = {"mail_owner", "network_owner"};
    struct privileges *owners[] = {&master->setup.queue_owner, &master->setup.network_owner};

    for (size_t i = 0; i < 2; i++) {
        sluice_status status =
            privileges_find(config_text(master->config, parameters[i]), owners[i], err);
        if (status != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(master->config, parameters[i]),
                         parameters[i]);
            return status;
        }
    }
    return SLUICE_OK;
}

/* The files that a role opens again by its descriptors, wherever they are by then. */
static sluice_status allow_files(struct master *master, const struct generation_role *role,
                                 struct error *err)
{
    sluice_status status = SLUICE_OK;

    for (size_t i = 0; i < role->plugin_count && status == SLUICE_OK; i++)
        status = landlock_allow(master->ruleset, role->plugins[i].fd, err);
    return status;
}

/* What one role's configuration needs in spite of the closed folder. */
static sluice_status allow_role(struct master *master, const char *name, bool *is_readable,
                                struct error *err)
{
    const struct generation_role *role = generation_role(&master->generation, name);
    const char *folder = config_text(master->config, "queue_directory");
    struct config *config;
    sluice_status status = config_open(role->snapshot_fd, &config, err);

    if (status != SLUICE_OK)
        return status;
    status = landlock_allow_tables(master->ruleset, folder, config, is_readable, err);
    config_close(config);
    return status == SLUICE_OK ? allow_files(master, role, err) : status;
}

/* A machine without Landlock has the two users; that is said, and not an error. */
static sluice_status close_queue_folder(struct master *master, struct error *err)
{
    const char *folder = config_text(master->config, "queue_directory");
    bool is_readable = false;
    sluice_status status = landlock_new(folder, &master->ruleset, err);

    if (status == SLUICE_UNSUPPORTED) {
        log_warning("Landlock: %s; only its owner and mode close %s", err->text, folder);
        return SLUICE_OK;
    }
    if (status == SLUICE_OK)
        status = landlock_allow(master->ruleset, processes_executable(), err);
    if (status == SLUICE_OK)
        status = allow_role(master, "receive", &is_readable, err);
    if (status == SLUICE_OK)
        status = allow_role(master, "deliver", &is_readable, err);
    if (status == SLUICE_OK && is_readable)
        log_notice("%s lies below the folder of a table: Landlock closes it to writing only",
                   folder);
    return status;
}

static sluice_status start_roles(struct master *master, struct error *err)
{
    sluice_status status;

    master->setup.generation = &master->generation;
    master->setup.lock_fd = master->lock.fd;
    master->setup.ruleset = master->ruleset;
    master->setup.listeners = master->listeners.list;
    master->setup.listener_count = master->listeners.count;
    master->setup.shared = &master->shared;
    if (children_new(&master->setup, &master->children) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    status = children_start(master->children, "queue", 1, err);
    if (status == SLUICE_OK)
        status = children_start(master->children, "deliver",
                                process_count(master, "deliver_processes"), err);
    if (status == SLUICE_OK)
        status = children_start(master->children, "receive",
                                process_count(master, "receive_processes"), err);
    return status;
}

static void start(struct master *master)
{
    struct error err = ERROR_INIT;
    int failure = EX_TEMPFAIL;

    sluice_status status = load_generation(master, &err);
    if (status == SLUICE_OK)
        status = find_owners(master, &err);
    if (status == SLUICE_OK)
        status = folders_make(master->config, &master->setup.queue_owner, &err);
    if (status == SLUICE_OK)
        status = lock_take(config_text(master->config, "run_directory"), &master->lock, &err);
    if (status == SLUICE_OK) {
        status = listeners_open(master->config, &master->listeners, &err);
        failure = EX_OSERR;
    }
    if (status == SLUICE_OK)
        status = local_open(master->config, &master->setup.network_owner, &master->listeners, &err);
    if (status == SLUICE_OK)
        status = shared_open(&master->shared, &err);
    if (status == SLUICE_OK) {
        status = close_queue_folder(master, &err);
        failure = EX_TEMPFAIL;
    }
    if (status == SLUICE_OK)
        status = start_roles(master, &err);
    if (status != SLUICE_OK)
        fail(master, status == SLUICE_CONFIG ? EX_CONFIG : failure, &err);
}

/* ---- drain ----------------------------------------------------------------------------------- */

/*
 * Receive first, so that nothing new comes in; queue last, so that every result is recorded. Who is
 * late is killed before queue is asked, which then has a time of its own.
 */
static void drain(struct master *master)
{
    static const char *const order[] = {"receive", "deliver"};
    int64_t deadline_ms = clock_monotonic_ms() + config_number(master->config, "drain_timeout");

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (children_drain(master->children, order[i], deadline_ms) == SLUICE_OK)
            continue;
        if (task_is_cancelled())
            return;
        children_kill(master->children, order[i]);
    }
    if (deadline_ms < clock_monotonic_ms() + QUEUE_DRAIN_MS)
        deadline_ms = clock_monotonic_ms() + QUEUE_DRAIN_MS;
    (void)children_drain(master->children, "queue", deadline_ms);
}

/* ---- phases and signals ---------------------------------------------------------------------- */

static void phase_task(void *arg)
{
    struct master *master = arg;

    master->phase->run(master);
    master->phase->task = NULL;
    task_queue_wake_all(&master->changed);
}

static void run_phase(struct master *master, struct phase *phase)
{
    struct error err = ERROR_INIT;

    master->phase = phase;
    if (task_start("phase", phase_task, master, &phase->task) != SLUICE_OK) {
        (void)error_set(&err, SLUICE_TEMP, "out of memory");
        fail(master, EX_OSERR, &err);
    }
    while (phase->task != NULL)
        (void)task_queue_wait(&master->changed, CLOCK_NEVER); /* it comes to its end */
    master->phase = NULL;
}

static void cancel_phase(struct master *master)
{
    if (master->phase != NULL && master->phase->task != NULL)
        task_cancel(master->phase->task);
}

static void stop(struct master *master, const char *signal)
{
    log_notice("%s: finishing what is under way", signal);
    master->stopped_ms = clock_monotonic_ms();
    daemon_notify("STOPPING=1");
    if (master->phase != NULL && !master->phase->is_drain)
        cancel_phase(master);
    task_queue_wake_all(&master->changed);
}

static void stop_at_once(struct master *master, const char *signal)
{
    if (clock_monotonic_ms() - master->stopped_ms < AGAIN_MS)
        return;
    log_notice("%s: leaving at once", signal);
    cancel_phase(master);
}

static void on_signal(uv_signal_t *handle, int number)
{
    const char *signal = number == SIGINT ? "SIGINT" : "SIGTERM";

    if (number == SIGHUP)
        log_warning("SIGHUP: reload is not available yet, nothing has changed");
    else if (is_stopping(handle->data))
        stop_at_once(handle->data, signal);
    else
        stop(handle->data, signal);
}

static sluice_status watch_signals(struct master *master, struct error *err)
{
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        (void)uv_signal_init(task_loop(), &master->signals[i]); /* cannot fail a second time */
        master->signals[i].data = master;
        uv_unref((uv_handle_t *)&master->signals[i]);
        int error = uv_signal_start(&master->signals[i], on_signal, watched_signals[i]);
        if (error != 0)
            return error_set(err, SLUICE_TEMP, "watch for signals: %s", uv_strerror(error));
    }
    return SLUICE_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void be_ready(struct master *master)
{
    log_notice("ready, pid %ld", (long)getpid());
    daemon_notify("READY=1");
    daemon_report(master->report_fd, EX_OK);
    master->report_fd = -1;
}

static void give_back(struct master *master)
{
    children_free(master->children);
    shared_close(&master->shared);
    listeners_close(&master->listeners);
    if (master->ruleset != -1)
        (void)close(master->ruleset); /* in the kernel */
    lock_release(&master->lock);
    config_close(master->config);
    generation_done(&master->generation);
}

static void live(void *arg)
{
    struct master *master = arg;
    struct phase start_phase = {.run = start};
    struct phase drain_phase = {.run = drain, .is_drain = true};

    if (outlet_watch(&master->outlet) != SLUICE_OK)
        log_warning("out of memory: a log file that is renamed will not be noticed");
    run_phase(master, &start_phase);
    bool is_up = master->exit_status == EX_OK;
    if (is_up && !is_stopping(master))
        be_ready(master);
    while (is_up && !is_stopping(master))
        (void)task_queue_wait(&master->changed, CLOCK_NEVER); /* there is no end but that */
    if (master->children != NULL)
        run_phase(master, &drain_phase);
    give_back(master);
    outlet_unwatch(&master->outlet);
    task_loop_stop();
}

static void log_renewed(void *user)
{
    struct master *master = user;

    master->setup.log_target = master->outlet.settings.target;
    master->setup.log_fd = master->outlet.file_fd;
    if (master->children != NULL)
        children_renew_log(master->children);
}

/* As many descriptors as the machine lets us have, for the roles too. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* else with those that there are */
    }
}

static void run_loop(struct master *master)
{
    struct error err = ERROR_INIT;
    sluice_status status = processes_init(&err);

    if (status == SLUICE_OK)
        status = watch_signals(master, &err);
    if (status == SLUICE_OK && task_start("master", live, master, NULL) != SLUICE_OK)
        status = error_set(&err, SLUICE_TEMP, "out of memory");
    if (status != SLUICE_OK) {
        fail(master, EX_OSERR, &err);
        return;
    }
    task_loop_run();
    for (size_t i = 0; i < WATCHED_COUNT; i++)
        uv_close((uv_handle_t *)&master->signals[i], NULL);
    processes_done();
}

int master_run(const struct master_options *options)
{
    bool is_background = !options->is_foreground;
    struct master master = {.options = options, .report_fd = -1, .ruleset = -1};

    if (is_background && (master.report_fd = daemon_detach()) == -1) {
        (void)fprintf(stderr, "sluiced: cannot go into the background: %s\n", strerror(errno));
        return EX_OSERR;
    }
    (void)umask(022);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_limits();
    master.setup.is_output_logged = is_background;
    outlet_start(&master.outlet, !is_background, log_renewed, &master);
    generation_init(&master.generation, 1);
    if (task_loop_init() == SLUICE_OK) {
        run_loop(&master);
        task_loop_done();
    } else {
        (void)fprintf(stderr, "sluiced: no event loop\n");
        master.exit_status = EX_OSERR;
    }
    outlet_stop(&master.outlet);
    daemon_report(master.report_fd, master.exit_status);
    return master.exit_status;
}
