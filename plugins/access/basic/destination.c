/* SPDX-License-Identifier: ISC */
/* destination: what the host knows already: who the client is and where the recipient is. */
#include "basic.h"

static bool has_fact(const struct question *question, uint64_t fact)
{
    return (question->request->facts & fact) != 0;
}

sluice_status decide_mynetworks(const struct question *question)
{
    return has_fact(question, SLUICE_FACT_MYNETWORKS) ? permit(question) : SLUICE_OK;
}

sluice_status decide_own_address(const struct question *question)
{
    return has_fact(question, SLUICE_FACT_OWN_ADDRESS) ? permit(question) : SLUICE_OK;
}

/* Only RCPT has a destination to judge. */
static bool is_at_rcpt(const struct question *question)
{
    return question->request->stage == SLUICE_STAGE_RCPT;
}

sluice_status decide_auth(const struct question *question)
{
    return is_at_rcpt(question) && has_fact(question, SLUICE_FACT_AUTH_DESTINATION)
               ? permit(question)
               : SLUICE_OK;
}

/* The reply has nothing but the recipient before its text. */
static sluice_status deny_relay(const struct question *question, int32_t code)
{
    if (!is_at_rcpt(question) || has_fact(question, SLUICE_FACT_AUTH_DESTINATION))
        return SLUICE_OK;
    question->sink->verdict(question->sink,
                            code >= 500 ? SLUICE_VERDICT_REJECT : SLUICE_VERDICT_DEFER, code,
                            code >= 500 ? "5.7.1" : "4.7.1", "Relay access denied");
    return SLUICE_OK;
}

sluice_status decide_unauth_reject(const struct question *question)
{
    return deny_relay(question, question->access->codes.relay);
}

/* relay_domains_reject_code in the form that is for now: 454 for 554. */
sluice_status decide_unauth_defer(const struct question *question)
{
    return deny_relay(question, 400 + question->access->codes.relay % 100);
}

/* A report has one recipient. At RCPT those that were accepted do not have the present one among
 * them. */
sluice_status decide_multi_recipient_bounce(const struct question *question)
{
    const struct sluice_access_request *request = question->request;
    uint32_t others = is_at_rcpt(question) ? 0 : 1;

    if (request->stage == SLUICE_STAGE_ETRN || request->sender.len > 0 ||
        request->recipient_count <= others)
        return SLUICE_OK;
    return refuse(question, SLUICE_ABOUT_LIST, question->access->codes.multi_recipient, "5.3",
                  "Multi-recipient bounce");
}

sluice_status decide_plaintext(const struct question *question)
{
    return refuse(question, SLUICE_ABOUT_NOTHING, question->access->codes.plaintext, "7.1",
                  "Session encryption is required");
}
