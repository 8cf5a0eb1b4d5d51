/* SPDX-License-Identifier: ISC */
/*
 * rcpt: RCPT (spec M-30 to M-37) and VRFY (M-9), which asks the same questions.
 */
#include "base/clock.h"
#include "receive/bdat.h"
#include "receive/command.h"
#include "receive/judge.h"
#include "receive/limits.h"

#define OVERSHOOT_LIMIT 1000 /* recipients beyond the limit that are no errors yet */

/* A recipient being judged. */
struct candidate {
    struct session *session;
    const char *command;
    struct mailbox mailbox;
    struct route route;
    struct sluice_span bad; /* where mailbox is empty: what is no address, of a local client */
};

/* spec R-10: an address with a route of its own is nobody's to authorize */
static bool is_authorized(const struct candidate *candidate)
{
    return candidate->route.class != ROUTE_DEFAULT && !candidate->mailbox.is_routed;
}

/* Route and facts. False: refused. */
static bool find_out(struct candidate *candidate, struct question *question)
{
    struct session *session = candidate->session;
    struct error err = ERROR_INIT;
    bool is_postmaster = route_is_postmaster(&candidate->mailbox);

    sluice_status st =
        route_resolve(&session->receiver->router, &candidate->mailbox,
                      session_lookup_deadline(session), &candidate->route, &err);
    if (st != SLUICE_OK && is_postmaster) {
        session_reject(session, candidate->command, candidate->mailbox.plain,
                       "451 4.3.5 <%.*s>: Recipient address rejected: no route for postmaster",
                       SPAN_ARGS(candidate->mailbox.plain));
        return false;
    }
    if (st == SLUICE_OK)
        st = session_in_mynetworks(session, &err);
    if (st == SLUICE_OK)
        question->facts |= SLUICE_FACT_MYNETWORKS;
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        judge_fail(session, question, &err);
        return false;
    }
    if (is_authorized(candidate))
        question->facts |= SLUICE_FACT_AUTH_DESTINATION;
    return true;
}

/* False: refused, the reply is out. */
static bool check(struct candidate *candidate)
{
    struct session *session = candidate->session;
    const struct receiver *receiver = session->receiver;
    struct question question = {
        .command = candidate->command,
        .stage = SLUICE_STAGE_RCPT,
        .subject = candidate->mailbox.plain,
    };

    if (!find_out(candidate, &question))
        return false;
    if (session->is_local || route_is_postmaster(&candidate->mailbox))
        return true; /* the latter: RFC 5321 4.5.1 */
    return judge(session, &receiver->relay_restrictions, &question) &&
           judge(session, &receiver->recipient_restrictions, &question);
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

static void candidate_done(struct candidate *candidate)
{
    route_done(&candidate->route);
    mailbox_done(&candidate->mailbox);
}

/* ---- RCPT ------------------------------------------------------------------------------------ */

static struct sluice_span without_brackets(struct sluice_span path)
{
    if (path.len > 0 && path.ptr[0] == '<')
        path = span_skip(path, 1);
    if (path.len > 0 && path.ptr[path.len - 1] == '>')
        path.len--;
    return path;
}

/* A local program often does not look at what sendmail says: it accepts what is no address too, which
 * is then reported as undeliverable (spec C-6). */
static bool parse_local(struct candidate *candidate, struct sluice_span path)
{
    sluice_status st = mailbox_parse(path, &candidate->mailbox);

    candidate->bad = without_brackets(path);
    if (candidate->bad.len == 0) {
        session_reply(candidate->session, "501 5.1.3 Bad recipient address syntax");
        return false;
    }
    if (st == SLUICE_OK)
        st = session_complete(candidate->session, &candidate->mailbox);
    if (st == SLUICE_TEMP)
        session_reply_uncounted(candidate->session, "451 4.3.0 Error: out of memory");
    return st != SLUICE_TEMP;
}

static sluice_status add_recipient(struct candidate *candidate, const struct esmtp_rcpt *parameters)
{
    struct transaction *transaction = candidate->session->transaction;

    if (candidate->mailbox.address.len == 0)
        return transaction_add_failed(transaction, candidate->bad, parameters, "5.1.3",
                                      "bad address syntax");
    return transaction_add(transaction, &candidate->mailbox, &candidate->route, parameters);
}

static void add(struct candidate *candidate, const struct esmtp_rcpt *parameters)
{
    struct session *session = candidate->session;
    sluice_status st = add_recipient(candidate, parameters);

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

    size_t limit =
        session->is_local ? ENVELOPE_RECIPIENTS_MAX : session->receiver->settings.recipient_limit;

    if (session->transaction->envelope.recipient_count < limit)
        return false;
    if (session->overshoot_count++ < OVERSHOOT_LIMIT)
        session_reply_uncounted(session, "%s", text);
    else
        session_reply(session, "%s", text);
    return true;
}

void command_rcpt(struct session *session, struct sluice_span argument)
{
    struct candidate candidate = {.session = session, .command = "RCPT"};
    struct esmtp_rcpt parameters;
    struct sluice_span path;
    struct sluice_span parameter_text;
    struct error err = ERROR_INIT;

    if (bdat_refuses(session, "RCPT"))
        return;
    if (session->transaction == NULL) {
        session_reply(session, "503 5.5.1 Error: need MAIL command");
        return;
    }
    if (!command_take_path(argument, "TO:", &path, &parameter_text)) {
        session_reply(session, "501 5.5.4 Syntax: RCPT TO:<address>");
        return;
    }
    if (!(session->is_local ? parse_local(&candidate, path) : parse(&candidate, path)))
        goto out;
    if (esmtp_parse_rcpt(parameter_text, &parameters, &err) != SLUICE_OK) {
        session_reply(session, "%s", err.text);
        goto out;
    }
    if (limits_allow(session, CLIENT_RECIPIENT) && !is_one_too_many(session) &&
        (candidate.mailbox.address.len == 0 || check(&candidate)))
        add(&candidate, &parameters);
out:
    candidate_done(&candidate);
}

/* ---- VRFY ------------------------------------------------------------------------------------ */

void command_vrfy(struct session *session, struct sluice_span argument)
{
    struct candidate candidate = {.session = session, .command = "VRFY"};

    if (session->receiver->settings.is_vrfy_disabled) {
        session_reply(session, "502 5.5.1 VRFY command is disabled");
        return;
    }
    if (argument.len == 0) {
        session_reply(session, "501 5.5.4 Syntax: VRFY address");
        return;
    }
    if (parse(&candidate, argument) && check(&candidate))
        session_reply(session, "252 2.0.0 %.*s", SPAN_ARGS(argument));
    candidate_done(&candidate);
}
