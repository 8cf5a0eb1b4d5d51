/* SPDX-License-Identifier: ISC */
/*
 * rehearsal: the commands of one message, as a client would give them.
 */
#include "receive/rehearsal.h"

#include "base/clock.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "receive/judge.h"
#include "receive/upload.h"
#include "task/doubt.h"
#include "task/explain.h"

#include <stdlib.h>

struct rehearsal {
    struct receiver *receiver;
    uint64_t ref;
    char *body; /* what the request's spans point into */
    struct message_explain request;
    struct explanation *explanation;
    struct doubt doubt; /* of the command that is played */
};

void rehearsal_free(struct rehearsal *rehearsal)
{
    explanation_free(rehearsal->explanation);
    free(rehearsal->body);
    free(rehearsal);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* The reply to what has been played since begin(); empty: none. */
static struct sluice_span reply_of(const struct session *session)
{
    return span_first(buffer_span(&session->out), span_find(buffer_span(&session->out), '\r'));
}

static void begin(struct session *session, const char *command)
{
    buffer_clear(&session->out);
    doubt_begin(&session->rehearsal->doubt);
    explain_begin("command");
    explain_text("command", command);
}

static bool is_reply(const struct session *session, char kind)
{
    return session->out.len > 0 && session->out.ptr[0] == kind;
}

/* Returns is_fine: else it was refused, for now where no reply says more. */
static bool end(struct session *session, bool is_fine)
{
    struct sluice_span reply = reply_of(session);
    bool is_rejected = is_reply(session, '5');

    if (reply.len > 0)
        explain_span("reply", reply);
    explain_end(is_fine ? SLUICE_OK : is_rejected ? SLUICE_PERM : SLUICE_TEMP, NULL);
    (void)doubt_end(&session->rehearsal->doubt);
    explain_text("verdict", is_fine ? "accept" : is_rejected ? "reject" : "defer");
    if (reply.len > 0)
        explain_span("reply", reply);
    return is_fine;
}

/* "RCPT TO:" and an address, which may have its brackets. */
static bool say(struct session *session, const char *verb, struct sluice_span text,
                const char *brackets)
{
    struct buffer line = BUFFER_INIT;
    struct sluice_span argument;

    buffer_add_text(&line, verb);
    if (text.len > 0 && text.ptr[0] == brackets[0])
        brackets = "";
    buffer_add(&line, brackets, brackets[0] != '\0');
    buffer_add_span(&line, text);
    if (brackets[0] != '\0')
        buffer_add_byte(&line, brackets[1]);
    const char *command = buffer_text(&line);
    begin(session, command);
    if (command != NULL) {
        const struct command *found = command_at(command_find(buffer_span(&line), &argument));
        found->run(session, argument);
    }
    buffer_done(&line);
    return end(session, is_reply(session, '2'));
}

/* A client of another machine says its address where nobody has said what. */
static bool say_hello(struct session *session, const struct message_explain *request)
{
    if (request->helo.len > 0)
        return say(session, "HELO ", request->helo, "");
    return session->is_local ? say(session, "HELO ", SPAN_LITERAL("localhost"), "")
                             : say(session, "HELO ", request->client, "[]");
}

/* What is judged when all recipients are known, where there is anything to judge by. */
static bool ask_content(struct session *session, const char *command, int32_t stage,
                        enum restriction_list_id id)
{
    if (session->is_local || session->receiver->restrictions.lists[id].count == 0)
        return true;
    begin(session, command);
    return end(session, judge_content(session, command, stage, id, 0));
}

static bool play(struct session *session, const struct message_explain *request)
{
    return say_hello(session, request) && say(session, "MAIL FROM:", request->sender, "<>") &&
           say(session, "RCPT TO:", request->address, "<>") &&
           ask_content(session, "DATA", SLUICE_STAGE_DATA, RESTRICTIONS_DATA) &&
           ask_content(session, "END-OF-MESSAGE", SLUICE_STAGE_END_OF_DATA,
                       RESTRICTIONS_END_OF_DATA);
}

/* ---- where it would go ----------------------------------------------------------------------- */

static void explain_recipient(const struct envelope_recipient *recipient)
{
    bool has_failed = recipient->state == RECIPIENT_FAILED;

    explain_begin("recipient");
    explain_span("address", recipient->address);
    if (recipient->original.len > 0)
        explain_span("original", recipient->original);
    explain_span("transport", recipient->transport);
    explain_span("nexthop", recipient->nexthop);
    if (has_failed) {
        explain_span("dsn", recipient->dsn);
        explain_span("text", recipient->text);
    }
    explain_end(has_failed ? SLUICE_PERM : SLUICE_OK, NULL);
}

static void accept_message(struct session *session)
{
    struct transaction *transaction = session->transaction;
    struct error err = ERROR_INIT;
    struct doubt doubt;

    doubt_begin(&doubt);
    sluice_status st = effects_apply(transaction, &session->receiver->router,
                                     session_lookup_deadline(session), &err);
    (void)doubt_end(&doubt);
    if (st != SLUICE_OK) {
        explain_text("verdict", "defer");
        explain_text("reply", upload_write_error);
        explain_text("text", err.text);
        return;
    }
    explain_flag("is_held", transaction->effects.is_held);
    explain_flag("is_discarded", transaction->effects.is_discarded);
    for (size_t i = 0; !transaction->effects.is_discarded &&
                       i < transaction->envelope.recipient_count; i++)
        explain_recipient(&transaction->envelope.recipients[i]);
}

static void answer(const struct rehearsal *rehearsal)
{
    struct buffer text = BUFFER_INIT;

    explanation_format(rehearsal->explanation, &text);
    intake_explained(rehearsal->receiver->intake, rehearsal->ref,
                     buffer_failed(&text) ? SPAN_EMPTY : buffer_span(&text));
    buffer_done(&text);
}

void rehearsal_play(struct rehearsal *rehearsal, struct session *session)
{
    task_set_explanation(rehearsal->explanation);
    (void)task_set_limit(clock_monotonic_ms() + EXPLAIN_TIME_MS);
    (void)session_wait_name(session);
    explain_text("client", session->is_local ? "local" : session_name(session));
    if (play(session, &rehearsal->request))
        accept_message(session);
    task_set_explanation(NULL);
    answer(rehearsal);
}

/* ---- start ----------------------------------------------------------------------------------- */

static sluice_status take_request(struct rehearsal *rehearsal, struct sluice_span body,
                                  struct address *client)
{
    const struct message_explain *request = &rehearsal->request;

    rehearsal->body = span_dup(body);
    if (rehearsal->body == NULL || explanation_new(&rehearsal->explanation) != SLUICE_OK)
        return SLUICE_TEMP;
    body.ptr = rehearsal->body;
    if (message_explain_decode(body, &rehearsal->request) != SLUICE_OK ||
        (request->client.len > 0 && address_parse(request->client, 0, client) != SLUICE_OK))
        return SLUICE_PERM;
    return SLUICE_OK;
}

static sluice_status start(struct rehearsal *rehearsal, struct sluice_span body)
{
    struct address client;
    sluice_status st = take_request(rehearsal, body, &client);

    if (st != SLUICE_OK)
        return st;
    return session_start_rehearsal(rehearsal->receiver, rehearsal,
                                   rehearsal->request.client.len > 0 ? &client : NULL);
}

sluice_status rehearsal_start(struct receiver *receiver, uint64_t ref, struct sluice_span body)
{
    struct rehearsal *rehearsal = calloc(1, sizeof(*rehearsal));
    sluice_status st = SLUICE_TEMP;

    if (rehearsal != NULL) {
        rehearsal->receiver = receiver;
        rehearsal->ref = ref;
        st = start(rehearsal, body);
    }
    if (st == SLUICE_OK)
        return SLUICE_OK;
    if (rehearsal != NULL)
        rehearsal_free(rehearsal);
    if (st == SLUICE_TEMP)
        intake_explained(receiver->intake, ref, SPAN_EMPTY);
    return st == SLUICE_TEMP ? SLUICE_OK : st;
}
