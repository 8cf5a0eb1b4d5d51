/* SPDX-License-Identifier: ISC */
/*
 * results: outcomes by recipient, then consequences by site and unit.
 */
#include "queue/results.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "queue/active.h"
#include "queue/admit.h"
#include "queue/delivery_log.h"
#include "queue/dispatch.h"
#include "queue/pick.h"
#include "queue/report.h"
#include "queue/reroute.h"
#include "queue/state.h"

#include <utlist.h>

#define RESULT_TEXT_MAX 2048 /* of a peer's reply, in the record, */
#define RESULT_TEXTS_MAX ((size_t)8 * 1024 * 1024) /* and of all of them: stores have limits */

static const struct message_outcome no_outcome = {
    .status = SLUICE_TEMP,
    .text = {.ptr = "no result was reported", .len = sizeof("no result was reported") - 1},
};

static struct sluice_span dsn_of(const struct message_outcome *outcome)
{
    if (outcome->dsn.len > 0)
        return outcome->dsn;
    if (outcome->status == SLUICE_OK)
        return SPAN_LITERAL("2.0.0");
    return outcome->status == SLUICE_PERM ? SPAN_LITERAL("5.0.0") : SPAN_LITERAL("4.0.0");
}

/* RFC 3461 5.2.1: success is ours to report where the next host did not take over that duty. */
static bool owes_success(const struct envelope *envelope,
                         const struct envelope_recipient *recipient, uint32_t flags)
{
    return envelope->sender.len > 0 && (recipient->notify & SLUICE_NOTIFY_SUCCESS) != 0 &&
           (flags & SLUICE_RESULT_DSN_PASSED) == 0;
}

/* Anything that is neither done nor refused for good is tried again; who only asks gets the first
 * answer, whatever it is. */
static enum recipient_state state_of(const struct envelope *envelope,
                                     const struct envelope_recipient *recipient,
                                     const struct message_outcome *outcome)
{
    if (outcome->status == SLUICE_PERM)
        return RECIPIENT_FAILED;
    if (outcome->status != SLUICE_OK)
        return envelope->is_verify ? RECIPIENT_UNVERIFIED : RECIPIENT_WAITING;
    if (!envelope->is_verify && !owes_success(envelope, recipient, outcome->flags))
        return RECIPIENT_DELIVERED;
    return (outcome->flags & SLUICE_RESULT_FINAL) != 0 ? RECIPIENT_ARRIVED : RECIPIENT_RELAYED;
}

/* How much of a text each of so many recipients may have: twice, as a reason and as a reply. */
static size_t text_max(size_t recipient_count)
{
    size_t max = RESULT_TEXTS_MAX / 2 / recipient_count;

    return max < RESULT_TEXT_MAX ? max : RESULT_TEXT_MAX;
}

/* What a report will say, in the record: it may be made after a restart. */
static void note_reason(const struct envelope *envelope, struct envelope_recipient *recipient,
                        const struct message_outcome *outcome)
{
    size_t max = text_max(envelope->recipient_count);

    recipient->dsn = dsn_of(outcome);
    recipient->text = span_first(outcome->text, max);
    recipient->reply = span_first(outcome->reply, max);
    recipient->remote = outcome->reply.len > 0
                            ? span_first(outcome->relay, span_find(outcome->relay, '['))
                            : SPAN_EMPTY;
}

static void apply_outcome(const struct job *job, const struct message_result *result,
                          const struct envelope *envelope, struct envelope_recipient *recipient,
                          const struct message_outcome *outcome)
{
    struct delivery_line line = {
        .id = job->active->message->id,
        .transport = job->site->transport,
        .recipient = recipient,
        .is_verify = envelope->is_verify,
        .relay = outcome->relay,
        .arrival_ms = envelope->arrival_ms,
        .started_ms = job->started_wall_ms,
        .connect_ms = result->connect_ms,
        .transfer_ms = result->transfer_ms,
        .status = outcome->status,
        .dsn = dsn_of(outcome),
        .text = outcome->text,
    };

    recipient->state = state_of(envelope, recipient, outcome);
    recipient->attempts++;
    recipient->last_attempt_ms = clock_wall_ms();
    recipient->next_due_ms = 0;
    note_reason(envelope, recipient, outcome);
    delivery_log(&line);
}

