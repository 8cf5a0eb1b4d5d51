/* SPDX-License-Identifier: ISC */
/*
 * transaction: see transaction.h.
 *
 * Commands are numbered: 0 is MAIL, 1 to count are RCPT for each recipient, count + 1 is DATA, or
 * RSET where the host only asks (SLUICE_MESSAGE_VERIFY). They go out in groups, one write each, and
 * the replies of a group are read in order before the next group goes. With PIPELINING (RFC 2920)
 * all of them usually make one group; without it a group is one command. What a reply means is the
 * same either way.
 *
 * A refused recipient is reported at once. The accepted ones are what remains without a report, so
 * that the reply to DATA or to the end of data, or a failure, is reported for "the remaining"; where
 * the host only asks they are reported at once, too.
 */
#include "transaction.h"

#include "content.h"
#include "demands.h"
#include "envelope.h"

#include <stdlib.h>

#define OUTPUT_MAX ((size_t)64 * 1024)
/* A group must fit the peer's receive buffer, or both sides could wait for each other to read. */
#define GROUP_MAX ((size_t)16 * 1024)

#define CODE_STORAGE 552 /* exceeded storage allocation; also: too many recipients */

struct transaction {
    struct sluice_connection *session;
    const struct transaction_job *job;
    size_t sent;     /* number of the first command not yet sent */
    size_t answered; /* number of the first command without a reply */
    size_t accepted; /* recipients */
    unsigned char *is_accepted; /* of each recipient */
    int is_refused;  /* MAIL was */
    int is_verify;   /* nothing is to be delivered */
    int is_8bit;     /* BODY=8BITMIME is due */
    int has_go;      /* the peer waits for content */
    size_t output_len;
    struct session_verdict verdict;
    struct content_reader reader; /* from here on large: not cleared */
    char output[OUTPUT_MAX];
};

/* With DSN every RCPT passes on what the sender has asked for. An LMTP server is the mail store. */
static uint32_t flags_of(const struct transaction *t)
{
    uint32_t flags = t->session->peer.has_dsn ? SLUICE_RESULT_DSN_PASSED : 0;

    return flags | (t->session->transport->is_lmtp ? SLUICE_RESULT_FINAL : 0);
}

/* The verdict as the host takes it. */
static struct sluice_result result_of(const struct transaction *t)
{
    struct sluice_result result = {
        .struct_size = sizeof(result),
        .status = t->verdict.status,
        .dsn = t->verdict.dsn,
        .text = t->verdict.text,
        .reply = t->verdict.reply[0] != '\0' ? t->verdict.reply : NULL,
        .flags = flags_of(t),
    };

    return result;
}

static void report_one(struct transaction *t, size_t index)
{
    const struct sluice_report *report = t->job->report;
    struct sluice_result result = result_of(t);

    if (SLUICE_HAS(struct sluice_report, report, result))
        report->result(report, index, &result);
    else
        report->recipient(report, index, result.status, result.dsn, result.text);
}

static void report_remaining(struct transaction *t)
{
    const struct sluice_report *report = t->job->report;
    struct sluice_result result = result_of(t);

    if (SLUICE_HAS(struct sluice_report, report, remaining_result))
        report->remaining_result(report, &result);
    else
        report->remaining(report, result.status, result.dsn, result.text);
}

/* 1 if the peer can take the message; else all recipients have been reported. */
static int check_message(struct transaction *t)
{
    if (demands_are_met(t->session, t->job, &t->reader, &t->is_8bit, &t->verdict))
        return 1;
    report_remaining(t);
    return 0;
}

/* ---- commands out --------------------------------------------------------------------------- */

static size_t last_number(const struct transaction *t)
{
    return t->job->count + 1;
}

static int is_rcpt(const struct transaction *t, size_t number)
{
    return number >= 1 && number <= t->job->count;
}

/* Recipients whose address cannot be sent have no command. */
static int is_skipped(const struct transaction *t, size_t number)
{
    return is_rcpt(t, number) &&
           !envelope_is_sendable(transaction_recipient(t->job, number - 1)->address);
}

