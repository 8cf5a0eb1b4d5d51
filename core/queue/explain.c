/* SPDX-License-Identifier: ISC */
/*
 * explain: the dialogue first, then its sites, each line when it is known.
 */
#include "queue/explain.h"

#include "base/clock.h"
#include "base/json_text.h"
#include "base/span.h"
#include "net/address.h"
#include "queue/dispatch.h"
#include "queue/inspect.h"
#include "queue/intake.h"
#include "queue/pick.h"
#include "queue/question.h"
#include "queue/state.h"

#include <string.h>

/* ---- sites ----------------------------------------------------------------------------------- */

/* How long a message that came now would wait for its first attempt. */
static int64_t delay_of(const struct site_limits *limits, const struct site *site)
{
    int64_t now_ms = clock_wall_ms();
    const struct sluice_unit_history unit = {.struct_size = sizeof(unit), .arrival_ms = now_ms};
    const struct sluice_site_history none = {.struct_size = sizeof(none)};

    return deferral_next(limits->deferral, &unit, site != NULL ? &site->history : &none, now_ms);
}

/* When it would go; *ret_delay_ms: for "at". site: NULL: not known so far. */
static const char *when_of(const struct site_limits *limits, const struct site *site,
                           int64_t *ret_delay_ms)
{
    int64_t now_ms = clock_monotonic_ms();

    if (site != NULL && site->suspension != NULL)
        return "on_resume";
    *ret_delay_ms = delay_of(limits, site);
    if (*ret_delay_ms == DEFERRAL_ON_RELEASE)
        return "on_release";
    if (site != NULL && site_is_suspended(site, now_ms) &&
        site->not_before_ms - now_ms > *ret_delay_ms)
        *ret_delay_ms = site->not_before_ms - now_ms;
    return *ret_delay_ms > 0 ? "at" : "now";
}

static void set_text(json_t *object, const char *name, const char *text)
{
    (void)json_object_set_new(object, name, json_string(text));
}

static void describe_site(struct queue *queue, const struct site_limits *limits,
                          const char *transport, const char *nexthop, json_t *line)
{
    const struct site *site = site_find(&queue->schedule.sites, sluice_span_of(transport),
                                        sluice_span_of(nexthop));
    int64_t delay_ms = 0;
    const char *when = when_of(limits, site, &delay_ms);

    set_text(line, "explain", "site");
    (void)json_object_set_new(line, "site", json_sprintf("%s:%s", transport, nexthop));
    set_text(line, "transport", transport);
    set_text(line, "nexthop", nexthop);
    set_text(line, "when", when);
    if (strcmp(when, "at") == 0)
        (void)json_object_set_new(line, "at", json_integer((clock_wall_ms() + delay_ms) / 1000));
    if (site != NULL)
        (void)json_object_set_new(line, "queue", inspect_site_json(site));
}

/* ---- their recipients ------------------------------------------------------------------------ */

static bool is_recipient(const json_t *step)
{
    return strcmp(session_text(step, "step"), "recipient") == 0 &&
           session_text(step, "transport")[0] != '\0';
}

static bool has_route_of(const json_t *step, const json_t *other)
{
    return is_recipient(step) &&
           strcmp(session_text(step, "transport"), session_text(other, "transport")) == 0 &&
           strcasecmp(session_text(step, "nexthop"), session_text(other, "nexthop")) == 0;
}

/* True for the first of the recipients of a site. */
static bool is_first(const json_t *steps, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (has_route_of(json_array_get(steps, i), json_array_get(steps, index)))
            return false;
    }
    return true;
}

/* All recipients of the first one's site, in an envelope that asks to verify. */
static void fill_envelope(struct envelope *envelope, const json_t *steps, const json_t *first)
{
    const json_t *step;
    size_t i;

    envelope->is_verify = true;
    envelope->arrival_ms = clock_wall_ms();
    json_array_foreach(steps, i, step)
    {
        struct envelope_recipient *recipient =
            has_route_of(step, first) ? envelope_add(envelope) : NULL;

        if (recipient == NULL)
            continue;
        recipient->address = sluice_span_of(session_text(step, "address"));
        recipient->original = sluice_span_of(session_text(step, "original"));
        recipient->transport = sluice_span_of(session_text(step, "transport"));
        recipient->nexthop = sluice_span_of(session_text(step, "nexthop"));
    }
}