static void apply_outcomes(const struct job *job, const struct message_result *result,
                           struct envelope *envelope)
{
    for (size_t i = 0; i < job->recipient_count; i++) {
        const struct message_outcome *outcome =
            i < result->outcome_count ? &result->outcomes[i] : &no_outcome;

        apply_outcome(job, result, envelope, &envelope->recipients[job->recipients[i]], outcome);
    }
}

/* ---- the site -------------------------------------------------------------------------------- */

/* Why the site could not be reached: the first recipient that says something. */
static struct sluice_span failure_text(const struct message_result *result)
{
    for (size_t i = 0; i < result->outcome_count; i++) {
        if (result->outcomes[i].status != SLUICE_OK && result->outcomes[i].text.len > 0)
            return result->outcomes[i].text;
    }
    return SPAN_LITERAL("the site could not be reached");
}

static void judge_site(const struct job *job, const struct message_result *result)
{
    struct site *site = job->site;
    int64_t now_ms = clock_monotonic_ms();
    int64_t wall_ms = clock_wall_ms();

    fair_learn(site_fair(&job->queue->schedule.sites, site), site,
               result->connect_ms + result->transfer_ms);
    pick_kept(job->queue, site, now_ms);
    if (result->site == SITE_REACHED)
        site_reached(site, wall_ms);
    if (result->site != SITE_FAILED ||
        !site_failed(site, job->started_ms, now_ms, wall_ms, failure_text(result)))
        return;
    int64_t delay_ms = deferral_site_next(site->limits.deferral, &site->history, wall_ms);
    site->not_before_ms = delay_ms == DEFERRAL_ON_RELEASE ? CLOCK_NEVER : now_ms + delay_ms;
}

/*
 * A site that cannot be reached has had its chance: what a release has let go there waits again,
 * rather than trying every message. Not while other attempts may still prove the contrary.
 */
static void give_up_release(const struct job *job)
{
    struct site *site = job->site;

    if (site->released == NULL || site->history.failures == 0 || site->in_flight > 0)
        return;
    log_notice("site %s:%s cannot be reached: what was released and not attempted waits again",
               site->transport, site->nexthop);
    schedule_recall(&job->queue->schedule, site, clock_monotonic_ms());
}

/* ---- the units ------------------------------------------------------------------------------- */

static void set_due(const struct unit *unit, struct envelope *envelope, int64_t due_ms)
{
    for (size_t i = unit->first; i <= unit->last; i++) {
        if (schedule_unit_has(unit, &envelope->recipients[i], i))
            envelope->recipients[i].next_due_ms = due_ms;
    }
}

static uint32_t count_waiting(const struct unit *unit, const struct envelope *envelope)
{
    uint32_t count = 0;

    for (size_t i = unit->first; i <= unit->last; i++)
        count += schedule_unit_has(unit, &envelope->recipients[i], i);
    return count;
}

/* When the unit may be attempted next, in the record, and in the unit for reschedule. */
static void plan(struct unit *unit, struct envelope *envelope)
{
    int64_t delay_ms = admit_delay(unit, envelope);
    bool is_on_release = delay_ms == DEFERRAL_ON_RELEASE;

    set_due(unit, envelope, is_on_release ? ENVELOPE_ON_RELEASE : clock_wall_ms() + delay_ms);
    unit->due.due_ms = is_on_release ? CLOCK_NEVER : clock_monotonic_ms() + delay_ms;
}

static void reschedule(struct schedule *schedule, struct unit *unit,
                       const struct envelope *envelope)
{
    uint32_t left = count_waiting(unit, envelope);

    if (left == 0) {
        schedule_settle(schedule, unit);
        return;
    }
    unit->recipient_count = left;
    unit->is_routed = false;
    schedule_defer(schedule, unit, unit->due.due_ms, clock_monotonic_ms());
}

