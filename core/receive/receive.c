/* SPDX-License-Identifier: ISC */
/*
 * receive: start, link and drain.
 */
#include "receive/receive.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/span.h"
#include "config/resolver.h"
#include "config/role.h"
#include "net/dns.h"
#include "receive/listener.h"
#include "receive/pickup.h"
#include "receive/receiver.h"
#include "receive/rehearsal.h"
#include "receive/session.h"
#include "receive/stress.h"
#include "route/table_report.h"

#include <stdlib.h>
#include <unistd.h>

#define READY_MS 10000 /* for a queue that is being restarted to be back */
#define STAGE_MS 60000
#define RELEASE_MS 5000 /* then ETRN gets 458 */
#define MAILDROP "maildrop:" /* in an address: a folder, and no socket */
#define DRAIN_MS 30000  /* for transactions under way to end */

struct receive {
    struct role *role;
    struct receiver receiver;
    struct listener **listeners;
    size_t listener_count;
    struct pickup *pickup; /* of the first process alone */
    int64_t leave_ms; /* from when on sessions are to end; CLOCK_NEVER */
    struct task_queue drain_asked;
};

/* ---- drain ----------------------------------------------------------------------------------- */

/* The sockets too: others may listen there, and nobody is to wait in one where nobody does. */
static void stop_listeners(struct receive *receive)
{
    for (size_t i = 0; i < receive->listener_count; i++)
        listener_stop(receive->listeners[i]);
    receive->listener_count = 0;
    pickup_stop(receive->pickup);
    role_close_listeners(receive->role);
}

static void wait_for_sessions(struct receive *receive, int64_t deadline_ms)
{
    sluice_status st = SLUICE_OK;

    while (receive->receiver.session_count > 0 && st == SLUICE_OK)
        st = task_queue_wait(&receive->receiver.session_ended, deadline_ms);
}

/* Those that still run then are asked to end. */
static void let_sessions_go_on(struct receive *receive)
{
    while (receive->receiver.session_count > 0 && clock_monotonic_ms() < receive->leave_ms &&
           !task_is_cancelled())
        (void)task_queue_wait(&receive->receiver.session_ended, receive->leave_ms);
}

/* A task that is there from the beginning, so that a drain cannot fail for want of memory. */
static void drain_run(void *arg)
{
    struct receive *receive = arg;

    while (receive->leave_ms == CLOCK_NEVER) {
        if (task_queue_wait(&receive->drain_asked, CLOCK_NEVER) != SLUICE_OK)
            return;
    }
    stop_listeners(receive);
    let_sessions_go_on(receive);
    session_drain_all(&receive->receiver);
    wait_for_sessions(receive, clock_monotonic_ms() + DRAIN_MS);
    if (receive->receiver.session_count > 0)
        log_warning("ending %zu sessions that do not end", receive->receiver.session_count);
    session_cancel_all(&receive->receiver);
    wait_for_sessions(receive, CLOCK_NEVER);
    names_stop(&receive->receiver.names);
    role_finished(receive->role);
}

static void receive_drain(struct role *role)
{
    struct receive *receive = role->user;

    int64_t leave_ms = clock_monotonic_ms() + role->drain_grace_ms;

    if (leave_ms < receive->leave_ms)
        receive->leave_ms = leave_ms;
    task_queue_wake_all(&receive->drain_asked);
    task_queue_wake_all(&receive->receiver.session_ended);
}

/* ---- start ----------------------------------------------------------------------------------- */

/* Which tables there are, as this process has them. */
static void list_tables(const struct receiver *receiver, uint64_t ref)
{
    json_t *list = table_report_list(receiver->tables);
    struct buffer text = BUFFER_INIT;

    json_format(list, &text);
    intake_explained(receiver->intake, ref, buffer_failed(&text) ? SPAN_EMPTY : buffer_span(&text));
    buffer_done(&text);
    json_decref(list);
}

static sluice_status explain(void *user, uint16_t type, uint64_t ref, struct sluice_span body)
{
    struct receiver *receiver = user;

    if (type == MESSAGE_EXPLAIN)
        return rehearsal_start(receiver, ref, body);
    list_tables(receiver, ref);
    return SLUICE_OK;
}

