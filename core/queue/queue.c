/* SPDX-License-Identifier: ISC */
/*
 * queue: the role's start, links, ticks and end.
 */
#include "queue/queue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/span.h"
#include "queue/admit.h"
#include "queue/census.h"
#include "queue/control.h"
#include "queue/death.h"
#include "queue/dispatch.h"
#include "queue/handover.h"
#include "queue/inherit.h"
#include "queue/intake.h"
#include "queue/lookup_link.h"
#include "queue/reload.h"
#include "queue/state.h"
#include "sluice/transport.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define TICK_MS 1000
#define SPACE_MIN ((uint64_t)1024 * 1024) /* less than that is no room for new mail */
#define TRIM_MESSAGES_MIN 10000           /* fewer are not worth a look at the memory */
#define DRAIN_INTAKE_MS 1000              /* for receive to leave */
#define DRAIN_STORE_MS 30000

/* ---- tasks ----------------------------------------------------------------------------------- */

struct helper {
    struct queue *queue;
    struct task *task;
    task_fn *fn;
    void *arg;
    struct helper *prev;
    struct helper *next;
};

static void run_helper(void *arg)
{
    struct helper *helper = arg;
    struct queue *queue = helper->queue;

    helper->fn(helper->arg);
    DL_DELETE(queue->helpers, helper);
    free(helper);
    task_queue_wake_all(&queue->ended);
}

sluice_status queue_start_task(struct queue *queue, const char *name, task_fn *fn, void *arg)
{
    struct helper *helper = malloc(sizeof(*helper));

    if (helper == NULL)
        return SLUICE_TEMP;
    *helper = (struct helper){.queue = queue, .fn = fn, .arg = arg};
    if (task_start(name, run_helper, helper, &helper->task) != SLUICE_OK) {
        free(helper);
        return SLUICE_TEMP;
    }
    DL_APPEND(queue->helpers, helper);
    return SLUICE_OK;
}

bool queue_wait_until(struct queue *queue, bool (*is_so)(const struct queue *queue),
                      int64_t time_ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + time_ms;

    while (!is_so(queue)) {
        if (task_queue_wait(&queue->ended, deadline_ms) != SLUICE_OK)
            return is_so(queue);
    }
    return true;
}

void queue_end_tasks(struct queue *queue)
{
    struct helper *helper;

    DL_FOREACH(queue->helpers, helper)
    task_cancel(helper->task);
    while (queue->helpers != NULL && task_queue_wait(&queue->ended, CLOCK_NEVER) == SLUICE_OK)
        ;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* The transport's own deferral, or the one that defer_transports gives it. */
static struct deferral *deferral_of(const struct queue *queue, const char *transport,
                                    const struct sluice_config *options)
{
    const char *name = options != NULL ? options->get_text(options, "deferral") : NULL;

    if (name == NULL || name[0] == '\0')
        name = config_has_item(queue->role->config, "defer_transports", transport) ? "on-demand"
                                                                                   : "backoff";
    return deferrals_find(&queue->deferrals, name);
}

static struct concurrency_limits concurrency_of(const struct sluice_config *options)
{
    const struct sluice_config *c = options;

    return (struct concurrency_limits){
        .initial = (unsigned)c->get_number(c, "initial_destination_concurrency"),
        .most = (unsigned)c->get_number(c, "destination_concurrency_limit"),
        .failed_cohorts = (unsigned)c->get_number(c, "destination_concurrency_failed_cohort_limit"),
        .positive = concurrency_feedback(
            c->get_text(c, "destination_concurrency_positive_feedback")),
        .negative = concurrency_feedback(
            c->get_text(c, "destination_concurrency_negative_feedback")),
    };
}

/* Of a transport that is not there any more too: mail may still wait for it. */
static struct site_limits limits_of(void *user, struct sluice_span transport)
{
    const struct queue *queue = user;
    const struct config_instance *instance;
    const struct sluice_config *options = NULL;
    char name[256];

    (void)snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(transport)); /* cut: has no options */
    instance = config_instance_find(queue->role->config, SLUICE_TRANSPORT_ID, name);
    if (instance != NULL)
        options = instance->options;
    struct site_limits limits = {
        .jobs = queue->settings.concurrency,
        .recipients = queue->settings.destination_recipients,
        .deferral = deferral_of(queue, name, options),
        .crew = CREW_COMMON,
        .is_unavailable = suspects_is_unavailable(&queue->suspects, transport),
    };
    if (options != NULL) {
        limits.jobs = concurrency_of(options);
        limits.crew = crews_find(&queue->crews, sluice_span_of(crew_of_transport(instance)));
        limits.recipients = (unsigned)options->get_number(options, "destination_recipient_limit");
    }
    return limits;
}

