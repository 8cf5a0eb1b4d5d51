/* SPDX-License-Identifier: ISC */
/*
 * master: start, reloads, drain: one after the other on a task, with signals as the only interruption.
 *
 * They are phases, tasks of their own that a signal may cancel: SIGTERM ends a start and the first half
 * of a reload, a second SIGTERM also the handover and a drain. timeout(1) and service managers tell a
 * process and its group, so that one wish comes twice: what comes within AGAIN_MS of the first is no
 * second one. Wishes for a reload that come during a reload are one more at its end.
 */
#include "master/master.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "config/config.h"
#include "master/askers.h"
#include "master/children.h"
#include "master/daemon.h"
#include "master/folders.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/local.h"
#include "master/lock.h"
#include "master/outlet.h"
#include "master/process.h"
#include "master/reload.h"
#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#define AGAIN_MS 1000
#define NOTIFY_SIZE 64
#define QUEUE_DRAIN_MS 10000 /* queue's own, after deliver has had all of drain_timeout */

static const int watched_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define WATCHED_COUNT (sizeof(watched_signals) / sizeof(watched_signals[0]))

struct master;

/* A part of the master's life that a signal may cut short. */
struct phase {
    void (*run)(struct master *master);
    struct task *task; /* NULL: over */
    bool is_patient;   /* only a second signal cancels it */
};

struct master {
    const struct master_options *options;
    int report_fd; /* daemon.h */
    int exit_status;
    int64_t stopped_ms;        /* when we were told to stop; 0: we were not */
    bool is_reload_wanted;
    struct askers askers;      /* of the reload that is wanted */
    struct task_queue changed; /* a signal came, a phase is over */
    struct phase *phase;
    struct reload *reload; /* under way */
    uint64_t generation_count;
    uv_signal_t signals[WATCHED_COUNT];

