/* SPDX-License-Identifier: ISC */
/*
 * inspect: records and schedule as JSON. Members of a message are named as postqueue -j has them;
 * further ones are ours.
 */
#include "queue/inspect.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/json_text.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/dispatch.h"
#include "queue/intake.h"
#include "queue/lookup_link.h"
#include "queue/state.h"
#include "queue/tables.h"

#include <stdlib.h>

/* Adds a member that may be missing for want of memory: the object says so in the end. */
static void set(json_t *object, const char *name, json_t *value, bool *is_whole)
{
    if (json_object_set_new(object, name, value) == -1)
        *is_whole = false;
}

static void set_span(json_t *object, const char *name, struct sluice_span text, bool *is_whole)
{
    set(object, name, json_text(text), is_whole);
}

/* Seconds since 1970 of an instant of the monotonic clock. */
static json_t *seconds_of(int64_t monotonic_ms)
{
    return json_integer((clock_wall_ms() + (monotonic_ms - clock_monotonic_ms())) / 1000);
}

static json_t *finished(json_t *object, bool is_whole)
{
    if (is_whole)
        return object;
    json_decref(object);
    return NULL;
}

/* ---- recipients ------------------------------------------------------------------------------ */

static const char *state_word(const struct envelope_recipient *recipient)
{
    static const char *const words[] = {
        [RECIPIENT_WAITING] = "waiting",
        [RECIPIENT_DELIVERED] = "delivered",
        [RECIPIENT_FAILED] = "failed",
        [RECIPIENT_RETURNED] = "returned",
        [RECIPIENT_RELAYED] = "delivered",
        [RECIPIENT_ARRIVED] = "delivered",
        [RECIPIENT_UNVERIFIED] = "unverified",
    };

    return recipient->state <= RECIPIENT_UNVERIFIED ? words[recipient->state] : "unknown";
}

/* On hold it would wait for a release, too, without the hold. */
static bool is_on_release(const struct unit *unit)
{
    return unit->state == UNIT_HELD ||
           (unit->state == UNIT_ON_HOLD && unit->due.due_ms == CLOCK_NEVER);
}

static json_t *suspension_reason(const struct site *site)
{
    bool has_reason = site->suspension[0] != '\0';

    return json_sprintf("site suspended by the operator%s%s", has_reason ? ": " : "",
                        site->suspension);
}

/* Why it is still here: what the last attempt said, or why there was none. */
static json_t *delay_reason(const struct envelope_recipient *recipient, const struct unit *unit)
{
    if (unit != NULL && unit->site->suspension != NULL)
        return suspension_reason(unit->site);
    if (recipient->text.len > 0)
        return json_text(recipient->text);
    if (unit != NULL && is_on_release(unit))
        return json_string("deferred transport");
    if (unit == NULL || unit->state == UNIT_IN_FLIGHT ||
        !site_is_suspended(unit->site, clock_monotonic_ms()))
        return NULL;
    return json_sprintf("delivery temporarily suspended: %s",
                        unit->site->last_text != NULL ? unit->site->last_text : "");
}

static void set_schedule(json_t *object, const struct unit *unit, bool *is_whole)
{
    static const char *const words[] = {
        [UNIT_NEW] = "new",       [UNIT_HELD] = "on release",     [UNIT_WAITING] = "waiting",
        [UNIT_READY] = "ready",   [UNIT_IN_FLIGHT] = "attempted", [UNIT_ON_HOLD] = "on hold",
        [UNIT_APART] = "suspect",
    };

    set(object, "schedule", json_string(words[unit->state]), is_whole);
    if (unit->state == UNIT_WAITING)
        set(object, "next_attempt", seconds_of(unit->due.due_ms), is_whole);
}

static json_t *recipient_json(const struct queue_message *message,
                              const struct envelope_recipient *recipient, size_t index)
{
    const struct unit *unit = schedule_unit_of(message, recipient, index);
    json_t *reason = delay_reason(recipient, unit);
    json_t *object = json_object();
    bool is_whole = true;

    set_span(object, "address", recipient->address, &is_whole);
    if (reason != NULL)
        set(object, "delay_reason", reason, &is_whole);
    if (recipient->original.len > 0)
        set_span(object, "original", recipient->original, &is_whole);
    if (recipient->orcpt.len > 0)
        set_span(object, "orcpt", recipient->orcpt, &is_whole);
    set(object, "state", json_string(state_word(recipient)), &is_whole);
    set_span(object, "dsn", recipient->dsn, &is_whole);
    set_span(object, "transport", recipient->transport, &is_whole);
    set_span(object, "nexthop", recipient->nexthop, &is_whole);
    set(object, "attempts", json_integer(recipient->attempts), &is_whole);
    if (recipient->last_attempt_ms > 0)
        set(object, "last_attempt", json_integer(recipient->last_attempt_ms / 1000), &is_whole);
    if (unit != NULL)
        set_schedule(object, unit, &is_whole);
    return finished(object, is_whole);
}

