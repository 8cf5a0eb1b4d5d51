/* SPDX-License-Identifier: ISC */
/*
 * suspension: the list is what the sites say; its record is written anew with each change.
 */
#include "queue/suspension.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"
#include "ipc/record.h"
#include "queue/inspect.h"
#include "queue/state.h"
#include "sluice/transport.h"

#include <string.h>

/* ---- the record ------------------------------------------------------------------------------ */

#define TAG_SUSPENSION 1

struct entry {
    struct sluice_span transport;
    struct sluice_span nexthop;
    struct sluice_span reason;
    int64_t since_ms;
};

static const struct record_member members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct entry, transport),
    RECORD_MEMBER(2, RECORD_SPAN, struct entry, nexthop),
    RECORD_MEMBER(3, RECORD_SPAN, struct entry, reason),
    RECORD_MEMBER(4, RECORD_I64, struct entry, since_ms),
};

static void encode(const struct sites *sites, struct buffer *record)
{
    struct buffer fields = BUFFER_INIT;

    for (const struct site *site = sites->table; site != NULL; site = site->hh.next) {
        if (site->suspension == NULL)
            continue;
        struct entry entry = {
            .transport = sluice_span_of(site->transport),
            .nexthop = sluice_span_of(site->nexthop),
            .reason = sluice_span_of(site->suspension),
            .since_ms = site->suspension_ms,
        };
        buffer_clear(&fields);
        record_encode(members, RECORD_COUNT(members), &entry, false, &fields);
        if (buffer_failed(&fields))
            record->failed = true;
        codec_put_field(record, TAG_SUSPENSION, buffer_span(&fields));
    }
    buffer_done(&fields);
}

static sluice_status restore_one(struct queue *queue, struct sluice_span bytes)
{
    struct entry entry;
    struct site *site;

    if (record_decode(members, RECORD_COUNT(members), bytes, &entry, sizeof(entry)) != SLUICE_OK)
        return SLUICE_PERM;
    site = schedule_site(&queue->schedule, entry.transport, entry.nexthop);
    if (site == NULL || !site_suspend(&queue->schedule.sites, site, entry.reason, entry.since_ms,
                                      clock_monotonic_ms()))
        return SLUICE_TEMP;
    return SLUICE_OK;
}

sluice_status suspensions_restore(struct suspensions *suspensions, struct queue *queue,
                                  struct sluice_span record)
{
    struct codec_field field;
    sluice_status st;

