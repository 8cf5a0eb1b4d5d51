/* SPDX-License-Identifier: ISC */
/*
 * upload: from the client's bytes to a message in the queue, or to the reason why not (spec M-40 to
 * M-48).
 */
#include "receive/upload.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "receive/body.h"
#include "receive/content.h"
#include "receive/judge.h"
#include "receive/session_log.h"
#include "receive/submission.h"
#include "receive/trace.h"

#include <inttypes.h>
#include <stdlib.h>

#define WASTE_SIZE 1024 /* what is swallowed at a time of content that is not kept */

const char upload_write_error[] = "451 4.3.0 Error: queue file write error";

/* A message that is coming in. */
struct upload {
    struct session *session;
    char id[ID_TEXT_SIZE];
    int64_t arrival_ms;
    struct content content;
    struct body body;
    struct submission submission; /* its header, where the client is local */
    uint64_t chunked;             /* bytes in chunks so far */
    int64_t time_left_ms;         /* for the client to send what is still to come */
    bool is_kept;                 /* false: it is only swallowed to its end */
    bool is_too_big;
    struct error err; /* why it could not be stored */
};

static void stop_keeping(struct upload *upload)
{
    upload->is_kept = false;
    body_close(&upload->body);
}

/* ---- storing --------------------------------------------------------------------------------- */

/* What has not come through the content's machine. */
static void store(struct upload *upload, struct sluice_span bytes)
{
    char *room;
    size_t size;

    upload->content.has_8bit = upload->content.has_8bit || span_has_8bit(bytes);
    if (body_room(&upload->body, bytes.len, &room, &size, &upload->err) != SLUICE_OK) {
        stop_keeping(upload);
        return;
    }
    memcpy(room, bytes.ptr, bytes.len);
    body_fill(&upload->body, bytes.len);
}

/* Lines of our own; takes the text. */
static void store_text(struct upload *upload, struct buffer *text)
{
    if (buffer_failed(text) || text->len > BODY_ROOM_MAX)
        stop_keeping(upload);
    else if (upload->is_kept && text->len > 0)
        store(upload, buffer_span(text));
    buffer_done(text);
}

static void store_trace(struct upload *upload)
{
    struct session *session = upload->session;
    const struct transaction *transaction = session->transaction;
    struct buffer text = BUFFER_INIT;
    struct trace trace = {
        .is_local = session->is_local,
        .uid = session->uid,
        .helo = session->helo,
        .client = &session->client,
        .client_name = session_wait_name(session),
        .myhostname = session->receiver->settings.myhostname,
        .mail_name = session->receiver->settings.mail_name,
        .is_esmtp = session->is_esmtp,
        .id = upload->id,
        .arrival_ms = upload->arrival_ms,
    };

    if (transaction->given_count == 1) /* what stands for it is nobody's business */
        trace.recipient = transaction->given_recipient;
    trace_format(&trace, &text);
    store_text(upload, &text);
}

/* What is missing in the header of a local program's message. */
static void store_missing(struct upload *upload)
{
    const struct session *session = upload->session;
    const struct transaction *transaction = session->transaction;
    struct submission_facts facts = {
        .sender = transaction->envelope.sender,
        .full_name = transaction->full_name,
        .myhostname = session->receiver->settings.myhostname,
        .myorigin = session->receiver->router.myorigin,
        .id = upload->id,
        .arrival_ms = upload->arrival_ms,
    };
    struct buffer text = BUFFER_INIT;

    submission_format(&upload->submission, &facts, &text);
    header_scan_feed(&upload->content.header, text.ptr, text.len);
    store_text(upload, &text);
}

/* Feeds the machine from bytes; where the content is not kept, into the waste. How many it took. */
static size_t feed(struct upload *upload, struct sluice_span bytes)
{
    uint64_t limit = upload->session->receiver->settings.message_size_limit;
    char waste[WASTE_SIZE];
    char *room = waste;
    size_t size = sizeof(waste);
    size_t written;

    if (upload->is_kept &&
        body_room(&upload->body, CONTENT_ROOM_MIN, &room, &size, &upload->err) != SLUICE_OK) {
        stop_keeping(upload);
        room = waste;
        size = sizeof(waste);
    }
    size_t taken = content_feed(&upload->content, bytes, room, size, &written);
    if (upload->is_kept)
        body_fill(&upload->body, written);
    if (limit > 0 && upload->content.size > limit) {
        upload->is_too_big = true;
        if (upload->is_kept)
            stop_keeping(upload);
    }
    return taken;
}

/* Of a local program's header. How much was taken: 0, but for the header's end, where the line that
 * comes next is not complete. */
static size_t take_header(struct upload *upload, struct sluice_span buffered)
{
    struct submission *submission = &upload->submission;
    size_t len = 0;

    switch (submission_look(submission, buffered, buffered.len == STREAM_BUFFER_SIZE, &len)) {
    case SUBMISSION_MORE:
        break;
    case SUBMISSION_END:
        store_missing(upload);
        break;
    case SUBMISSION_DROP:
        submission_took(submission, len);
        break;
    case SUBMISSION_KEEP:
        len = feed(upload, span_first(buffered, len));
        submission_took(submission, len);
        break;
    }
    return len;
}

