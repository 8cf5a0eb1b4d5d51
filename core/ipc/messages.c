/* SPDX-License-Identifier: ISC */
/*
 * messages: the tables of the messages' members. Tags are never used again; new members come at the
 * end of their table and, as long as older peers may live (a reload), must not be required: today
 * both ends of a channel are of one build, so every member of a body must be there.
 */
#include "ipc/messages.h"

#include "ipc/record.h"

#include <stdlib.h>

_Static_assert(sizeof(sluice_status) == sizeof(int32_t), "statuses travel as 32 bits");

static const struct record_member setup_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_setup, generation),
    RECORD_MEMBER(2, RECORD_U32, struct message_setup, index),
    RECORD_MEMBER(3, RECORD_U32, struct message_setup, log_target),
    RECORD_MEMBER(4, RECORD_SPAN, struct message_setup, crew),
};

static const struct record_member link_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_link, role),
    RECORD_MEMBER(2, RECORD_U32, struct message_link, index),
    RECORD_MEMBER(3, RECORD_U64, struct message_link, generation),
    RECORD_MEMBER(4, RECORD_BOOL, struct message_link, is_isolated),
    RECORD_MEMBER(5, RECORD_I32, struct message_link, pid),
    RECORD_MEMBER(6, RECORD_SPAN, struct message_link, crew),
};

static const struct record_member died_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_died, pid),
    RECORD_MEMBER(2, RECORD_BOOL, struct message_died, is_crash),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_died, task),
    RECORD_MEMBER(4, RECORD_SPAN, struct message_died, activity),
    RECORD_MEMBER(5, RECORD_SPAN, struct message_died, text),
};

static const struct record_member isolate_members[] = {
    RECORD_MEMBER(1, RECORD_BOOL, struct message_isolate, is_wanted),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_isolate, crew),
};

static const struct record_member replace_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_replace, text),
};

static const struct record_member credit_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_credit, bytes),
    RECORD_MEMBER(2, RECORD_U64, struct message_credit, messages),
};

static const struct record_member lease_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_lease, first),
    RECORD_MEMBER(2, RECORD_U64, struct message_lease, count),
};

static const struct record_member space_members[] = {
    RECORD_MEMBER(1, RECORD_BOOL, struct message_space, is_accepting),
    RECORD_MEMBER(2, RECORD_U64, struct message_space, free_bytes),
};

static const struct record_member commit_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_commit, envelope),
    RECORD_MEMBER(2, RECORD_SPAN_HEAD, struct message_commit, content),
};

static const struct record_member status_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_status, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_status, dsn),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_status, text),
};

static const struct record_member lookup_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_lookup, table),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_lookup, key),
    RECORD_MEMBER(3, RECORD_U64, struct message_lookup, flags),
    RECORD_MEMBER(4, RECORD_I64, struct message_lookup, timeout_ms),
    RECORD_MEMBER(5, RECORD_BOOL, struct message_lookup, is_explained),
};

static const struct record_member found_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_found, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_found, value),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_found, dsn),
    RECORD_MEMBER(4, RECORD_SPAN, struct message_found, text),
    RECORD_MEMBER(5, RECORD_SPAN, struct message_found, noted),
    RECORD_MEMBER(6, RECORD_BOOL, struct message_found, is_old),
    RECORD_MEMBER(7, RECORD_I64, struct message_found, keep_until_ms),
};

static const struct record_member table_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_table, table),
    RECORD_MEMBER(2, RECORD_U64, struct message_table, generation),
    RECORD_MEMBER(3, RECORD_BOOL, struct message_table, has_generation),
};

static const struct record_member release_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_release, domain),
    RECORD_MEMBER(2, RECORD_BOOL, struct message_release, with_subdomains),
    RECORD_MEMBER(3, RECORD_BOOL, struct message_release, is_exempt),
    RECORD_MEMBER(4, RECORD_BOOL, struct message_release, is_queue),
};

static const struct record_member released_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_released, status),
    RECORD_MEMBER(2, RECORD_U64, struct message_released, count),
    RECORD_MEMBER(3, RECORD_BOOL, struct message_released, is_postponed),
};

static const struct record_member reloaded_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_reloaded, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_reloaded, text),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_reloaded, said),
    RECORD_MEMBER(4, RECORD_U64, struct message_reloaded, generation),
};

static const struct record_member job_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_job, message_id),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_job, transport),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_job, nexthop),
    RECORD_MEMBER(4, RECORD_BOOL, struct message_job, is_released),
    RECORD_MEMBER(5, RECORD_SPAN, struct message_job, envelope),
    RECORD_MEMBER(6, RECORD_BOOL, struct message_job, is_routed),
    RECORD_MEMBER(7, RECORD_U64, struct message_job, tables),
    RECORD_MEMBER(8, RECORD_SPAN_HEAD, struct message_job, content),
};