static sluice_status start_intake(struct receive *receive, struct error *err)
{
    const struct intake_limits limits = {
        .ready_ms = READY_MS,
        .stage_ms = STAGE_MS,
        .commit_ms = config_number(receive->role->config, "commit_timeout"),
        .release_ms = RELEASE_MS,
    };

    if (intake_new(&limits, &receive->receiver.intake) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no memory for the way into the queue");
    intake_on_explain(receive->receiver.intake, explain, &receive->receiver);
    return SLUICE_OK;
}

static sluice_status start_names(struct receive *receive, struct error *err)
{
    const struct config *config = receive->role->config;

    if (!config_flag(config, "smtpd_peername_lookup"))
        return SLUICE_OK;
    receive->receiver.names = (struct names){.is_enabled = true, .hosts.path = HOSTS_FILE_PATH};
    return resolver_start(config, err);
}

/* Whatever is wrong with the shared memory, mail goes on. */
static void start_counting(struct receive *receive)
{
    const struct config *config = receive->role->config;
    const unsigned *rates = receive->receiver.settings.client_rate_limits;
    const struct clients_rules rules = {
        .unit_ms = config_number(config, "anvil_rate_time_unit"),
        .has_rates = rates[CLIENT_CONNECTION] + rates[CLIENT_MESSAGE] + rates[CLIENT_RECIPIENT] > 0,
        .ipv4_prefix = (unsigned)config_number(config, "smtpd_client_ipv4_prefix_length"),
        .ipv6_prefix = (unsigned)config_number(config, "smtpd_client_ipv6_prefix_length"),
    };
    struct error err = ERROR_INIT;
    size_t size = 0;
    void *memory = role_shared_memory("clients", &size);

    if (memory == NULL)
        log_warning("no shared memory: clients have no limits");
    else if (clients_open(memory, size, &rules, &receive->receiver.clients, &err) != SLUICE_OK)
        log_warning("%s: clients have no limits", err.text);
}

/* A place that mail comes in at: a socket, or the maildrop, which one process is enough for. */
static sluice_status start_listener(struct receive *receive, const struct role_listener *place)
{
    struct receiver *receiver = &receive->receiver;
    bool is_maildrop = strncmp(place->address, MAILDROP, sizeof(MAILDROP) - 1) == 0;
    sluice_status st = SLUICE_OK;

    if (!is_maildrop)
        st = listener_start(receiver, place->address, place->fd,
                            &receive->listeners[receive->listener_count]);
    else if (receive->role->index == 0)
        st = pickup_start(receiver, place->fd, &receive->pickup);
    if (st == SLUICE_OK && !is_maildrop)
        receive->listener_count++;
    return st;
}

static sluice_status start_listeners(struct receive *receive, struct error *err)
{
    const struct role *role = receive->role;

    receive->listeners = calloc(role->listener_count + 1, sizeof(struct listener *));
    if (receive->listeners == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for listeners");
    for (size_t i = 0; i < role->listener_count; i++) {
        if (start_listener(receive, &role->listeners[i]) != SLUICE_OK)
            return error_set(err, SLUICE_TEMP, "no memory for a listener");
    }
    return SLUICE_OK;
}

static sluice_status receive_start(struct role *role, struct error *err)
{
    struct receive *receive = calloc(1, sizeof(*receive));

    if (receive == NULL)
        return error_set(err, SLUICE_TEMP, "no memory");
    role->user = receive;
    receive->role = role;
    receive->leave_ms = CLOCK_NEVER;
    role_start_metrics();
    sluice_status st = receiver_init(&receive->receiver, role->config, err);
    receive->receiver.session_max = stress_session_max();
    if (st == SLUICE_OK)
        st = start_intake(receive, err);
    if (st == SLUICE_OK)
        st = start_names(receive, err);
    if (st == SLUICE_OK)
        start_counting(receive);
    if (st == SLUICE_OK)
        st = start_listeners(receive, err);
    if (st == SLUICE_OK && task_start("drain", drain_run, receive, NULL) != SLUICE_OK)
        st = error_set(err, SLUICE_TEMP, "no memory for a task");
    if (st != SLUICE_OK)
        stop_listeners(receive);
    return st;
}

static void receive_link(struct role *role, const struct message_link *link, int fd)
{
    struct receive *receive = role->user;

    if (span_equal(link->role, SPAN_LITERAL("queue"))) {
        intake_connect(receive->receiver.intake, fd);
        return;
    }
    if (span_equal(link->role, SPAN_LITERAL("lookup"))) {
        tables_link(receive->receiver.tables, link->index, fd);
        return;
    }
    log_warning("a link to %.*s makes no sense", SPAN_ARGS(link->role));
    (void)close(fd); /* never used */
}

static void receive_stop(struct role *role)
{
    struct receive *receive = role->user;

    if (receive == NULL)
        return;
    pickup_free(receive->pickup);
    receiver_done(&receive->receiver);
    dns_done();
    free(receive->listeners);
    free(receive);
}

int receive_main(void)
{
    static const struct role_ops ops = {
        .name = "receive",
        .start = receive_start,
        .link = receive_link,
        .drain = receive_drain,
        .stop = receive_stop,
    };

    return role_run(&ops);
}