    struct outlet outlet;
    struct generation *generation; /* the present one */
    struct lock lock;
    struct shared shared;
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

static sluice_status load_generation(struct master *master, struct error *err)
{
    if (generation_new(++master->generation_count, &master->generation) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    sluice_status status = generation_check(master->generation, master->options->config_path,
                                            CLOCK_NEVER, NULL, err);
    if (status == SLUICE_OK)
        status = outlet_configure(&master->outlet, master->generation->config, err);
    return status;
}

static sluice_status find_owners(struct master *master, struct error *err)
{
    static const char *const parameters[] = {"mail_owner", "network_owner"};
    struct privileges *owners[] = {&master->setup.queue_owner, &master->setup.network_owner};
    const struct config *config = master->generation->config;

    for (size_t i = 0; i < 2; i++) {
        sluice_status status =
            privileges_find(config_text(config, parameters[i]), owners[i], err);
        if (status != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(config, parameters[i]), parameters[i]);
            return status;
        }
    }
    return SLUICE_OK;
}

static sluice_status take_folders(struct master *master, struct error *err)
{
    const struct config *config = master->generation->config;
    sluice_status status = find_owners(master, err);

    if (status == SLUICE_OK)
        status = folders_make(config, &master->setup.queue_owner,
                              &master->setup.network_owner, err);
    if (status == SLUICE_OK)
        status = lock_take(config_text(config, "run_directory"), &master->lock, err);
    return status;
}

static sluice_status open_listeners(struct master *master, struct error *err)
{
    struct generation *generation = master->generation;
    const char *folder = config_text(generation->config, "run_directory");
    sluice_status status = listeners_open(generation->config, NULL, &generation->listeners, err);

    if (status == SLUICE_OK)
        status = local_open(generation->config, &master->setup.network_owner,
                            &generation->listeners, err);
    if (status == SLUICE_OK)
        status = local_open_socket(folder, "control", &master->setup.control_fd, err);
    return status;
}

static void start_metrics(const struct master *master)
{
    size_t size = 0;
    void *memory = shared_map(&master->shared, "metrics", &size);

    metrics_attach(memory, size);
    metric_set(metric_get(METRIC_BUILD_INFO, SLUICE_VERSION, NULL, NULL), 1);
    metric_set(metric_get(METRIC_START_TIME, NULL, NULL, NULL), (uint64_t)clock_wall_ms() / 1000);
}

static sluice_status start_roles(struct master *master, struct error *err)
{
    sluice_status status;

    master->setup.lock_fd = master->lock.fd;
    master->setup.shared = &master->shared;
    if (children_new(&master->setup, &master->children) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    status =
        children_start(master->children, master->generation, "queue", 1, CLOCK_NEVER, err);
    return status == SLUICE_OK ? reload_start_workers(master->children, master->generation,
                                                      CLOCK_NEVER, err)
                               : status;
}

static void start(struct master *master)
{
    struct error err = ERROR_INIT;
    int failure = EX_TEMPFAIL;

    sluice_status status = load_generation(master, &err);
    if (status == SLUICE_OK)
        status = take_folders(master, &err);
    if (status == SLUICE_OK) {
        status = open_listeners(master, &err);
        failure = EX_OSERR;
    }
    if (status == SLUICE_OK)
        status = shared_open(&master->shared, &err);
    if (status == SLUICE_OK)
        start_metrics(master);
    if (status == SLUICE_OK) {
        status = generation_close_folder(master->generation, &err);
        failure = EX_TEMPFAIL;
    }
    if (status == SLUICE_OK)
        status = start_roles(master, &err);
    if (status != SLUICE_OK)
        fail(master, status == SLUICE_CONFIG ? EX_CONFIG : failure, &err);
}

/* ---- drain ----------------------------------------------------------------------------------- */

/*
 * Receive first, so that nothing new comes in; lookup when nobody is left who asks it; queue last, so that
 * every result is recorded. Who is late is killed before queue is asked, which then has a time of its own.
 */
static void drain(struct master *master)
{
    static const char *const order[] = {"receive", "deliver", "lookup"};
    int64_t deadline_ms =
        clock_monotonic_ms() + config_number(master->generation->config, "drain_timeout");

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
    (void)children_drain(master->children, "metrics", deadline_ms);
}

/* ---- phases and signals ---------------------------------------------------------------------- */

static void phase_task(void *arg)
{
    struct master *master = arg;

    master->phase->run(master);
    master->phase->task = NULL;
    task_queue_wake_all(&master->changed);
}

/* TEMP: it has not begun. */
static sluice_status run_phase(struct master *master, struct phase *phase)
{
    master->phase = phase;
    if (task_start("phase", phase_task, master, &phase->task) != SLUICE_OK) {
        master->phase = NULL;
        return SLUICE_TEMP;
    }
    while (phase->task != NULL)
        (void)task_queue_wait(&master->changed, CLOCK_NEVER); /* it comes to its end */
    master->phase = NULL;
    return SLUICE_OK;
}

/* A start or a drain. */
static void run_or_fail(struct master *master, struct phase *phase)
{
    struct error err = ERROR_INIT;

    if (run_phase(master, phase) == SLUICE_OK)
        return;
    (void)error_set(&err, SLUICE_TEMP, "out of memory");
    fail(master, EX_OSERR, &err);
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
    if (master->phase != NULL && !master->phase->is_patient)
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

static void ask_for_reload(struct master *master)
{
    master->is_reload_wanted = true;
    task_queue_wake_all(&master->changed);
}

/* From a control command; takes the connection over. */
static void on_asker(void *user, int asker_fd)
{
    struct master *master = user;

    askers_add(&master->askers, asker_fd);
    ask_for_reload(master);
}

static void on_signal(uv_signal_t *handle, int number)
{
    const char *signal = number == SIGINT ? "SIGINT" : "SIGTERM";

    if (number == SIGHUP)
        ask_for_reload(handle->data);
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

/* ---- reload ---------------------------------------------------------------------------------- */

static void prepare_reload(struct master *master)
{
    reload_prepare(master->reload);
}

static void hand_over(struct master *master)
{
    reload_hand_over(master->reload);
}

static void run_reload(struct master *master)
{
    struct reload *reload = master->reload;
    struct phase prepare_phase = {.run = prepare_reload};
    struct phase handover_phase = {.run = hand_over, .is_patient = true};

    if (run_phase(master, &prepare_phase) != SLUICE_OK)
        (void)error_set(&reload->err, SLUICE_TEMP, "out of memory");
    if (is_stopping(master))
        (void)error_set(&reload->err, SLUICE_TEMP, "the daemon is to end");
    if (reload->err.status == SLUICE_OK && run_phase(master, &handover_phase) != SLUICE_OK)
        (void)error_set(&reload->err, SLUICE_TEMP, "out of memory");
}

static void notify_reloading(void)
{
    char state[NOTIFY_SIZE];

    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)clock_monotonic_ms() * 1000);
    daemon_notify(state);
}

static void reload_once(struct master *master)
{
    struct askers askers = askers_take(&master->askers);
    struct reload reload;

    master->is_reload_wanted = false;
    log_notice("reloading");
    notify_reloading();
    reload_init(&reload, master->options->config_path, &master->outlet, master->children,
                master->generation, ++master->generation_count);
    master->reload = &reload;
    run_reload(master);
    master->reload = NULL;
    master->generation = reload_finish(&reload);
    askers_answer(&askers, master->children, &reload, master->generation->number);
    reload_done(&reload);
    if (!is_stopping(master))
        daemon_notify("READY=1");
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
    askers_close(&master->askers);
    children_free(master->children);
    shared_close(&master->shared);
    if (master->setup.control_fd != -1)
        (void)close(master->setup.control_fd); /* listening only */
    lock_release(&master->lock);
    generation_unref(master->generation);
}

static void wait_for_wish(struct master *master)
{
    while (!is_stopping(master) && !master->is_reload_wanted)
        (void)task_queue_wait(&master->changed, CLOCK_NEVER); /* there is no end but that */
}

static void live(void *arg)
{
    struct master *master = arg;
    struct phase start_phase = {.run = start};
    struct phase drain_phase = {.run = drain, .is_patient = true};

    if (outlet_watch(&master->outlet) != SLUICE_OK)
        log_warning("out of memory: a log file that is renamed will not be noticed");
    run_or_fail(master, &start_phase);
    bool is_up = master->exit_status == EX_OK;
    if (is_up && !is_stopping(master))
        be_ready(master);
    while (is_up && !is_stopping(master)) {
        wait_for_wish(master);
        if (!is_stopping(master))
            reload_once(master);
    }
    if (master->children != NULL)
        run_or_fail(master, &drain_phase);
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
    struct master master = {.options = options, .report_fd = -1, .setup.control_fd = -1};

    if (is_background && (master.report_fd = daemon_detach()) == -1) {
        (void)fprintf(stderr, "sluiced: cannot go into the background: %s\n", strerror(errno));
        return EX_OSERR;
    }
    (void)umask(022);
    (void)signal(SIGPIPE, SIG_IGN);
    raise_limits();
    master.setup.is_output_logged = is_background;
    outlet_start(&master.outlet, !is_background, log_renewed, &master);
    master.setup.reload = on_asker;
    master.setup.user = &master;
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