static const struct record_member report_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_report, message_id),
    RECORD_MEMBER(2, RECORD_U64, struct message_report, first_id),
    RECORD_MEMBER(3, RECORD_U32, struct message_report, kind),
    RECORD_MEMBER(4, RECORD_I64, struct message_report, expires_ms),
    RECORD_MEMBER(5, RECORD_SPAN, struct message_report, envelope),
    RECORD_MEMBER(6, RECORD_SPAN_HEAD, struct message_report, content),
};

static const struct record_member reported_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_reported, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_reported, text),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_reported, envelope),
    RECORD_MEMBER(4, RECORD_SPAN_HEAD, struct message_reported, content),
};

static const struct record_member outcome_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_outcome, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_outcome, dsn),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_outcome, text),
    RECORD_MEMBER(4, RECORD_SPAN, struct message_outcome, relay),
    RECORD_MEMBER(5, RECORD_SPAN, struct message_outcome, reply),
    RECORD_MEMBER(6, RECORD_U32, struct message_outcome, flags),
};

/* Followed by the outcomes, each a field of the tag below. */
static const struct record_member result_members[] = {
    RECORD_MEMBER(1, RECORD_U32, struct message_result, site),
    RECORD_MEMBER(2, RECORD_I64, struct message_result, connect_ms),
    RECORD_MEMBER(3, RECORD_I64, struct message_result, transfer_ms),
    RECORD_MEMBER(4, RECORD_U64, struct message_result, outcome_count),
};
#define RESULT_OUTCOME 5

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "outcome_count is read as 64 bits");

#define ENCODE(members, message, buffer)                                                           \
    record_encode((members), RECORD_COUNT(members), (message), false, (buffer))

#define DECODE(members, body, ret)                                                                 \
    record_decode((members), RECORD_COUNT(members), (body), (ret), sizeof(*(ret)))

void message_setup_encode(const struct message_setup *setup, struct buffer *buffer)
{
    ENCODE(setup_members, setup, buffer);
}

sluice_status message_setup_decode(struct sluice_span body, struct message_setup *ret_setup)
{
    return DECODE(setup_members, body, ret_setup);
}

void message_link_encode(const struct message_link *link, struct buffer *buffer)
{
    ENCODE(link_members, link, buffer);
}

sluice_status message_link_decode(struct sluice_span body, struct message_link *ret_link)
{
    return DECODE(link_members, body, ret_link);
}

void message_died_encode(const struct message_died *died, struct buffer *buffer)
{
    ENCODE(died_members, died, buffer);
}

sluice_status message_died_decode(struct sluice_span body, struct message_died *ret_died)
{
    return DECODE(died_members, body, ret_died);
}

void message_isolate_encode(const struct message_isolate *isolate, struct buffer *buffer)
{
    ENCODE(isolate_members, isolate, buffer);
}

sluice_status message_isolate_decode(struct sluice_span body, struct message_isolate *ret_isolate)
{
    return DECODE(isolate_members, body, ret_isolate);
}

void message_replace_encode(const struct message_replace *replace, struct buffer *buffer)
{
    ENCODE(replace_members, replace, buffer);
}

sluice_status message_replace_decode(struct sluice_span body, struct message_replace *ret_replace)
{
    return DECODE(replace_members, body, ret_replace);
}

void message_credit_encode(const struct message_credit *credit, struct buffer *buffer)
{
    ENCODE(credit_members, credit, buffer);
}

sluice_status message_credit_decode(struct sluice_span body, struct message_credit *ret_credit)
{
    return DECODE(credit_members, body, ret_credit);
}

void message_lease_encode(const struct message_lease *lease, struct buffer *buffer)
{
    ENCODE(lease_members, lease, buffer);
}

sluice_status message_lease_decode(struct sluice_span body, struct message_lease *ret_lease)
{
    return DECODE(lease_members, body, ret_lease);
}

void message_space_encode(const struct message_space *space, struct buffer *buffer)
{
    ENCODE(space_members, space, buffer);
}

sluice_status message_space_decode(struct sluice_span body, struct message_space *ret_space)
{
    return DECODE(space_members, body, ret_space);
}

void message_commit_encode_head(const struct message_commit *commit, struct buffer *buffer)
{
    ENCODE(commit_members, commit, buffer);
}

