/* SPDX-License-Identifier: ISC */
/*
 * data: DATA and what follows it (spec M-40 to M-48). 250 is said when the queue has the message on
 * stable storage, and at no other time.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "receive/body.h"
#include "receive/command.h"
#include "receive/content.h"
#include "receive/line.h"
#include "receive/session_log.h"
#include "receive/submission.h"
#include "receive/trace.h"

#define WASTE_SIZE 1024 /* what is swallowed at a time of content that is not kept */

static const char write_error[] = "451 4.3.0 Error: queue file write error";

/* A message that is coming in. */
struct upload {
    struct session *session;
    char id[ID_TEXT_SIZE];
    int64_t arrival_ms;
    struct content content;
    struct body body;
    struct submission submission; /* its header, where the client is local */
    int64_t time_left_ms;         /* for the client to go on */
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

static void store(struct upload *upload, struct sluice_span bytes)
{
    char *room;
    size_t size;

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
    const struct envelope *envelope = &session->transaction->envelope;
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

    if (envelope->recipient_count == 1)
        trace.recipient = envelope->recipients[0].address;
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
    if (session->is_local && !upload->submission.is_over) {
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
static sluice_status fill(struct upload *upload)
{
    struct session *session = upload->session;
    const struct session_limits *limits = receiver_limits(session->receiver);
    size_t buffered = stream_buffered(session->stream).len;
    int64_t started_ms = clock_monotonic_ms();

    if (!limits->has_request_deadline || upload->time_left_ms > limits->timeout_ms)
        upload->time_left_ms = limits->timeout_ms;
    sluice_status st = session_fill(session, started_ms + upload->time_left_ms);
    uint64_t bytes = stream_buffered(session->stream).len - buffered;
    upload->time_left_ms -= clock_monotonic_ms() - started_ms;
    upload->time_left_ms += (int64_t)(bytes * 1000 / session->receiver->settings.min_data_rate);
    return st;
}

/* Up to the end of data. */
static sluice_status take_all(struct upload *upload)
{
    sluice_status st = SLUICE_OK;

    while (!upload->content.is_done && st == SLUICE_OK) {
        if (!take(upload))
            st = fill(upload);
    }
    return st;
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

static void accept_message(struct upload *upload)
{
    struct session *session = upload->session;

    log_message_id(upload);
    if (upload->is_kept && commit(upload) == SLUICE_OK) {
        session->error_count = 0; /* spec M-46 */
        session->junk_count = 0;
        session_reply(session, "250 2.0.0 Ok: queued as %s", upload->id);
        return;
    }
    log_warning("%s: not accepted from %s: %s", upload->id, session_name(session),
                upload->err.text);
    session_reply_uncounted(session, "%s", write_error);
}

static void finish(struct upload *upload)
{
    const char *fault = find_fault(upload);

    if (fault != NULL)
        refuse(upload, fault);
    else
        accept_message(upload);
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_in_order(struct session *session, struct sluice_span argument)
{
    if (session->transaction == NULL)
        session_reply(session, "503 5.5.1 Error: need RCPT command");
    else if (session->transaction->envelope.recipient_count == 0)
        session_reply(session, "554 5.5.1 Error: no valid recipients");
    else if (argument.len > 0)
        session_reply(session, "501 5.5.4 Syntax: DATA");
    else
        return true;
    return false;
}

static void run(struct upload *upload)
{
    struct session *session = upload->session;

    session_reply(session, "354 End data with <CR><LF>.<CR><LF>");
    line_drop(session);
    if (!session_flush(session))
        return;
    store_trace(upload);
    sluice_status st = take_all(upload);
    if (st == SLUICE_OK)
        finish(upload);
    else
        session_lost(session, st);
}

void command_data(struct session *session, struct sluice_span argument)
{
    const struct settings *settings = &session->receiver->settings;
    struct upload upload = {
        .session = session,
        .arrival_ms = clock_wall_ms(),
        .submission = {.settings = settings},
        .time_left_ms = INT64_MAX,
        .is_kept = true,
        .content.reject_characters = {.ptr = settings->reject_characters,
                                      .len = settings->reject_character_count},
    };
    uint64_t id;

    if (!is_in_order(session, argument))
        return;
    if (intake_take_id(session->receiver->intake, &id) != SLUICE_OK) {
        log_warning("not accepted from %s: the queue is not there", session_name(session));
        session_reply_uncounted(session, "%s", write_error);
        return;
    }
    (void)id_format(id, upload.id);
    if (session->is_local)
        session_log_pickup(session, upload.id);
    body_open(&upload.body, session->receiver->intake, id);
    run(&upload);
    body_close(&upload.body);
    session_reset(session);
}