    suspensions->is_stored = true;
    while ((st = codec_next(&record, &field)) == SLUICE_OK) {
        if (field.tag != TAG_SUSPENSION)
            continue;
        st = restore_one(queue, field.bytes);
        if (st != SLUICE_OK)
            return st;
        suspensions->count++;
    }
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

void suspensions_done(struct suspensions *suspensions)
{
    buffer_done(&suspensions->record);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void start_writing(struct queue *queue);

static void on_written(struct store_change *change, sluice_status status, const struct error *err)
{
    struct suspensions *suspensions =
        (struct suspensions *)(void *)((char *)change - offsetof(struct suspensions, change));
    struct queue *queue = suspensions->queue;

    suspensions->is_writing = false;
    buffer_done(&suspensions->record);
    /* PERM for a PUT: a former one, of which nobody could tell, has come about. */
    suspensions->is_stored = suspensions->is_stored || status != SLUICE_TEMP;
    if (status == SLUICE_OK)
        suspensions->recorded = suspensions->writing;
    else
        log_error("suspended sites are not recorded, and forgotten at a start: %s", err->text);
    task_queue_wake_all(&queue->recorded);
    if (status == SLUICE_OK && suspensions->changes > suspensions->writing)
        start_writing(queue);
}

static void start_writing(struct queue *queue)
{
    struct suspensions *suspensions = &queue->suspensions;

    encode(&queue->schedule.sites, &suspensions->record);
    if (buffer_failed(&suspensions->record)) { /* whoever waits for it is told in time */
        buffer_done(&suspensions->record);
        return;
    }
    suspensions->queue = queue;
    suspensions->writing = suspensions->changes;
    suspensions->is_writing = true;
    suspensions->change = (struct store_change){
        .change = {.kind = suspensions->is_stored ? SLUICE_QUEUE_UPDATE : SLUICE_QUEUE_PUT,
                   .id = SUSPENSION_RECORD_ID,
                   .content_fd = -1,
                   .record = buffer_span(&suspensions->record)},
        .done = on_written,
    };
    store_submit(queue->store, &suspensions->change);
    store_hurry(queue->store);
}

/* What has changed is in force; waits until it is durable too. */
static sluice_status record_change(struct session *session)
{
    struct queue *queue = session->queue;
    struct suspensions *suspensions = &queue->suspensions;
    int64_t deadline_ms = clock_monotonic_ms() + SUSPENSION_PATIENCE_MS;
    uint64_t change = ++suspensions->changes;

    if (!suspensions->is_writing)
        start_writing(queue);
    while (suspensions->recorded < change) {
        bool is_hopeless = !suspensions->is_writing; /* a PUT is not tried again */

        if (is_hopeless || task_queue_wait(&queue->recorded, deadline_ms) != SLUICE_OK)
            return error_set(&session->err, SLUICE_TEMP,
                             "this is in force, but not recorded: a start will forget it");
    }
    return SLUICE_OK;
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* The site of that name, also if nothing is known of it yet. NULL with an error set. */
static struct site *name_site(struct session *session, const char *name)
{
    struct sluice_span all = sluice_span_of(name);
    size_t colon = span_find(all, ':');
    char transport[64];

    if (colon == all.len || colon >= sizeof(transport)) {
        (void)error_set(&session->err, SLUICE_NOT_FOUND, "%s: a site is TRANSPORT:NEXTHOP", name);
        return NULL;
    }
    memcpy(transport, name, colon);
    transport[colon] = '\0';
    if (config_instance_find(session->queue->role->config, SLUICE_TRANSPORT_ID, transport) ==
        NULL) {
        (void)error_set(&session->err, SLUICE_NOT_FOUND, "%s: there is no such transport",
                        transport);
        return NULL;
    }
    struct site *site = schedule_site(&session->queue->schedule, span_first(all, colon),
                                      span_skip(all, colon + 1));
    if (site == NULL)
        (void)error_set(&session->err, SLUICE_TEMP, "out of memory");
    return site;
}

static sluice_status suspend(struct session *session, struct site *site, const char *reason)
{
    struct suspensions *suspensions = &session->queue->suspensions;
    bool is_new = site->suspension == NULL;

    if (is_new && suspensions->count >= SUSPENSIONS_MAX)
        return error_set(&session->err, SLUICE_TEMP, "%d sites are suspended already",
                         SUSPENSIONS_MAX);
    if (!site_suspend(&session->queue->schedule.sites, site, sluice_span_of(reason),
                      clock_wall_ms(), clock_monotonic_ms()))
        return error_set(&session->err, SLUICE_TEMP, "out of memory");
    suspensions->count += is_new;
    log_notice("operator: site %s:%s suspended by uid %u: %s", site->transport, site->nexthop,
               (unsigned)session->uid, reason);
    return record_change(session);
}

sluice_status suspension_suspend(struct session *session, json_t *request)
{
    const char *reason = session_text(request, "reason");

    if (strlen(reason) >= SITE_TEXT_MAX)
        return error_set(&session->err, SLUICE_TEMP, "the reason is too long");
    struct site *site = name_site(session, session_text(request, "name"));
    return site != NULL ? suspend(session, site, reason) : session->err.status;
}

sluice_status suspension_resume(struct session *session, json_t *request)
{
    const char *name = session_text(request, "name");
    struct queue *queue = session->queue;
    struct site *site = inspect_site(session, name);

    if (site == NULL || site->suspension == NULL)
        return error_set(&session->err, SLUICE_NOT_FOUND, "%s: no such site is suspended", name);
    log_notice("operator: site %s:%s resumed by uid %u", site->transport, site->nexthop,
               (unsigned)session->uid);
    site_resume(&queue->schedule.sites, site, clock_monotonic_ms());
    queue->suspensions.count--;
    (void)task_queue_wake_one(&queue->work);
    return record_change(session);
}