sluice_status message_commit_decode(struct sluice_span body, struct message_commit *ret_commit)
{
    return DECODE(commit_members, body, ret_commit);
}

void message_status_encode(const struct message_status *status, struct buffer *buffer)
{
    ENCODE(status_members, status, buffer);
}

sluice_status message_status_decode(struct sluice_span body, struct message_status *ret_status)
{
    return DECODE(status_members, body, ret_status);
}

void message_lookup_encode(const struct message_lookup *lookup, struct buffer *buffer)
{
    ENCODE(lookup_members, lookup, buffer);
}

sluice_status message_lookup_decode(struct sluice_span body, struct message_lookup *ret_lookup)
{
    return DECODE(lookup_members, body, ret_lookup);
}

void message_found_encode(const struct message_found *found, struct buffer *buffer)
{
    ENCODE(found_members, found, buffer);
}

sluice_status message_found_decode(struct sluice_span body, struct message_found *ret_found)
{
    return DECODE(found_members, body, ret_found);
}

void message_table_encode(const struct message_table *table, struct buffer *buffer)
{
    ENCODE(table_members, table, buffer);
}

sluice_status message_table_decode(struct sluice_span body, struct message_table *ret_table)
{
    return DECODE(table_members, body, ret_table);
}

void message_release_encode(const struct message_release *release, struct buffer *buffer)
{
    ENCODE(release_members, release, buffer);
}

sluice_status message_release_decode(struct sluice_span body, struct message_release *ret_release)
{
    return DECODE(release_members, body, ret_release);
}

void message_released_encode(const struct message_released *released, struct buffer *buffer)
{
    ENCODE(released_members, released, buffer);
}

sluice_status message_released_decode(struct sluice_span body,
                                      struct message_released *ret_released)
{
    return DECODE(released_members, body, ret_released);
}

void message_reloaded_encode(const struct message_reloaded *reloaded, struct buffer *buffer)
{
    ENCODE(reloaded_members, reloaded, buffer);
}

sluice_status message_reloaded_decode(struct sluice_span body,
                                      struct message_reloaded *ret_reloaded)
{
    return DECODE(reloaded_members, body, ret_reloaded);
}

void message_job_encode_head(const struct message_job *job, struct buffer *buffer)
{
    ENCODE(job_members, job, buffer);
}

sluice_status message_job_decode(struct sluice_span body, struct message_job *ret_job)
{
    return DECODE(job_members, body, ret_job);
}

void message_report_encode_head(const struct message_report *report, struct buffer *buffer)
{
    ENCODE(report_members, report, buffer);
}

sluice_status message_report_decode(struct sluice_span body, struct message_report *ret_report)
{
    return DECODE(report_members, body, ret_report);
}

void message_reported_encode_head(const struct message_reported *reported, struct buffer *buffer)
{
    ENCODE(reported_members, reported, buffer);
}

sluice_status message_reported_decode(struct sluice_span body,
                                      struct message_reported *ret_reported)
{
    return DECODE(reported_members, body, ret_reported);
}

static const struct record_member explain_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_explain, address),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_explain, sender),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_explain, client),
    RECORD_MEMBER(4, RECORD_SPAN, struct message_explain, helo),
};

void message_explain_encode(const struct message_explain *explain, struct buffer *buffer)
{
    ENCODE(explain_members, explain, buffer);
}

sluice_status message_explain_decode(struct sluice_span body, struct message_explain *ret_explain)
{
    return DECODE(explain_members, body, ret_explain);
}

static const struct record_member tables_request_members[] = {
    RECORD_MEMBER(1, RECORD_U32, struct message_tables_request, wish),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_tables_request, table),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_tables_request, key),
    RECORD_MEMBER(4, RECORD_BOOL, struct message_tables_request, is_deep),
};

void message_tables_request_encode(const struct message_tables_request *request,
                                   struct buffer *buffer)
{
    ENCODE(tables_request_members, request, buffer);
}

sluice_status message_tables_request_decode(struct sluice_span body,
                                            struct message_tables_request *ret_request)
{
    return DECODE(tables_request_members, body, ret_request);
}

/* ---- results: the one message with a list ---------------------------------------------------- */

void message_result_encode(const struct message_result *result, struct buffer *buffer)
{
    struct buffer outcome = BUFFER_INIT;

    ENCODE(result_members, result, buffer);
    for (size_t i = 0; i < result->outcome_count; i++) {
        buffer_clear(&outcome);
        ENCODE(outcome_members, &result->outcomes[i], &outcome);
        if (buffer_failed(&outcome))
            buffer->failed = true;
        codec_put_field(buffer, RESULT_OUTCOME, buffer_span(&outcome));
    }
    buffer_done(&outcome);
}