/* ---- messages -------------------------------------------------------------------------------- */

const char *inspect_queue_name(const struct queue_message *message)
{
    if (message->is_held)
        return "hold";
    return schedule_is_under_way(message, clock_monotonic_ms()) ? "active" : "deferred";
}

static json_t *recipients_json(const struct queue_message *message, const struct envelope *envelope)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < envelope->recipient_count; i++) {
        if (json_array_append_new(list, recipient_json(message, &envelope->recipients[i], i)) ==
            -1) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* What only `queue show` tells. */
static void set_details(json_t *object, const struct envelope *envelope, bool *is_whole)
{
    set_span(object, "client_address", envelope->client_address, is_whole);
    set_span(object, "client_name", envelope->client_name, is_whole);
    set_span(object, "helo", envelope->helo, is_whole);
    set_span(object, "protocol", envelope->protocol, is_whole);
    set_span(object, "envid", envelope->envid, is_whole);
    set(object, "smtputf8", json_boolean(envelope->is_smtputf8), is_whole);
}

static json_t *message_json(const struct queue_message *message, const struct envelope *envelope,
                            bool with_details)
{
    json_t *object = json_object();
    bool is_whole = true;
    char id[ID_TEXT_SIZE];

    set(object, "queue_name", json_string(inspect_queue_name(message)), &is_whole);
    set(object, "queue_id", json_string(id_format(message->id, id)), &is_whole);
    set(object, "arrival_time", json_integer(message->arrival_ms / 1000), &is_whole);
    set(object, "message_size", json_integer((json_int_t)message->content_size), &is_whole);
    set(object, "forced_expire", json_boolean(message->is_expired), &is_whole);
    set_span(object, "sender", envelope->sender, &is_whole);
    if (with_details)
        set_details(object, envelope, &is_whole);
    set(object, "recipients", recipients_json(message, envelope), &is_whole);
    return finished(object, is_whole);
}

/* What is known without its record: somebody has to look at it, and so it is listed. */
static json_t *unreadable_json(const struct queue_message *message)
{
    const struct envelope none = ENVELOPE_INIT;
    json_t *object = message_json(message, &none, false);
    bool is_whole = true;

    set(object, "error", json_string("its record cannot be read"), &is_whole);
    return finished(object, is_whole);
}

/* While the record was read the message may have been delivered and removed. */
sluice_status inspect_put(struct session *session, uint64_t id, const struct buffer *record,
                          bool with_details)
{
    const struct queue_message *message = schedule_find(&session->queue->schedule, id);
    struct envelope envelope = ENVELOPE_INIT;
    sluice_status st;

    if (message == NULL || !inspect_is_listed(message))
        return SLUICE_NOT_FOUND;
    if (message->active != NULL && message->active->record.len > 0)
        record = &message->active->record; /* the newest */
    if (envelope_decode(buffer_span(record), &envelope, NULL) == SLUICE_OK)
        st = session_put(session, message_json(message, &envelope, with_details));
    else
        st = session_put(session, unreadable_json(message));
    envelope_done(&envelope);
    return st;
}

bool inspect_is_listed(const struct queue_message *message)
{
    return message->is_durable && (message->active == NULL || !message->active->is_finished);
}

struct queue_message *inspect_find(struct session *session, const char *id)
{
    struct queue_message *message = NULL;
    uint64_t number;

    if (id_parse(sluice_span_of(id), &number))
        message = schedule_find(&session->queue->schedule, number);
    if (message != NULL && inspect_is_listed(message))
        return message;
    (void)error_set(&session->err, SLUICE_NOT_FOUND, "%s: no such message in the queue", id);
    return NULL;
}

sluice_status inspect_message(struct session *session, json_t *request)
{
    const struct queue_message *message = inspect_find(session, session_text(request, "id"));
    struct buffer record = BUFFER_INIT;
    sluice_status st;

    if (message == NULL)
        return SLUICE_NOT_FOUND;
    uint64_t id = message->id;
    store_read_records(session->queue->store, &id, 1, &record);
    st = inspect_put(session, id, &record, true);
    buffer_done(&record);
    return st;
}

/* ---- sites ----------------------------------------------------------------------------------- */

struct site *inspect_site(const struct session *session, const char *name)
{
    struct sluice_span all = sluice_span_of(name);
    size_t colon = span_find(all, ':');

    return site_find(&session->queue->schedule.sites, span_first(all, colon),
                     span_skip(all, colon + 1));
}

static void set_site_name(json_t *object, const struct site *site, bool *is_whole)
{
    struct buffer name = BUFFER_INIT;

    buffer_printf(&name, "%s:%s", site->transport, site->nexthop);
    set_span(object, "site", buffer_span(&name), is_whole);
    *is_whole = *is_whole && !buffer_failed(&name);
    buffer_done(&name);
}

json_t *inspect_site_json(const struct site *site)
{
    int64_t now_ms = clock_monotonic_ms();
    json_t *object = json_object();
    bool is_whole = true;

    set_site_name(object, site, &is_whole);
    set_span(object, "transport", sluice_span_of(site->transport), &is_whole);
    set_span(object, "nexthop", sluice_span_of(site->nexthop), &is_whole);
    set(object, "units", json_integer((json_int_t)site->unit_count), &is_whole);
    set(object, "on_release", json_integer((json_int_t)site->held_count), &is_whole);
    set(object, "waiting", json_integer((json_int_t)site->waiting.count), &is_whole);
    set(object, "ready", json_integer((json_int_t)site->ready_count), &is_whole);
    set(object, "jobs", json_integer(site->in_flight), &is_whole);
    set(object, "failures", json_integer(site->history.failures), &is_whole);
    if (site_is_suspended(site, now_ms))
        set(object, "suspended_until", seconds_of(site->not_before_ms), &is_whole);
    if (site->suspension != NULL) {
        set(object, "suspension", json_string(site->suspension), &is_whole);
        set(object, "suspended_since", json_integer(site->suspension_ms / 1000), &is_whole);
    }
    if (site->last_text != NULL)
        set_span(object, "last_failure", sluice_span_of(site->last_text), &is_whole);
    return finished(object, is_whole);
}

/* Names first: while they are written sites come and go. NULL: no memory. */
static char **list_names(const struct sites *sites, size_t *ret_count)
{
    char **names = calloc(HASH_COUNT(sites->table) + 1, sizeof(*names));
    size_t count = 0;

    if (names == NULL)
        return NULL;
    for (const struct site *site = sites->table; site != NULL; site = site->hh.next) {
        struct buffer name = BUFFER_INIT;

        if (site->place == SITE_IDLE)
            continue;
        buffer_printf(&name, "%s:%s", site->transport, site->nexthop);
        if (buffer_text(&name) != NULL)
            names[count++] = name.ptr;
        else
            buffer_done(&name);
    }
    *ret_count = count;
    return names;
}

sluice_status inspect_sites(struct session *session, json_t *request)
{
    size_t count = 0;
    char **names = list_names(&session->queue->schedule.sites, &count);
    sluice_status st = SLUICE_OK;

    (void)request;
    if (names == NULL)
        return error_set(&session->err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct site *site = inspect_site(session, names[i]);

        if (st == SLUICE_OK && site != NULL)
            st = session_put(session, inspect_site_json(site));
        free(names[i]);
    }
    free(names);
    return st;
}

sluice_status inspect_one_site(struct session *session, json_t *request)
{
    const char *name = session_text(request, "name");
    const struct site *site = inspect_site(session, name);

    if (site == NULL)
        return error_set(&session->err, SLUICE_NOT_FOUND, "%s: no such site", name);
    return session_put(session, inspect_site_json(site));
}

/* ---- the whole ------------------------------------------------------------------------------- */

static size_t count_sites(const struct sites *sites)
{
    return HASH_COUNT(sites->table) - sites->idle_count;
}

sluice_status inspect_status(struct session *session, json_t *request)
{
    const struct queue *queue = session->queue;
    json_t *object = json_object();
    bool is_whole = true;

    (void)request;
    set(object, "messages", json_integer((json_int_t)queue->schedule.messages.count),
        &is_whole);
    set(object, "units", json_integer((json_int_t)queue->schedule.unit_count), &is_whole);
    set(object, "attempted", json_integer((json_int_t)queue->schedule.in_flight), &is_whole);
    set(object, "sites", json_integer((json_int_t)count_sites(&queue->schedule.sites)), &is_whole);
    set(object, "receive", json_integer((json_int_t)intake_link_count(queue)), &is_whole);
    set(object, "deliver", json_integer((json_int_t)deliver_link_count(queue)), &is_whole);
    set(object, "lookup", json_integer((json_int_t)lookup_link_count(queue)), &is_whole);
    set(object, "tables_in_trouble", tables_in_trouble(session->queue), &is_whole);
    set(object, "accepting", json_boolean(queue->is_accepting), &is_whole);
    set(object, "free_bytes", json_integer((json_int_t)queue->space.free_bytes), &is_whole);
    set(object, "used_bytes", json_integer((json_int_t)queue->space.used_bytes), &is_whole);
    set(object, "reserved_bytes", json_integer((json_int_t)queue->space.reserved_bytes), &is_whole);
    set(object, "generation", json_integer((json_int_t)queue->role->generation), &is_whole);
    return session_put(session, finished(object, is_whole));
}