static void add_command(struct transaction *t, size_t number)
{
    char *out = t->output + t->output_len;

    if (number == 0) {
        t->output_len += envelope_mail(&t->session->peer, t->job->message, t->is_8bit, out);
    } else if (number == last_number(t)) {
        memcpy(out, t->is_verify ? "RSET\r\n" : "DATA\r\n", 6);
        t->output_len += 6;
    } else if (is_skipped(t, number)) {
        session_verdict_set(&t->verdict, SLUICE_PERM, "5.1.3", "bad address syntax");
        report_one(t, number - 1);
    } else {
        t->output_len +=
            envelope_rcpt(&t->session->peer, transaction_recipient(t->job, number - 1), out);
    }
}

/* 1 while there is a command that it makes sense to send: DATA without any recipient does not,
 * unless replies to RCPT are still to come; RSET always does. */
static int has_next(const struct transaction *t)
{
    if (t->session->is_finished || t->is_refused || t->sent > last_number(t))
        return 0;
    return t->sent < last_number(t) || t->accepted > 0 || t->answered < t->sent || t->is_verify;
}

static void fill_group(struct transaction *t)
{
    t->output_len = 0;
    do {
        add_command(t, t->sent++);
    } while (has_next(t) && (t->session->peer.has_pipelining || t->output_len == 0) &&
             t->output_len + ENVELOPE_COMMAND_MAX <= GROUP_MAX);
}

static int64_t timeout_of(const struct transaction *t, size_t number)
{
    const struct smtp_timeouts *timeouts = &t->session->transport->timeouts;

    if (number == 0)
        return timeouts->mail_ms;
    if (number != last_number(t))
        return timeouts->rcpt_ms;
    return t->is_verify ? timeouts->rset_ms : timeouts->data_init_ms;
}

static const char *doing_of(const struct transaction *t, size_t number)
{
    if (number == 0)
        return "sending MAIL FROM";
    if (number != last_number(t))
        return "sending RCPT TO";
    return t->is_verify ? "sending RSET" : "sending DATA command";
}

/* ---- replies in ----------------------------------------------------------------------------- */

/* The verdict of a reply to what begins or ends a transaction. One of a class that has no meaning
 * here leaves the session out of step: nobody knows what the peer thinks we said. */
static void judge_reply(struct transaction *t, const char *command, int good_class)
{
    int class = reply_class(&t->session->reply);

    if (class != good_class && class != 4 && class != 5)
        t->session->is_finished = 1;
    session_verdict_reply(t->session, command, good_class, &t->verdict);
}

static void take_mail_reply(struct transaction *t)
{
    judge_reply(t, "MAIL FROM", 2);
    if (t->verdict.status == SLUICE_OK) {
        t->session->is_in_transaction = 1;
        return;
    }
    t->is_refused = 1;
    report_remaining(t);
}

/*
 * RFC 5321 4.5.3.1.10: 552 may mean that there are too many recipients, which is temporary. It also
 * means a full mailbox (5.2.2), which is not: believe the enhanced status; without one, believe
 * "too many" only where others were accepted before.
 */
static int is_too_many_recipients(const struct transaction *t)
{
    const struct reply *reply = &t->session->reply;

    if (reply->code != CODE_STORAGE)
        return 0;
    return reply_has_dsn(reply) ? strcmp(t->verdict.dsn, "5.5.3") == 0 : t->accepted > 0;
}

/* A class that has no meaning says nothing of the other recipients: the end of data, or RSET, brings
 * us back in step with whatever the peer thinks of this one. */
static void take_rcpt_reply(struct transaction *t, size_t index)
{
    session_verdict_reply(t->session, "RCPT TO", 2, &t->verdict);
    if (t->session->is_finished) { /* 421: the accepted ones are lost, too */
        report_remaining(t);
        return;
    }
    if (t->verdict.status == SLUICE_OK) {
        t->accepted++;
        t->is_accepted[index] = 1;
        if (t->is_verify && !t->is_refused)
            report_one(t, index);
        return;
    }
    if (is_too_many_recipients(t)) {
        t->verdict.status = SLUICE_TEMP;
        memcpy(t->verdict.dsn, "4.5.3", sizeof("4.5.3"));
    }
    if (!t->is_refused)
        report_one(t, index);
}

static void take_data_reply(struct transaction *t)
{
    judge_reply(t, "DATA", 3);
    if (t->verdict.status == SLUICE_OK)
        t->has_go = 1;
    else
        report_remaining(t);
}

/* All recipients have been reported: this is about the connection alone. */
static void take_reset_reply(struct transaction *t)
{
    t->session->is_in_transaction = 0;
    if (reply_class(&t->session->reply) != 2)
        t->session->is_finished = 1;
}