static void read_settings(struct queue *queue)
{
    const struct config *config = queue->role->config;

    queue->settings = (struct queue_settings){
        .minimal_backoff_ms = config_number(config, "minimal_backoff_time"),
        .maximal_backoff_ms = config_number(config, "maximal_backoff_time"),
        .drain_ms = config_number(config, "drain_timeout"),
        .transport_retry_ms = config_number(config, "transport_retry_time"),
        .connection_cache_ms = config_number(config, "connection_cache_time_limit"),
        .etrn_interval_ms = config_number(config, "etrn_minimum_interval"),
        .concurrency =
            {
                .initial = (unsigned)config_number(config, "initial_destination_concurrency"),
                .most = (unsigned)config_number(config, "default_destination_concurrency_limit"),
                .failed_cohorts = (unsigned)config_number(
                    config, "default_destination_concurrency_failed_cohort_limit"),
                .positive = concurrency_feedback(
                    config_text(config, "default_destination_concurrency_positive_feedback")),
                .negative = concurrency_feedback(
                    config_text(config, "default_destination_concurrency_negative_feedback")),
            },
        .destination_recipients =
            (unsigned)config_number(config, "default_destination_recipient_limit"),
        .best_mx_transport = config_text(config, "best_mx_transport"),
        .is_routed_by_sender =
            config_count(config, "sender_dependent_default_transport_maps") > 0 ||
            config_count(config, "sender_dependent_relayhost_maps") > 0,
    };
}

static sluice_status read_users(struct queue *queue, struct error *err)
{
    const struct config *config = queue->role->config;
    sluice_status st = users_read(&queue->viewers, config, "authorized_mailq_users");

    if (st == SLUICE_OK)
        st = users_read(&queue->releasers, config, "authorized_flush_users");
    return st == SLUICE_OK ? st : error_set(err, st, "out of memory");
}

/* ---- space, and what happens once a second --------------------------------------------------- */

static void look_at_space(struct queue *queue)
{
    struct error err = ERROR_INIT;
    sluice_status st = store_space(queue->store, &queue->space, &err);
    bool is_accepting = st == SLUICE_OK && queue->space.free_bytes >= SPACE_MIN;

    if (is_accepting == queue->is_accepting || task_is_cancelled())
        return;
    queue->is_accepting = is_accepting;
    if (is_accepting)
        log_notice("there is space again: new mail is accepted");
    else
        log_error("no new mail is accepted: %s",
                  st == SLUICE_OK ? "not enough space in the queue" : err.text);
    intake_send_space(queue);
}

/* A task of its own: a store that hangs may let it wait. */
static void watch_space(void *arg)
{
    while (task_sleep_until(clock_monotonic_ms() + TICK_MS) == SLUICE_OK)
        look_at_space(arg);
}

/* What malloc keeps of a queue that was long. Messages themselves give back what they took. */
static void give_memory_back(struct queue *queue)
{
    size_t count = queue->schedule.messages.count;

    if (count > queue->most_messages)
        queue->most_messages = count;
    if (queue->most_messages < TRIM_MESSAGES_MIN || count > queue->most_messages / 2)
        return;
    queue->most_messages = count;
#ifdef __GLIBC__
    (void)malloc_trim(0); /* a pass over what is free: some milliseconds */
#endif
}

static void ticker(void *arg)
{
    struct queue *queue = arg;

    while (task_sleep_until(clock_monotonic_ms() + TICK_MS) == SLUICE_OK) {
        store_look(queue->store);
        census_take(queue);
        intake_grant_leases(queue);
        inherit_expire(queue, clock_monotonic_ms());
        death_look(queue);
        release_postponed(&queue->schedule, queue->settings.etrn_interval_ms, clock_monotonic_ms());
        (void)task_queue_wake_one(&queue->work);
        give_memory_back(queue);
    }
}

/* ---- the role -------------------------------------------------------------------------------- */

static const struct config_instance *find_store(const struct config *config)
{
    for (size_t i = 0; i < config_instance_count(config); i++) {
        const struct config_instance *instance = config_instance_at(config, i);

        if (strcmp(instance->interface, SLUICE_QUEUE_ID) == 0)
            return instance;
    }
    return NULL;
}

static sluice_status open_store(struct queue *queue, struct error *err)
{
    const struct config *config = queue->role->config;
    const struct config_instance *store = find_store(config);

    if (store == NULL)
        return error_set(err, SLUICE_CONFIG, "no queue store is configured");
    return store_open(store, config_text(config, "queue_directory"), &queue->store, err);
}

static sluice_status start_tasks(struct queue *queue, struct error *err)
{
    look_at_space(queue);
    lease_start(&queue->lease, queue);
    if (queue_start_task(queue, "store", store_run, queue->store) != SLUICE_OK ||
        queue_start_task(queue, "maintain", store_run_maintenance, queue->store) != SLUICE_OK ||
        queue_start_task(queue, "space", watch_space, queue) != SLUICE_OK ||
        queue_start_task(queue, "tick", ticker, queue) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "out of memory");
    sluice_status st = dispatch_start(queue, err);
    if (st == SLUICE_OK)
        st = reports_start(queue, err);
    if (st == SLUICE_OK)
        st = lifetime_start(queue, err);
    if (st == SLUICE_OK && resolve_start(queue) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "out of memory");
    if (st == SLUICE_OK)
        resolve_all(queue);
    if (st == SLUICE_OK)
        st = control_start(queue, &queue->control, err);
    return st;
}