static sluice_status decode_outcomes(struct sluice_span body, struct message_result *result)
{
    struct codec_field field;
    size_t count = 0;

    while (codec_next(&body, &field) == SLUICE_OK) { /* it has been walked to its end before */
        if (field.tag != RESULT_OUTCOME)
            continue;
        if (count == result->outcome_count)
            return SLUICE_PERM;
        if (DECODE(outcome_members, field.bytes, &result->outcomes[count]) != SLUICE_OK)
            return SLUICE_PERM;
        count++;
    }
    return count == result->outcome_count ? SLUICE_OK : SLUICE_PERM;
}

sluice_status message_result_decode(struct sluice_span body, struct message_result *ret_result)
{
    struct message_result result;
    sluice_status status = DECODE(result_members, body, &result);

    if (status != SLUICE_OK)
        return status;
    if (result.outcome_count > body.len) /* each takes several bytes of the body */
        return SLUICE_PERM;
    if (result.outcome_count > 0) {
        result.outcomes = calloc(result.outcome_count, sizeof(*result.outcomes));
        if (result.outcomes == NULL)
            return SLUICE_TEMP;
    }
    status = decode_outcomes(body, &result);
    if (status != SLUICE_OK)
        message_result_done(&result);
    else
        *ret_result = result;
    return status;
}

void message_result_done(struct message_result *result)
{
    free(result->outcomes);
    result->outcomes = NULL;
    result->outcome_count = 0;
}

/* ---- routes: bodies that are lists ----------------------------------------------------------- */

#define ROUTE_ITEM 1
#define ROUTE_TABLES 2

static const struct record_member tables_members[] = {
    RECORD_MEMBER(1, RECORD_U64, struct message_tables, number),
    RECORD_MEMBER(2, RECORD_BOOL, struct message_tables, is_whole),
};

static const struct record_member route_members[] = {
    RECORD_MEMBER(1, RECORD_I32, struct message_route, status),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_route, transport),
    RECORD_MEMBER(3, RECORD_SPAN, struct message_route, nexthop),
    RECORD_MEMBER(4, RECORD_BOOL, struct message_route, is_by_domain),
};

static const struct record_member question_members[] = {
    RECORD_MEMBER(1, RECORD_SPAN, struct message_question, address),
    RECORD_MEMBER(2, RECORD_SPAN, struct message_question, sender),
};

static void add_item(uint64_t tag, struct buffer *item, struct buffer *body)
{
    codec_put_field(body, tag, buffer_span(item));
    body->failed = body->failed || buffer_failed(item);
    buffer_done(item);
}

/* The next one with that tag. */
static sluice_status next_item(uint64_t tag, struct sluice_span *body, struct sluice_span *ret_item)
{
    struct codec_field field;
    sluice_status status;

    while ((status = codec_next(body, &field)) == SLUICE_OK) {
        if (field.tag != tag)
            continue;
        *ret_item = field.bytes;
        return SLUICE_OK;
    }
    return status;
}

void message_tables_add(const struct message_tables *tables, struct buffer *body)
{
    struct buffer item = BUFFER_INIT;

    ENCODE(tables_members, tables, &item);
    add_item(ROUTE_TABLES, &item, body);
}

sluice_status message_tables_find(struct sluice_span body, struct message_tables *ret_tables)
{
    struct sluice_span item;
    sluice_status status = next_item(ROUTE_TABLES, &body, &item);

    return status == SLUICE_OK ? DECODE(tables_members, item, ret_tables) : status;
}

void message_question_add(const struct message_question *question, struct buffer *body)
{
    struct buffer item = BUFFER_INIT;

    ENCODE(question_members, question, &item);
    add_item(ROUTE_ITEM, &item, body);
}

sluice_status message_question_next(struct sluice_span *body, struct message_question *ret_question)
{
    struct sluice_span item;
    sluice_status status = next_item(ROUTE_ITEM, body, &item);

    return status == SLUICE_OK ? DECODE(question_members, item, ret_question) : status;
}

void message_route_add(const struct message_route *route, struct buffer *body)
{
    struct buffer item = BUFFER_INIT;

    ENCODE(route_members, route, &item);
    add_item(ROUTE_ITEM, &item, body);
}

sluice_status message_route_next(struct sluice_span *body, struct message_route *ret_route)
{
    struct sluice_span item;
    sluice_status status = next_item(ROUTE_ITEM, body, &item);

    return status == SLUICE_OK ? DECODE(route_members, item, ret_route) : status;
}