static void take_reply(struct transaction *t, size_t number)
{
    if (number == 0)
        take_mail_reply(t);
    else if (number != last_number(t))
        take_rcpt_reply(t, number - 1);
    else if (t->is_verify)
        take_reset_reply(t);
    else
        take_data_reply(t);
}

/* The replies to all commands sent, as far as they come. */
static void take_replies(struct transaction *t)
{
    while (t->answered < t->sent && !t->session->is_finished) {
        size_t number = t->answered;

        if (!is_skipped(t, number)) {
            t->session->doing = doing_of(t, number);
            if (session_receive(t->session, timeout_of(t, number)) != SLUICE_OK)
                return;
            take_reply(t, number);
        }
        t->answered++;
    }
}

static void exchange_envelope(struct transaction *t)
{
    while (has_next(t)) {
        struct sluice_span group = {t->output, 0};

        t->session->doing = doing_of(t, t->sent);
        fill_group(t);
        group.len = t->output_len;
        if (group.len > 0 && session_send(t->session, group, timeout_of(t, 0)) != SLUICE_OK)
            return;
        take_replies(t);
    }
}

/* ---- content -------------------------------------------------------------------------------- */

static sluice_status send_output(struct transaction *t)
{
    struct sluice_span bytes = {t->output, t->output_len};

    t->output_len = 0;
    return session_send(t->session, bytes, t->session->transport->timeouts.data_xfer_ms);
}

/* A server that refuses in the middle of the content may say why before it closes. Then that is the
 * answer, and not that the connection was lost. */
static void take_early_reply(struct transaction *t)
{
    struct sluice_connection *session = t->session;

    if (session->failure != SESSION_LOST || !session_is_disturbed(session) ||
        session_receive(session, session->transport->timeouts.rset_ms) != SLUICE_OK ||
        reply_class(&session->reply) < 4)
        return;
    session->failure = SESSION_FINE;
    session_verdict_reply(session, "DATA", 2, &t->verdict);
    report_remaining(t);
}

/* All bytes of one chunk, leaving what does not fill the buffer for the next. */
static sluice_status send_chunk(struct transaction *t, struct content_encoder *encoder,
                                struct sluice_span chunk)
{
    for (;;) {
        t->output_len += content_encode(encoder, &chunk, t->output + t->output_len,
                                        OUTPUT_MAX - CONTENT_END_MAX - t->output_len);
        if (chunk.len == 0)
            return SLUICE_OK;
        if (send_output(t) != SLUICE_OK)
            return SLUICE_TEMP;
    }
}

/* OK: all content went out, or waits in output, where the end of data will find room. */
static sluice_status send_content(struct transaction *t, struct content_encoder *encoder)
{
    struct sluice_span chunk;

    t->session->doing = "sending message body";
    t->output_len = 0;
    content_rewind(&t->reader);
    do {
        if (content_next(&t->reader, &chunk) != SLUICE_OK) {
            /* Without an end of data the peer forgets what it got. */
            t->session->is_finished = 1;
            session_verdict_set(&t->verdict, SLUICE_TEMP, "4.3.0", "cannot read the message");
            report_remaining(t);
            return SLUICE_TEMP;
        }
        if (send_chunk(t, encoder, chunk) != SLUICE_OK) {
            take_early_reply(t);
            return SLUICE_TEMP;
        }
    } while (chunk.len > 0);
    return SLUICE_OK;
}

static sluice_status receive_done(struct transaction *t)
{
    return session_receive(t->session, t->session->transport->timeouts.data_done_ms);
}

static void take_done_reply(struct transaction *t)
{
    if (receive_done(t) != SLUICE_OK)
        return;
    t->session->is_in_transaction = 0;
    judge_reply(t, "end of DATA", 2);
    if (t->accepted > 0)
        report_remaining(t);
}

/* RFC 2033 4.2: a reply for each recipient that was accepted, in their order. Those whose reply does
 * not come are what remains. */
static void take_done_replies(struct transaction *t)
{
    for (size_t i = 0; i < t->job->count; i++) {
        if (!t->is_accepted[i])
            continue;
        if (receive_done(t) != SLUICE_OK)
            return;
        judge_reply(t, "end of DATA", 2);
        report_one(t, i);
        if (t->session->is_finished) {
            report_remaining(t);
            return;
        }
    }
    t->session->is_in_transaction = 0;
}