static void reschedule_all(struct job *job, const struct envelope *envelope)
{
    struct schedule *schedule = &job->queue->schedule;
    struct unit *unit;
    struct unit *next;

    DL_FOREACH_SAFE(job->units, unit, next)
    reschedule(schedule, unit, envelope);
    job->units = NULL;
    schedule_job_done(schedule, job->site, clock_monotonic_ms());
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The record with the results in it. Only without memory it cannot be had. */
static sluice_status make_record(struct job *job, const struct message_result *result,
                                 struct envelope *envelope, struct buffer *record)
{
    struct unit *unit;

    if (envelope_decode(buffer_span(&job->active->record), envelope, NULL) != SLUICE_OK)
        return SLUICE_TEMP;
    apply_outcomes(job, result, envelope);
    envelope->crashes = job->active->message->crashes;
    DL_FOREACH(job->units, unit)
    plan(unit, envelope);
    envelope_encode(envelope, record);
    return buffer_failed(record) ? SLUICE_TEMP : SLUICE_OK;
}

void results_apply(struct job *job, const struct message_result *result)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct buffer record = BUFFER_INIT;

    judge_site(job, result);
    delivery_log_job(job->site->transport, result->connect_ms + result->transfer_ms);
    if (result->site == SITE_OURS) {
        reroute_to_best_mx(job);
    } else if (make_record(job, result, &envelope, &record) == SLUICE_OK) {
        reschedule_all(job, &envelope);
        give_up_release(job);
        active_change(job->active, &record, envelope_is_finished(&envelope));
        report_owe_all(job->queue, job->active->message, &envelope);
    } else {
        log_error("out of memory: a result is lost, its recipients will be tried again");
        results_return(job, job->queue->settings.minimal_backoff_ms);
    }
    buffer_done(&record);
    envelope_done(&envelope);
}

/* Somebody has to look at it, and it may be that only this line says so. */
static void log_held(const struct job *job, const struct envelope *envelope, const char *text)
{
    static const struct log_event held = {
        .level = LOG_LEVEL_ERROR,
        .name = "held",
        .text = "{queue_id}: from=<{from}>, site={transport}:{nexthop}: {reason}",
    };

    log_event(&held, log_id("queue_id", job->active->message->id),
              log_span("from", envelope->sender), log_text("transport", job->site->transport),
              log_text("nexthop", job->site->nexthop), log_text("reason", text));
}

void results_crash(struct job *job, const char *text, bool is_held)
{
    struct envelope envelope = ENVELOPE_INIT;
    struct buffer record = BUFFER_INIT;

    if (envelope_decode(buffer_span(&job->active->record), &envelope, NULL) != SLUICE_OK) {
        log_error("out of memory: a crash is not recorded");
        return;
    }
    envelope.crashes = job->active->message->crashes;
    envelope.is_held = job->active->message->is_held;
    for (size_t i = 0; i < job->recipient_count; i++) {
        struct envelope_recipient *recipient = &envelope.recipients[job->recipients[i]];

        recipient->last_attempt_ms = clock_wall_ms();
        recipient->dsn = SPAN_LITERAL("4.3.0");
        recipient->text = sluice_span_of(text);
    }
    if (is_held)
        log_held(job, &envelope, text);
    envelope_encode(&envelope, &record);
    if (!buffer_failed(&record))
        active_change(job->active, &record, false);
    buffer_done(&record);
    envelope_done(&envelope);
}

void results_return(struct job *job, int64_t delay_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    struct unit *unit;
    struct unit *next;

    DL_FOREACH_SAFE(job->units, unit, next)
    schedule_return(&job->queue->schedule, unit, now_ms + delay_ms, now_ms);
    job->units = NULL;
    schedule_job_done(&job->queue->schedule, job->site, now_ms);
}
