/* SPDX-License-Identifier: ISC */
/*
 * rcpt: RCPT (spec M-30 to M-37) and VRFY (M-9), which asks the same questions.
 */
#include "base/clock.h"
#include "receive/command.h"
#include "receive/session.h"

#define OVERSHOOT_LIMIT 1000 /* recipients beyond the limit that are no errors yet */
#define LOOKUP_TIMEOUT_MS 60000

/* A recipient being judged. */
struct candidate {
    struct session *session;
    const char *command;
    struct mailbox mailbox;
    struct route route;
    uint64_t facts;
    int64_t deadline_ms;
};

static void refuse(struct candidate *candidate, const char *code, const char *text)
{
    session_reject(candidate->session, candidate->command, candidate->mailbox.plain,
                   "%s <%.*s>: %s", code, SPAN_ARGS(candidate->mailbox.plain), text);
}

static void refuse_lookup(struct candidate *candidate)
{
    refuse(candidate, "451 4.3.0", "Temporary lookup failure");
}

/* spec R-10: an address with a route of its own is nobody's to authorize */
static bool is_authorized(const struct candidate *candidate)
{
    return candidate->route.class != ROUTE_DEFAULT && !candidate->mailbox.is_routed;
}

/* Route and facts. False: refused. */
static bool find_out(struct candidate *candidate)
{
    struct session *session = candidate->session;
    struct error err = ERROR_INIT;

    sluice_status st = route_resolve(&session->receiver->router, &candidate->mailbox,
                                     candidate->deadline_ms, &candidate->route, &err);
    if (st != SLUICE_OK && route_is_postmaster(&candidate->mailbox)) {
        refuse(candidate, "451 4.3.5", "Recipient address rejected: no route for postmaster");
        return false;
    }
    if (st == SLUICE_OK)
        st = session_in_mynetworks(session, &err);
    if (st == SLUICE_OK)
        candidate->facts |= SLUICE_FACT_MYNETWORKS;
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        refuse_lookup(candidate);
        return false;
    }
    if (is_authorized(candidate))
        candidate->facts |= SLUICE_FACT_AUTH_DESTINATION;
    return true;
}

static bool passes(struct candidate *candidate, const struct access_list *list)
{
    struct session *session = candidate->session;
    char address[ADDRESS_TEXT_SIZE];
    struct access_verdict verdict;
    struct error err = ERROR_INIT;
    struct sluice_access_request request = {
        .struct_size = sizeof(request),
        .stage = SLUICE_STAGE_RCPT,
        .facts = candidate->facts,
        .client_address = sluice_span_of(address_format(&session->client, address)),
        .client_name = SPAN_LITERAL("unknown"),
        .helo = sluice_span_of(session->helo),
        .recipient = candidate->mailbox.plain,
    };

    if (session->transaction != NULL)
        request.sender = session->transaction->envelope.sender;
    if (access_list_decide(list, &request, candidate->deadline_ms, &verdict, &err) != SLUICE_OK) {
        refuse_lookup(candidate);
        return false;
    }
    if (verdict.verdict != SLUICE_VERDICT_REJECT && verdict.verdict != SLUICE_VERDICT_DEFER)
        return true;
    session_reject(session, candidate->command, candidate->mailbox.plain, "%d %s <%.*s>: %s",
                   (int)verdict.code, verdict.dsn, SPAN_ARGS(candidate->mailbox.plain),
                   verdict.text);
    return false;
}

/* False: refused, the reply is out. */
static bool check(struct candidate *candidate)
{
    const struct receiver *receiver = candidate->session->receiver;

    if (!find_out(candidate))
        return false;
    if (route_is_postmaster(&candidate->mailbox))
        return true; /* RFC 5321 4.5.1 */
    return passes(candidate, &receiver->relay_restrictions) &&
           passes(candidate, &receiver->recipient_restrictions);
}

static bool parse(struct candidate *candidate, struct sluice_span path)
{
    sluice_status st = mailbox_parse(path, &candidate->mailbox);

    if (st == SLUICE_TEMP)
        session_reply_uncounted(candidate->session, "451 4.3.0 Error: out of memory");
    else if (st != SLUICE_OK || candidate->mailbox.address.len == 0)
        session_reply(candidate->session, "501 5.1.3 Bad recipient address syntax");
    else
        return true;
    return false;
}

static void candidate_init(struct candidate *candidate, struct session *session,
                           const char *command)
{
    *candidate = (struct candidate){
        .session = session,
        .command = command,
        .deadline_ms = clock_monotonic_ms() + LOOKUP_TIMEOUT_MS,
    };
}

static void candidate_done(struct candidate *candidate)
{
    route_done(&candidate->route);
    mailbox_done(&candidate->mailbox);
}

/* ---- RCPT ------------------------------------------------------------------------------------ */

static void add(struct candidate *candidate, const struct esmtp_rcpt *parameters)
{
    struct session *session = candidate->session;
    sluice_status st =
        transaction_add(session->transaction, &candidate->mailbox, &candidate->route, parameters);

    if (st == SLUICE_OK)
        session_reply(session, "250 2.1.5 Ok");
    else if (st == SLUICE_PERM)
        session_reply_uncounted(session, "452 4.5.3 Error: too many recipients");
    else
        session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
}

/* Earlier ones stay good; who goes on for long is making an error (spec M-33). */
static bool is_one_too_many(struct session *session)
{
    static const char text[] = "452 4.5.3 Error: too many recipients";

    if (session->transaction->envelope.recipient_count <
        session->receiver->settings.recipient_limit)
        return false;
    if (session->overshoot_count++ < OVERSHOOT_LIMIT)
        session_reply_uncounted(session, "%s", text);
    else
        session_reply(session, "%s", text);
    return true;
}

void command_rcpt(struct session *session, struct sluice_span argument)
{
    struct candidate candidate;
    struct esmtp_rcpt parameters;
    struct sluice_span path;
    struct sluice_span parameter_text;
    struct error err = ERROR_INIT;

    if (session->transaction == NULL) {
        session_reply(session, "503 5.5.1 Error: need MAIL command");
        return;
    }
    if (!command_take_path(argument, "TO:", &path, &parameter_text)) {
        session_reply(session, "501 5.5.4 Syntax: RCPT TO:<address>");
        return;
    }
    candidate_init(&candidate, session, "RCPT");
    if (!parse(&candidate, path))
        goto out;
    if (esmtp_parse_rcpt(parameter_text, &parameters, &err) != SLUICE_OK) {
        session_reply(session, "%s", err.text);
        goto out;
    }
    if (!is_one_too_many(session) && check(&candidate))
        add(&candidate, &parameters);
out:
    candidate_done(&candidate);
}

/* ---- VRFY ------------------------------------------------------------------------------------ */

void command_vrfy(struct session *session, struct sluice_span argument)
{
    struct candidate candidate;

    if (session->receiver->settings.is_vrfy_disabled) {
        session_reply(session, "502 5.5.1 VRFY command is disabled");
        return;
    }
    if (argument.len == 0) {
        session_reply(session, "501 5.5.4 Syntax: VRFY address");
        return;
    }
    candidate_init(&candidate, session, "VRFY");
    if (parse(&candidate, argument) && check(&candidate))
        session_reply(session, "252 2.0.0 %.*s", SPAN_ARGS(argument));
    candidate_done(&candidate);
}
