/* SPDX-License-Identifier: ISC */
#include "deliver/attempt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "base/text.h"
#include "config/options.h"
#include "deliver/delivery.h"
#include "net/dns.h"
#include "task/explain.h"

#define RESOLVE_TIME_MAX_MS ((int64_t)60 * 1000)

/* One of a list of next hops. */
struct destination {
    struct sluice_span text; /* empty: the end of the list */
    bool is_fallback;
};

/* An attempt under way. */
struct walk {
    const struct attempt_means *means;
    struct transport *transport;
    struct job *job;
    bool is_explained; /* nobody is connected to */
    int64_t deadline_ms;
    struct sluice_span nexthops;  /* what is left of the route's */
    struct sluice_span fallbacks; /* and of the transport's */
    struct destination destination;
    struct destination next;
    bool is_refused; /* the last destination cannot be found, for good: */
    struct error refusal;
    bool has_deferred; /* another one failed for now */
    unsigned sessions; /* connections to the destination's hosts that were ready for a message */
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

static bool walk_has_ended(const struct walk *walk)
{
    return job_is_settled(walk->job) || clock_monotonic_ms() >= walk->deadline_ms;
}

/* No further host of the destination is to be tried. */
static bool walk_has_left(const struct walk *walk)
{
    unsigned limit = walk->means->session_limit;

    return walk_has_ended(walk) || (limit > 0 && walk->sessions >= limit);
}

/* Who has answered is named in the log, even where it was no good. 4.4.1 is nobody (RFC 3463 3.5). */
static const char *relay_of(const struct walk *walk, const char *dsn)
{
    return strcmp(dsn, "4.4.1") == 0 ? "none" : walk->relay;
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
    job_report_remaining(job, st, err.dsn, err.text, relay_of(walk, err.dsn));
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
    struct sluice_connection *connection;
    bool has_settled;

    if (walk->is_explained) {
        explain_item("hosts", sluice_span_of(walk->relay));
        return false; /* so that all are listed who may have their turn */
    }
    connection = cache_take(walk->means->cache, walk->transport, walk->host);
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

/* What is not settled by now has failed for now. The site is reached if any host is. */
static void walk_note_failure(struct walk *walk, bool is_reached)
{
    if (walk->job->site != SITE_REACHED)
        walk->job->site = is_reached ? SITE_REACHED : SITE_FAILED;
    walk->has_deferred = true;
    walk->is_refused = false;
}

static void walk_hosts(struct walk *walk, const struct hosts *hosts)
{
    bool is_last = hosts->are_last || walk->next.text.len == 0;

    walk->is_refused = false;
    walk->sessions = 0;
    for (size_t i = 0; i < hosts->count && !walk_has_left(walk); i++) {
        walk_set_host(walk, &hosts->list[i], is_last && i + 1 == hosts->count);
        walk_note_failure(walk, walk_try_host(walk));
    }
}

/* The next hops of the route, then the transport's fallback relays. */
static void walk_look_ahead(struct walk *walk)
{
    struct destination *next = &walk->next;

    if (!next->is_fallback && !list_next(&walk->nexthops, &next->text))
        next->is_fallback = true;
    if (next->is_fallback)
        (void)list_next(&walk->fallbacks, &next->text); /* leaves it empty at the end */
}

/* There is nobody to try; others may follow. */
static void walk_note_refusal(struct walk *walk, sluice_status st, const struct error *err)
{
    if (st == SLUICE_PERM) {
        walk->is_refused = true;
        walk->refusal = *err;
        return;
    }
    job_report_remaining(walk->job, st, err->dsn, err->text, "none");
    walk_note_failure(walk, false);
}

/* False: nobody else may be tried. */
static bool walk_destination(struct walk *walk)
{
    struct job *job = walk->job;
    struct hosts hosts;
    struct error err = ERROR_INIT;
    int64_t started_ms = clock_monotonic_ms();
    sluice_status st;

    explain_begin("nexthop");
    explain_span("destination", walk->destination.text);
    explain_flag("is_fallback", walk->destination.is_fallback);
    st = nexthop_resolve(walk->means->chain, walk->destination.text,
                         transport_port(walk->transport), started_ms + RESOLVE_TIME_MAX_MS, &hosts,
                         &err);
    job->connect_ms += clock_monotonic_ms() - started_ms;
    if (st == SLUICE_OK)
        walk_hosts(walk, &hosts);
    else
        walk_note_refusal(walk, st, &err);
    explain_end(st, &err);
    bool is_last = hosts.are_last;
    hosts_done(&hosts);
    return !is_last;
}

/* The parameter that names what cannot be found, if it is not the mail's own destination: that is a
 * mistake of the operator's, and no reason to return mail (spec R-62). */
static const char *mistaken_parameter(const struct walk *walk)
{
    if (walk->destination.is_fallback)
        return "smtp_fallback_relay";
    if (span_equal_case(walk->job->header.nexthop, sluice_span_of(walk->means->relayhost)))
        return "relayhost";
    return NULL;
}

/* True if the mail loops and another transport is there for such mail. */
static bool is_for_best_mx(const struct walk *walk)
{
    struct sluice_span setting = sluice_span_of(walk->means->best_mx_transport);
    struct sluice_span own = sluice_span_of(transport_name(walk->transport));

    return strcmp(walk->refusal.dsn, "5.4.6") == 0 && setting.len > 0 &&
           !span_equal(span_first(setting, span_find(setting, ':')), own) &&
           (!walk->job->envelope.is_verify || walk->is_explained);
}

/* For the queue, which moves it; the text for who asks what would become of it. */
static void walk_give_to_best_mx(struct walk *walk)
{
    struct error why = ERROR_INIT;

    (void)error_set(&why, SLUICE_TEMP, "%s: goes to %s, best_mx_transport", walk->refusal.text,
                    walk->means->best_mx_transport);
    walk->job->site = SITE_OURS;
    job_report_remaining(walk->job, SLUICE_TEMP, "4.4.6", why.text, "none");
}

/* What nobody has taken, where the last destination cannot be found. */
static void walk_report_refusal(struct walk *walk)
{
    const char *mistaken = mistaken_parameter(walk);

    if (mistaken != NULL) {
        if (!walk->is_explained)
            log_warning("%s configuration problem", mistaken);
        job_report_remaining(walk->job, SLUICE_TEMP, "4.3.5", walk->refusal.text, "none");
        walk_note_failure(walk, false);
    } else if (!walk->has_deferred && is_for_best_mx(walk)) {
        walk_give_to_best_mx(walk);
    } else if (!walk->has_deferred) { /* else another destination may yet take it */
        job_report_remaining(walk->job, SLUICE_PERM, walk->refusal.dsn, walk->refusal.text, "none");
    }
}

static void attempt_with_hosts(struct walk *walk)
{
    struct job *job = walk->job;

    if (job->header.is_released)
        dns_refresh();
    job->site = SITE_UNKNOWN;
    walk->nexthops = job->header.nexthop;
    walk->fallbacks = transport_fallback(walk->transport);
    walk_look_ahead(walk);
    if (walk->next.is_fallback) {
        job->site = SITE_FAILED;
        job_report_remaining(job, SLUICE_TEMP, "4.3.5", "empty next hop", "none");
        return;
    }
    bool goes_on;
    do {
        walk->destination = walk->next;
        walk_look_ahead(walk);
        goes_on = walk_destination(walk) && walk->next.text.len > 0;
    } while (goes_on && !walk_has_ended(walk));
    if (walk->is_refused && !goes_on && !job_is_settled(job)) /* others might have been found in time */
        walk_report_refusal(walk);
}

/* A transport that finds its own way. */
static void attempt_alone(struct walk *walk)
{
    bool has_settled;
    int32_t fate;

    text_copy(walk->relay, sizeof(walk->relay),
              transport_has_relay(walk->transport) ? transport_name(walk->transport) : "none");
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

static void attempt(struct walk *walk)
{
    struct transport *transport = walk->transport;
    struct job *job = walk->job;

    if (transport == NULL) {
        job->site = SITE_FAILED;
        job_report_remaining(job, SLUICE_TEMP, "4.3.0", "mail transport unavailable", "none");
        return;
    }
    walk->deadline_ms = clock_monotonic_ms() + transport_time_limit_ms(transport);
    bool may_call = !job->envelope.is_verify || transport_verifies(transport);
    if (transport_has_connect(transport) && (may_call || walk->is_explained))
        attempt_with_hosts(walk);
    else if (may_call)
        attempt_alone(walk);
    else if (!walk->is_explained) /* else has_own_way says it */
        decline_to_verify(walk);
}

void attempt_job(const struct attempt_means *means, struct transport *transport, struct job *job)
{
    struct walk walk = {.means = means, .transport = transport, .job = job};

    attempt(&walk);
}

static void explain_outcomes(const struct job *job)
{
    for (size_t i = 0; i < job->envelope.recipient_count; i++) {
        const struct outcome *outcome = &job->outcomes[i];

        if (!outcome->is_reported)
            continue;
        explain_begin("outcome");
        explain_span("address", job->envelope.recipients[i].address);
        explain_text("dsn", outcome->result.dsn);
        explain_text("reason", outcome->result.text);
        explain_end(outcome->result.status, NULL);
    }
}

void attempt_explain(const struct attempt_means *means, struct transport *transport,
                     struct job *job)
{
    struct walk walk = {.means = means, .transport = transport, .job = job, .is_explained = true};

    if (means->session_limit > 0)
        explain_number("session_limit", means->session_limit);
    explain_flag("has_own_way", transport != NULL && !transport_has_connect(transport));
    attempt(&walk);
    explain_outcomes(job);
}