/* True if there was enough to get on with. */
static bool take(struct upload *upload)
{
    struct session *session = upload->session;
    struct sluice_span buffered = stream_buffered(session->stream);
    size_t taken;

    if (buffered.len == 0)
        return false;
    if (!upload->submission.is_over) {
        taken = take_header(upload, buffered);
        if (taken == 0)
            return upload->submission.is_over;
    } else {
        taken = feed(upload, buffered);
    }
    stream_consume(session->stream, taken);
    return true;
}

/* Only the client's time counts, not ours; and what it sends gives it more. */
static sluice_status fill(struct session *session, int64_t deadline_ms, int64_t *time_left_ms)
{
    const struct session_limits *limits = receiver_limits(session->receiver);
    size_t buffered = stream_buffered(session->stream).len;
    int64_t started_ms = clock_monotonic_ms();

    if (!limits->has_request_deadline || *time_left_ms > limits->timeout_ms)
        *time_left_ms = limits->timeout_ms;
    if (deadline_ms > started_ms + *time_left_ms)
        deadline_ms = started_ms + *time_left_ms;
    sluice_status st = session_fill(session, deadline_ms);
    uint64_t bytes = stream_buffered(session->stream).len - buffered;
    *time_left_ms -= clock_monotonic_ms() - started_ms;
    *time_left_ms += (int64_t)(bytes * 1000 / session->receiver->settings.min_data_rate);
    return st;
}

sluice_status upload_fill(struct upload *upload, int64_t deadline_ms)
{
    return fill(upload->session, deadline_ms, &upload->time_left_ms);
}

sluice_status upload_take_data(struct upload *upload)
{
    sluice_status st = SLUICE_OK;

    while (!upload->content.is_done && st == SLUICE_OK) {
        if (!take(upload))
            st = upload_fill(upload, CLOCK_NEVER);
    }
    return st;
}

/* What has come of a chunk of which so much is missing. */
static struct sluice_span first_of(const struct session *session, uint64_t size)
{
    struct sluice_span bytes = stream_buffered(session->stream);

    return bytes.len > size ? span_first(bytes, (size_t)size) : bytes;
}

sluice_status upload_take_chunk(struct upload *upload, uint64_t size)
{
    sluice_status st = SLUICE_OK;

    while (size > 0 && st == SLUICE_OK) {
        struct sluice_span bytes = first_of(upload->session, size);
        if (bytes.len == 0) {
            st = upload_fill(upload, CLOCK_NEVER);
            continue;
        }
        size_t taken = feed(upload, bytes);
        stream_consume(upload->session->stream, taken);
        upload->chunked += taken;
        size -= taken;
    }
    return st;
}

sluice_status upload_skip_chunk(struct session *session, uint64_t size)
{
    int64_t time_left_ms = INT64_MAX;
    sluice_status st = SLUICE_OK;

    while (size > 0 && st == SLUICE_OK) {
        struct sluice_span bytes = first_of(session, size);
        if (bytes.len == 0)
            st = fill(session, CLOCK_NEVER, &time_left_ms);
        stream_consume(session->stream, bytes.len);
        size -= bytes.len;
    }
    return st;
}

uint64_t upload_chunked(const struct upload *upload)
{
    return upload->chunked;
}

/* ---- the end of data ------------------------------------------------------------------------- */

static void describe(const struct upload *upload, struct envelope *envelope, const char *client)
{
    struct session *session = upload->session;

    if (upload->content.has_8bit)
        envelope->body = SLUICE_BODY_8BITMIME; /* announced or not, that is what it is */
    envelope->arrival_ms = upload->arrival_ms;
    envelope->content_size = upload->body.size;
    if (session->is_local) {
        envelope->client_name = SPAN_LITERAL("localhost");
        envelope->protocol = SPAN_LITERAL("local");
        return;
    }
    envelope->client_address = sluice_span_of(client);
    envelope->client_name = session_wait_name(session);
    envelope->helo = sluice_span_of(session->helo);
    envelope->protocol = session->is_esmtp ? SPAN_LITERAL("ESMTP") : SPAN_LITERAL("SMTP");
}

static sluice_status commit(struct upload *upload)
{
    struct session *session = upload->session;
    char client[ADDRESS_TEXT_SIZE];
    struct buffer bytes = BUFFER_INIT;
    sluice_status st;

    st = effects_apply(session->transaction, &session->receiver->router,
                       session_lookup_deadline(session), &upload->err);
    if (st != SLUICE_OK)
        return st;
    (void)address_format(&session->client, client);
    describe(upload, &session->transaction->envelope, client);
    envelope_encode(&session->transaction->envelope, &bytes);
    if (buffer_failed(&bytes))
        st = error_set(&upload->err, SLUICE_TEMP, "no memory for an envelope");
    else
        st = body_commit(&upload->body, buffer_span(&bytes), &upload->err);
    buffer_done(&bytes);
    return st;
}

