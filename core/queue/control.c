/* SPDX-License-Identifier: ISC */
/*
 * control: the listening socket, its connections, and which command does what.
 */
#include "queue/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "queue/content.h"
#include "queue/delivery_log.h"
#include "queue/explain.h"
#include "queue/inspect.h"
#include "queue/listing.h"
#include "queue/named.h"
#include "queue/operate.h"
#include "queue/reload.h"
#include "queue/session.h"
#include "queue/state.h"
#include "queue/tables.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BY_SIZE 32

struct control {
    struct queue *queue;
    int fd; /* the role's */
    bool is_paused;
    unsigned session_count;
    struct task_queue slots; /* woken when a session has ended */
};

/* ---- releases -------------------------------------------------------------------------------- */

/* name: what was released, as it was asked for. */
static sluice_status released(struct session *session, const char *name, uint64_t count)
{
    char by[BY_SIZE];

    (void)snprintf(by, sizeof(by), "uid %ld", (long)(int32_t)session->uid);
    delivery_log_release("", sluice_span_of(name), by, count);
    (void)task_queue_wake_one(&session->queue->work);
    return session_put(session, json_pack("{s:I}", "released", (json_int_t)count));
}

static sluice_status release_queue(struct session *session, json_t *request)
{
    struct schedule *schedule = &session->queue->schedule;
    const char *id = session_text(request, "id");
    struct queue_message *message;

    if (strcmp(id, "ALL") == 0)
        return released(session, id, release_all(schedule, clock_monotonic_ms()));
    message = inspect_find(session, id);
    if (message == NULL)
        return SLUICE_NOT_FOUND;
    return released(session, id, release_message(schedule, message, clock_monotonic_ms()));
}

/* name: "#name" */
static sluice_status release_queue_named(struct session *session, const char *name)
{
    struct message_released done;

    if (named_release(session->queue, sluice_span_of(name + 1), true, &done) != SLUICE_OK)
        return error_set(&session->err, SLUICE_NOT_FOUND, "%s: there is no queue of that name",
                         name);
    return released(session, name, done.count);
}

/* Plain names only: tables are not for this role. A list with a table may have any domain. */
static bool is_listed(const struct config *config, const char *list, const char *domain)
{
    for (size_t i = 0; i < config_count(config, list); i++) {
        const char *item = config_item(config, list, i);

        if (strchr(item, ':') != NULL || strcasecmp(item, domain) == 0)
            return true;
    }
    return false;
}

/*
 * "#name": a named queue; "@domain": with its sub-domains. Whoever may release may release anything.
 * So a domain that has mail waiting is released, listed or not; one that has none is refused with
 * that text if it is not listed, so that a mistyped name is noticed.
 */
static sluice_status release_domain_of(struct session *session, const char *name,
                                       const char *refusal)
{
    const struct config *config = session->queue->role->config;
    bool with_subdomains = name[0] == '@';
    const char *domain = name + (with_subdomains ? 1 : 0);

    if (name[0] == '#')
        return release_queue_named(session, name);
    uint64_t count = release_domain(&session->queue->schedule, sluice_span_of(domain),
                                    with_subdomains, clock_monotonic_ms());
    if (count == 0 && !is_listed(config, "fast_flush_domains", domain) &&
        !is_listed(config, "relay_domains", domain))
        return error_set(&session->err, SLUICE_NOT_FOUND, "%s \"%s\"", refusal, name);
    return released(session, name, count);
}

static sluice_status flush_domain(struct session *session, json_t *request)
{
    return release_domain_of(session, session_text(request, "domain"),
                             "Flush service is not configured for destination");
}

/* A site by its name, or a domain. */
static sluice_status release_name(struct session *session, json_t *request)
{
    const char *name = session_text(request, "name");
    struct site *site = inspect_site(session, name);

    if (site == NULL)
        return release_domain_of(session, name, "no mail waits for");
    return released(session, name,
                    release_site(&session->queue->schedule, site, clock_monotonic_ms()));
}

/* ---- sessions -------------------------------------------------------------------------------- */

enum right {
    RIGHT_VIEW,
    RIGHT_RELEASE,
    RIGHT_OPERATE,
};