/*
 * From the moment the last dot may have left until its reply is here, nobody knows whether the peer
 * has the message (RFC 1047). A failure in between is temporary: better twice than never.
 */
static void finish_data(struct transaction *t, const struct content_encoder *encoder)
{
    struct sluice_connection *session = t->session;

    session->doing = "sending end of data -- message may be sent more than once";
    t->output_len += content_encode_end(encoder, t->output + t->output_len);
    if (send_output(t) != SLUICE_OK)
        return;
    if (session->transport->is_lmtp)
        take_done_replies(t);
    else
        take_done_reply(t);
}

static void exchange_content(struct transaction *t)
{
    struct content_encoder encoder;

    content_encoder_init(&encoder, t->session->transport->line_length_limit);
    if (t->accepted == 0) {
        /* RFC 2920 3.1: a go-ahead although every recipient was refused. The lone dot ends it. */
        t->output_len = 0;
        finish_data(t, &encoder);
    } else if (t->is_refused) {
        /* Some recipients, but no sender: a dot would deliver nothing to them. Hang up instead. */
        t->session->is_finished = 1;
    } else if (send_content(t, &encoder) == SLUICE_OK) {
        finish_data(t, &encoder);
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Gets back in step with a peer whose last transaction was left open. 1 if that worked. */
static int reset(struct transaction *t)
{
    struct sluice_connection *session = t->session;
    int64_t timeout_ms = session->transport->timeouts.rset_ms;

    session->doing = "sending RSET";
    if (session_send(session, sluice_span_of("RSET\r\n"), timeout_ms) != SLUICE_OK ||
        session_receive(session, timeout_ms) != SLUICE_OK)
        return 0;
    session->is_in_transaction = 0;
    if (reply_class(&session->reply) == 2)
        return 1;
    session->is_finished = 1;
    session_verdict_reply(session, "RSET", 2, &t->verdict);
    t->verdict.status = SLUICE_TEMP; /* it says nothing of this message */
    t->verdict.dsn[0] = '4';
    report_remaining(t);
    return 0;
}

/* A kept connection may have been closed by the peer meanwhile, which is its right; often it says
 * 421 first. 1 if the connection is still good. */
static int check_connection(struct transaction *t)
{
    struct sluice_connection *session = t->session;
    char text[SESSION_VERDICT_TEXT_MAX];

    if (!session_is_disturbed(session))
        return !session->is_in_transaction || reset(t);
    session->doing = "waiting for the next message";
    if (session_receive(session, session->transport->timeouts.rset_ms) == SLUICE_OK) {
        session->is_finished = 1;
        session_verdict_set(&t->verdict, SLUICE_TEMP, "4.4.2", "host %s said unasked: %.1000s",
                            session->label, session_reply_text(session, text, sizeof(text)));
        report_remaining(t);
    }
    return 0;
}

static void exchange(struct transaction *t)
{
    if (!check_connection(t) || !check_message(t))
        return;
    exchange_envelope(t);
    if (t->has_go && !t->session->is_finished)
        exchange_content(t);
}

static int32_t fate_of(const struct transaction *t, int was_used)
{
    if (!t->session->is_finished)
        return SLUICE_FATE_REUSABLE;
    /* A kept connection that turns out dead at the first command says nothing against the host. */
    if (t->session->failure == SESSION_FINE || (was_used && t->answered == 0))
        return SLUICE_FATE_FINISHED;
    return SLUICE_FATE_HOST_FAILED;
}

int32_t transaction_run(struct sluice_connection *session, const struct transaction_job *job)
{
    struct transaction *t = malloc(sizeof(*t) + job->count);
    int was_used = session->is_used;
    int32_t fate;

    if (t == NULL) {
        job->report->remaining(job->report, SLUICE_TEMP, "4.3.0", "out of memory");
        return SLUICE_FATE_REUSABLE;
    }
    memset(t, 0, offsetof(struct transaction, reader));
    t->session = session;
    t->job = job;
    t->is_verify = sluice_message_is_verify(job->message);
    t->is_accepted = (unsigned char *)(t + 1);
    memset(t->is_accepted, 0, job->count);
    content_reader_init(&t->reader, job->message);
    exchange(t);
    if (session->failure != SESSION_FINE) {
        session_verdict_failure(session, &t->verdict);
        report_remaining(t);
    }
    session->is_used = 1;
    fate = fate_of(t, was_used);
    free(t);
    return fate;
}
