/* SPDX-License-Identifier: ISC */
#include "deliver/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "base/text.h"
#include "deliver/delivery.h"
#include "net/dns.h"


#define RESOLVE_TIME_MAX_MS ((int64_t)60 * 1000)

/* An attempt under way. */
struct walk {
    const struct attempt_means *means;
    struct transport *transport;
    struct job *job;
    int64_t deadline_ms;
    unsigned sessions; /* connections that were ready for a message */
    const struct host *host;
    bool is_last_host;
    char relay[OUTCOME_RELAY_MAX];
};

static void walk_set_host(struct walk *walk, const struct host *host, bool is_last)
{
    bool is_local = host->address[0] == '/'; /* a socket of this machine has no port */
    unsigned port = host->port != 0 ? host->port : transport_port(walk->transport);

    walk->host = host;
    walk->is_last_host = is_last;
    struct text relay = text_open(walk->relay, sizeof(walk->relay));
    text_add(&relay, host->name);
    text_add(&relay, "[");
    text_add(&relay, host->address);
    text_add(&relay, "]");
    if (port == 0 || is_local)
        return;
    text_add(&relay, ":");
    text_add_number(&relay, port, 1);
}

static bool walk_is_over(const struct walk *walk)
{
    const struct attempt_means *means = walk->means;

    return job_is_settled(walk->job) || clock_monotonic_ms() >= walk->deadline_ms ||
           (means->session_limit > 0 && walk->sessions >= means->session_limit);
}

/* A new connection to the present host; NULL: the reason is with the recipients. */
static struct sluice_connection *walk_connect(struct walk *walk)
{
    struct job *job = walk->job;
    struct sluice_connection *connection = NULL;
    struct error err = ERROR_INIT;
    int64_t started_ms = clock_monotonic_ms();
    sluice_status st;

    st = transport_connect(walk->transport, job->header.nexthop, walk->host, walk->is_last_host,
                           walk->deadline_ms, &err, &connection);
    job->connect_ms += clock_monotonic_ms() - started_ms;
    if (st == SLUICE_OK)
        return connection;
    log_info("%s", err.text);
    job_report_remaining(job, st, err.dsn, err.text, "none");
    return NULL;
}

/* Hands the open recipients to the host. The connection is gone or kept afterwards. Returns its
 * fate; *ret_has_settled: at least one recipient was settled. */
static int32_t walk_deliver(struct walk *walk, struct sluice_connection *connection,
                            bool *ret_has_settled)
{
    struct job *job = walk->job;
    struct delivery *delivery = delivery_new(job);
    int64_t started_ms = clock_monotonic_ms();
    int32_t fate = SLUICE_FATE_FINISHED;

    *ret_has_settled = false;
    if (delivery == NULL) {
        job_report_remaining(job, SLUICE_TEMP, "4.3.0", "out of memory", walk->relay);
    } else if (transport_deliver(walk->transport, connection, delivery, walk->deadline_ms,
                                 &fate) != SLUICE_OK) {
        job_report_remaining(job, SLUICE_TEMP, "4.3.0", "the transport did not come back",
                             walk->relay);
        connection = NULL; /* left behind with the call */
    } else {
        delivery_settle(delivery, walk->relay);
        *ret_has_settled = delivery_has_settled(delivery);
        delivery_free(delivery);
    }
    job->transfer_ms += clock_monotonic_ms() - started_ms;
    if (connection == NULL)
        return fate;
    if (fate == SLUICE_FATE_REUSABLE)
        cache_put(walk->means->cache, walk->transport, walk->host, connection);
    else
        transport_disconnect(walk->transport, connection);
    return fate;
}

/*
 * Tries the present host. A kept connection that turns out to be dead says nothing about the host:
 * a new one is made at once. True if the host was reached.
 */
static bool walk_try_host(struct walk *walk)
{
    struct sluice_connection *connection =
        cache_take(walk->means->cache, walk->transport, walk->host);
    bool has_settled;

    if (connection != NULL) {
        if (walk_deliver(walk, connection, &has_settled) == SLUICE_FATE_REUSABLE || has_settled) {
            walk->sessions++;
            return true;
        }
    }
    connection = walk_connect(walk);
    if (connection == NULL)
        return false;
    walk->sessions++;
    return walk_deliver(walk, connection, &has_settled) != SLUICE_FATE_HOST_FAILED || has_settled;
}

static void walk_hosts(struct walk *walk, const struct hosts *hosts)
{
    walk->job->site = SITE_FAILED;
    for (size_t i = 0; i < hosts->count && !walk_is_over(walk); i++) {
        walk_set_host(walk, &hosts->list[i], i + 1 == hosts->count);
        if (walk_try_host(walk))
            walk->job->site = SITE_REACHED;
    }
}

static void attempt_with_hosts(struct walk *walk)
{
    struct job *job = walk->job;
    struct hosts hosts = HOSTS_INIT;
    struct error err = ERROR_INIT;
    int64_t started_ms = clock_monotonic_ms();
    sluice_status st;

    if (job->header.is_released)
        dns_refresh();
    st = nexthop_resolve(walk->means->chain, job->header.nexthop, started_ms + RESOLVE_TIME_MAX_MS,
                         &hosts, &err);
    job->connect_ms += clock_monotonic_ms() - started_ms;
    if (st != SLUICE_OK) {
        job->site = st == SLUICE_PERM ? SITE_UNKNOWN : SITE_FAILED;
        job_report_remaining(job, st, err.dsn, err.text, "none");
        return;
    }
    walk_hosts(walk, &hosts);
    hosts_done(&hosts);
}

/* A transport that finds its own way. */
static void attempt_alone(struct walk *walk)
{
    bool has_settled;
    int32_t fate;

    text_copy(walk->relay, sizeof(walk->relay), transport_name(walk->transport));
    fate = walk_deliver(walk, NULL, &has_settled);
    walk->job->site = fate == SLUICE_FATE_HOST_FAILED ? SITE_FAILED : SITE_REACHED;
}

/* What would deliver the message is not called: it does not know that it must not. */
static void decline_to_verify(struct walk *walk)
{
    struct job *job = walk->job;
    struct error why = ERROR_INIT;

    job->site = SITE_UNKNOWN;
    (void)error_set(&why, SLUICE_TEMP, "goes to %.*s by transport %s, which can only deliver",
                    SPAN_ARGS(job->header.nexthop), transport_name(walk->transport));
    job_report_remaining(job, SLUICE_TEMP, "4.3.3", why.text, "none");
}

void attempt_job(const struct attempt_means *means, struct transport *transport, struct job *job)
{
    struct walk walk = {
        .means = means,
        .transport = transport,
        .job = job,
    };

    if (transport == NULL) {
        job->site = SITE_FAILED;
        job_report_remaining(job, SLUICE_TEMP, "4.3.0", "mail transport unavailable", "none");
        return;
    }
    walk.deadline_ms = clock_monotonic_ms() + transport_time_limit_ms(transport);
    if (job->envelope.is_verify && !transport_verifies(transport))
        decline_to_verify(&walk);
    else if (transport_has_connect(transport))
        attempt_with_hosts(&walk);
    else
        attempt_alone(&walk);
}