/* clang-format off */
static const struct {
    const char *name;
    enum right right;
    sluice_status (*run)(struct session *session, json_t *request);
} commands[] = {
    {"status",        RIGHT_VIEW,    inspect_status},
    {"queue list",    RIGHT_VIEW,    listing_send},
    {"queue show",    RIGHT_VIEW,    inspect_message},
    {"queue content", RIGHT_OPERATE, content_send},
    {"queue release", RIGHT_RELEASE, release_queue},
    {"queue hold",    RIGHT_OPERATE, operate_hold},
    {"queue unhold",  RIGHT_OPERATE, operate_unhold},
    {"queue remove",  RIGHT_OPERATE, operate_remove},
    {"queue requeue", RIGHT_OPERATE, operate_requeue},
    {"queue expire",  RIGHT_OPERATE, operate_expire},
    {"site list",     RIGHT_VIEW,    inspect_sites},
    {"site show",     RIGHT_VIEW,    inspect_one_site},
    {"site release",  RIGHT_RELEASE, release_name},
    {"site suspend",  RIGHT_OPERATE, suspension_suspend},
    {"site resume",   RIGHT_OPERATE, suspension_resume},
    {"flush",         RIGHT_RELEASE, flush_domain},
    {"explain",       RIGHT_VIEW,    explain_send},
    {"table list",    RIGHT_VIEW,    tables_send_list},
    {"table stat",    RIGHT_VIEW,    tables_send_stat},
    {"table query",   RIGHT_VIEW,    tables_send_query},
    {"table flush",   RIGHT_OPERATE, tables_flush},
    {"reload",        RIGHT_OPERATE, queue_reload_ask},
};
/* clang-format on */

static sluice_status check_right(struct session *session, enum right right)
{
    const struct queue *queue = session->queue;

    if (session_is_privileged(session))
        return SLUICE_OK;
    if (right == RIGHT_OPERATE)
        return error_set(&session->err, SLUICE_PERM,
                         "this is for root and the queue's owner alone");
    if (right == RIGHT_VIEW && !users_have(&queue->viewers, session->uid))
        return error_set(&session->err, SLUICE_PERM, "you may not view the mail queue");
    if (right == RIGHT_RELEASE && !users_have(&queue->releasers, session->uid))
        return error_set(&session->err, SLUICE_PERM, "you may not release mail");
    return SLUICE_OK;
}

static sluice_status run_command(struct session *session, json_t *request)
{
    const char *name = session_text(request, "command");

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        sluice_status st = check_right(session, commands[i].right);
        return st == SLUICE_OK ? commands[i].run(session, request) : st;
    }
    return error_set(&session->err, SLUICE_UNSUPPORTED, "unknown command");
}

struct connection {
    struct control *control;
    int fd;
};

static uid_t asker_of(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.uid : UID_UNKNOWN;
}

static void serve(struct control *control, int fd)
{
    struct session session = {.queue = control->queue, .uid = asker_of(fd)};
    json_t *request;

    if (stream_new(fd, &session.stream) != SLUICE_OK) {
        (void)close(fd); /* the asker sees its end */
        return;
    }
    if (session_read_request(&session, &request) == SLUICE_OK) {
        sluice_status st = run_command(&session, request);
        json_decref(request);
        if (!session.is_passed_on)
            session_end(&session, st);
    }
    stream_close(session.stream);
}

static void run_session(void *arg)
{
    struct connection *connection = arg;
    struct control *control = connection->control;

    serve(control, connection->fd);
    free(connection);
    control->session_count--;
    (void)task_queue_wake_one(&control->slots);
}

static void start_session(struct control *control, int fd)
{
    struct connection *connection = malloc(sizeof(*connection));

    if (connection != NULL) {
        *connection = (struct connection){.control = control, .fd = fd};
        control->session_count++;
        if (queue_start_task(control->queue, "control", run_session, connection) == SLUICE_OK)
            return;
        control->session_count--;
    }
    free(connection);
    (void)close(fd); /* the asker sees its end */
}

static void listener(void *arg)
{
    struct control *control = arg;

    while (!task_is_cancelled() && !control->is_paused) {
        if (control->session_count >= CONTROL_SESSIONS_MAX) {
            (void)task_queue_wait(&control->slots, CLOCK_NEVER);
            continue;
        }
        int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd != -1)
            start_session(control, fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            (void)task_wait_fd(control->fd, TASK_READABLE, CLOCK_NEVER);
        else /* no descriptors, no memory: those who wait keep waiting */
            (void)task_sleep_until(clock_monotonic_ms() + 100);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

sluice_status control_start(struct queue *queue, struct control **ret_control, struct error *err)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    assert(queue->role->listener_count == 1); /* the master's promise */
    control->queue = queue;
    control->fd = queue->role->listeners[0].fd;
    if (queue_start_task(queue, "control", listener, control) != SLUICE_OK) {
        free(control);
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    *ret_control = control;
    return SLUICE_OK;
}

void control_pause(struct control *control)
{
    control->is_paused = true;
}

size_t control_session_count(const struct control *control)
{
    return control->session_count;
}

void control_free(struct control *control)
{
    free(control);
}