static sluice_status commit_timed(struct upload *upload)
{
    int64_t started_us = clock_monotonic_us();
    sluice_status st = commit(upload);

    if (st == SLUICE_OK)
        metric_observe(metric_get(METRIC_COMMIT_SECONDS, NULL, NULL, NULL), METRIC_COMMIT_SECONDS,
                       (uint64_t)(clock_monotonic_us() - started_us));
    else
        metric_add(metric_get(METRIC_COMMITS_FAILED, NULL, NULL, NULL), 1);
    return st;
}

/* What is wrong with the content, as a reply; NULL: nothing. */
static const char *find_fault(const struct upload *upload)
{
    const struct settings *settings = &upload->session->receiver->settings;

    if (upload->content.has_bare_lf && settings->bare_newline_reply[0] != '\0')
        return settings->bare_newline_reply;
    if (upload->is_too_big)
        return "552 5.3.4 Error: message file too big";
    /* our own field counts too */
    if (upload->content.header.received_count + 1 >= settings->hopcount_limit)
        return "554 5.4.0 Error: too many hops";
    if (upload->content.has_rejected)
        return "550 5.7.1 disallowed character";
    return NULL;
}

static void refuse(struct upload *upload, const char *reply)
{
    session_log_reject(upload->session, upload->id, "END-OF-MESSAGE", SPAN_EMPTY, reply);
    session_reply(upload->session, "%s", reply);
}

static void log_message_id(const struct upload *upload)
{
    const struct header_scan *header = &upload->content.header;
    struct sluice_span message_id = {.ptr = header->message_id, .len = header->message_id_len};

    session_log_message_id(upload->id, message_id);
}

/* It is in the queue, or was to be thrown away. */
static bool is_accepted(struct upload *upload)
{
    if (!upload->is_kept)
        return false;
    if (upload->session->transaction->effects.is_discarded) {
        log_info("%s: discarded", upload->id);
        return true;
    }
    return commit_timed(upload) == SLUICE_OK;
}

static void accept_message(struct upload *upload)
{
    struct session *session = upload->session;

    log_message_id(upload);
    if (is_accepted(upload)) {
        session->error_count = 0; /* spec M-46 */
        session->junk_count = 0;
        if (upload->content.is_counted)
            session_reply(session, "250 2.0.0 Ok: %" PRIu64 " bytes queued as %s", upload->chunked,
                          upload->id);
        else
            session_reply(session, "250 2.0.0 Ok: queued as %s", upload->id);
        return;
    }
    log_warning("%s: not accepted from %s: %s", upload->id, session_name(session),
                upload->err.text);
    session_reply_uncounted(session, "%s", upload_write_error);
}

/* A last line without its end gets one. */
static void end_chunks(struct upload *upload)
{
    char rest[CONTENT_ROOM_MIN];
    size_t len = content_end(&upload->content, rest);

    if (upload->is_kept && len > 0)
        store(upload, (struct sluice_span){.ptr = rest, .len = len});
}

static bool is_allowed(struct upload *upload)
{
    return upload->session->is_local ||
           judge_content(upload->session, "END-OF-MESSAGE", SLUICE_STAGE_END_OF_DATA,
                         RESTRICTIONS_END_OF_DATA, upload->content.size);
}

void upload_finish(struct upload *upload)
{
    if (upload->content.is_counted)
        end_chunks(upload);
    const char *fault = find_fault(upload);
    if (fault != NULL)
        refuse(upload, fault);
    else if (is_allowed(upload))
        accept_message(upload);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void tell_trouble(struct session *session, const char *why)
{
    log_warning("not accepted from %s: %s", session_name(session), why);
    session_reply_uncounted(session, "%s", upload_write_error);
}

struct upload *upload_new(struct session *session, bool is_counted)
{
    const struct settings *settings = &session->receiver->settings;
    struct upload *upload = calloc(1, sizeof(*upload));
    uint64_t id;

    if (upload == NULL) {
        tell_trouble(session, "out of memory");
        return NULL;
    }
    if (intake_take_id(session->receiver->intake, &id) != SLUICE_OK) {
        tell_trouble(session, "the queue is not there");
        free(upload);
        return NULL;
    }
    upload->session = session;
    upload->arrival_ms = clock_wall_ms();
    upload->submission.settings = settings;
    upload->submission.is_over = !session->is_local || session->transaction->is_unchanged;
    upload->time_left_ms = INT64_MAX;
    upload->is_kept = true;
    upload->content.is_counted = is_counted;
    upload->content.reject_characters = (struct sluice_span){
        .ptr = settings->reject_characters, .len = settings->reject_character_count};
    (void)id_format(id, upload->id);
    body_open(&upload->body, session->receiver->intake, id);
    return upload;
}

void upload_begin(struct upload *upload)
{
    struct sluice_span prepended = buffer_span(&upload->session->transaction->effects.prepended);

    if (upload->session->is_local)
        session_log_pickup(upload->session, upload->id);
    if (prepended.len > 0)
        store(upload, prepended);
    store_trace(upload);
}

void upload_free(struct upload *upload)
{
    if (upload == NULL)
        return;
    body_close(&upload->body);
    free(upload);
}