/* From the store, and from the process before, if it handed over. */
static sluice_status fill_schedule(struct queue *queue, struct error *err)
{
    struct sluice_span state = handover_open(queue);
    sluice_status st = admit_stored(queue, err);

    if (st == SLUICE_OK)
        st = handover_load(queue, state, err);
    sealed_unmap(state);
    return st;
}

static sluice_status queue_start(struct role *role, struct error *err)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    sluice_status st;

    if (queue == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    role->user = queue;
    queue->role = role;
    role_start_metrics();
    queue->is_accepting = true;
    queue->started_wall_ms = clock_wall_ms();
    read_settings(queue);
    crews_read(role->config, &queue->crews);
    schedule_init(&queue->schedule, limits_of, queue);
    suspects_init(&queue->suspects, &queue->schedule, queue->settings.transport_retry_ms);
    st = read_users(queue, err);
    if (st == SLUICE_OK)
        st = deferrals_open(role->config, &queue->deferrals, err);
    if (st == SLUICE_OK)
        st = open_store(queue, err);
    if (st == SLUICE_OK)
        st = fill_schedule(queue, err);
    if (st == SLUICE_OK)
        st = start_tasks(queue, err);
    if (st != SLUICE_OK)
        queue_end_tasks(queue);
    return st;
}

static void queue_link(struct role *role, const struct message_link *link, int fd)
{
    struct queue *queue = role->user;

    if (queue->handover != 0) {
        (void)close(fd); /* the next queue gets another */
    } else if (span_equal(link->role, SPAN_LITERAL("receive"))) {
        intake_link(queue, link, fd);
    } else if (span_equal(link->role, SPAN_LITERAL("deliver"))) {
        deliver_link_start(queue, link, fd);
    } else if (span_equal(link->role, SPAN_LITERAL("lookup"))) {
        lookup_link_start(queue, link, fd);
    } else {
        log_error("a link to %.*s, which this role does not know", SPAN_ARGS(link->role));
        (void)close(fd);
    }
}

static bool no_jobs(const struct queue *queue)
{
    return queue->jobs == NULL && report_is_idle(queue);
}

static bool no_intakes(const struct queue *queue)
{
    return queue->intakes == NULL;
}

/* Results that come after this are lost with their links, and those recipients attempted again. */
static void drain(void *arg)
{
    struct queue *queue = arg;

    (void)queue_wait_until(queue, no_jobs, queue->settings.drain_ms);
    (void)queue_wait_until(queue, no_intakes, DRAIN_INTAKE_MS);
    intake_done(queue);
    deliver_links_done(queue);
    if (store_settle(queue->store, clock_monotonic_ms() + DRAIN_STORE_MS) != SLUICE_OK)
        log_error("the store does not take the last results: some mail may be delivered again");
    queue_end_tasks(queue);
    role_finished(queue->role);
}

static void queue_died(struct role *role, const struct message_died *died)
{
    death_take(role->user, died);
}

static void queue_drain(struct role *role)
{
    struct queue *queue = role->user;

    if (queue->is_draining)
        return;
    queue->is_draining = true;
    intake_send_credit(queue);
    if (task_start("drain", drain, queue, NULL) != SLUICE_OK)
        role_finished(role);
}

static void queue_handover(struct role *role)
{
    handover_start(role->user);
}

static void queue_reloaded(struct role *role, const struct message_reloaded *answer, int asker_fd)
{
    queue_reload_answer(role->user, answer, asker_fd);
}

void queue_close(struct queue *queue)
{
    control_free(queue->control);
    queue->control = NULL;
    intake_done(queue);
    deliver_links_done(queue);
    lookup_links_done(queue);
    store_close(queue->store);
    queue->store = NULL;
}

static void queue_stop(struct role *role)
{
    struct queue *queue = role->user;

    if (queue == NULL)
        return;
    queue_close(queue);
    lease_done(&queue->lease);
    resolve_done(queue);
    lifetime_done(queue);
    reports_done(queue);
    suspensions_done(&queue->suspensions);
    users_done(&queue->viewers);
    users_done(&queue->releasers);
    fresh_done(queue);
    schedule_done(&queue->schedule);
    suspects_done(&queue->suspects);
    deferrals_close(&queue->deferrals);
    free(queue);
    role->user = NULL;
}

const struct role_ops *queue_role_ops(void)
{
    static const struct role_ops ops = {
        .name = "queue",
        .is_awaited = true,
        .start = queue_start,
        .link = queue_link,
        .died = queue_died,
        .drain = queue_drain,
        .handover = queue_handover,
        .reloaded = queue_reloaded,
        .stop = queue_stop,
    };

    return &ops;
}

int queue_main(void)
{
    return role_run(queue_role_ops());
}
