/* SPDX-License-Identifier: ISC */
/*
 * judge: from what the session knows to a verdict, and from a verdict to a reply.
 */
#include "receive/judge.h"

#include "base/clock.h"
#include "base/log.h"

/* The log names a recipient only where there is one. */
static struct sluice_span recipient_of(const struct question *question)
{
    return question->stage == SLUICE_STAGE_RCPT ? question->subject : SPAN_EMPTY;
}

void judge_fail(struct session *session, const struct question *question, const struct error *err)
{
    log_warning("%s from %s: %s", question->command, session_name(session), err->text);
    session_reject(session, question->command, recipient_of(question),
                   "451 4.3.0 <%.*s>: Temporary lookup failure", SPAN_ARGS(question->subject));
}

bool judge(struct session *session, const struct access_list *list, const struct question *question)
{
    char address[ADDRESS_TEXT_SIZE];
    struct access_verdict verdict;
    struct error err = ERROR_INIT;
    struct sluice_access_request request = {
        .struct_size = sizeof(request),
        .stage = question->stage,
        .facts = question->facts,
        .client_address = sluice_span_of(address_format(&session->client, address)),
        .client_name = session_wait_name(session),
        .helo = sluice_span_of(session->helo),
        .recipient = question->subject,
    };

    if (session->transaction != NULL)
        request.sender = session->transaction->given_sender;
    if (access_list_decide(list, &request, session_lookup_deadline(session), &verdict,
                           &err) != SLUICE_OK) {
        judge_fail(session, question, &err);
        return false;
    }
    if (verdict.verdict != SLUICE_VERDICT_REJECT && verdict.verdict != SLUICE_VERDICT_DEFER)
        return true;
    session_reject(session, question->command, recipient_of(question), "%d %s <%.*s>: %s",
                   (int)verdict.code, verdict.dsn, SPAN_ARGS(question->subject), verdict.text);
    return false;
}