static json_t *addresses_of(const struct envelope *envelope)
{
    json_t *addresses = json_array();

    for (size_t i = 0; i < envelope->recipient_count; i++)
        (void)json_array_append_new(addresses, json_text(envelope->recipients[i].address));
    return addresses;
}

/* ---- hosts ----------------------------------------------------------------------------------- */

static json_t *ask_deliver(struct queue *queue, unsigned crew, const char *transport,
                           const char *nexthop, const struct envelope *envelope)
{
    struct deliver_link *link = pick_current(queue, crew);
    struct buffer encoded = BUFFER_INIT;
    struct buffer body = BUFFER_INIT;

    envelope_encode(envelope, &encoded);
    const struct message_job job = {
        .transport = sluice_span_of(transport),
        .nexthop = sluice_span_of(nexthop),
        .envelope = buffer_span(&encoded),
    };
    message_job_encode_head(&job, &body);
    body.failed = body.failed || buffer_failed(&encoded);
    buffer_done(&encoded);
    return question_ask(queue, link != NULL ? link->channel : NULL, MESSAGE_EXPLAIN, &body,
                        QUESTION_TIME_MS);
}

/* first: of the message's recipients there. */
static sluice_status put_site(struct session *session, const json_t *message, const json_t *first)
{
    struct queue *queue = session->queue;
    const char *transport = session_text(first, "transport");
    const char *nexthop = session_text(first, "nexthop");
    struct site_limits limits =
        queue->schedule.limits(queue->schedule.user, sluice_span_of(transport));
    struct envelope envelope = ENVELOPE_INIT;
    json_t *line = json_object();

    fill_envelope(&envelope, json_object_get(message, "steps"), first);
    json_t *answer = ask_deliver(queue, limits.crew, transport, nexthop, &envelope);
    describe_site(queue, &limits, transport, nexthop, line);
    if (json_is_true(json_object_get(message, "is_held")))
        set_text(line, "when", "on_unhold");
    (void)json_object_set_new(line, "recipients", addresses_of(&envelope));
    if (answer != NULL)
        (void)json_object_update(line, answer);
    else
        set_text(line, "text", "no deliver process has answered");
    json_decref(answer);
    envelope_done(&envelope);
    sluice_status st = session_put(session, line);
    return st == SLUICE_OK ? session_send(session) : st;
}

static sluice_status put_sites(struct session *session, const json_t *message)
{
    const json_t *steps = json_object_get(message, "steps");
    sluice_status st = SLUICE_OK;
    size_t count = 0;

    for (size_t i = 0; st == SLUICE_OK && i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);

        if (!is_recipient(step) || !is_first(steps, i))
            continue;
        if (count++ == EXPLAIN_SITES_MAX)
            return session_put(session, json_pack("{s:s}", "explain", "cut"));
        st = put_site(session, message, step);
    }
    return st;
}

/* ---- the command ----------------------------------------------------------------------------- */

static sluice_status read_request(struct session *session, const json_t *request,
                                  struct message_explain *explain)
{
    struct address client;

    *explain = (struct message_explain){
        .address = sluice_span_of(session_text(request, "address")),
        .sender = sluice_span_of(session_text(request, "sender")),
        .client = sluice_span_of(session_text(request, "client")),
        .helo = sluice_span_of(session_text(request, "helo")),
    };
    if (explain->address.len == 0)
        return error_set(&session->err, SLUICE_PERM, "explain wants an address");
    if (explain->client.len > 0 && address_parse(explain->client, 0, &client) != SLUICE_OK)
        return error_set(&session->err, SLUICE_PERM, "\"%.*s\" is no address of a client",
                         SPAN_ARGS(explain->client));
    return SLUICE_OK;
}

sluice_status explain_send(struct session *session, json_t *request)
{
    struct message_explain explain;
    struct buffer body = BUFFER_INIT;
    sluice_status st = read_request(session, request, &explain);

    if (st != SLUICE_OK)
        return st;
    message_explain_encode(&explain, &body);
    json_t *line = question_ask(session->queue, intake_current(session->queue), MESSAGE_EXPLAIN, &body,
                                QUESTION_TIME_MS);
    if (line == NULL)
        return error_set(&session->err, SLUICE_TEMP, "no receive process has answered");
    set_text(line, "explain", "message");
    set_text(line, "address", session_text(request, "address"));
    set_text(line, "sender", session_text(request, "sender"));
    st = session_put(session, json_incref(line));
    if (st == SLUICE_OK)
        st = session_send(session);
    if (st == SLUICE_OK)
        st = put_sites(session, line);
    json_decref(line);
    return st;
}
