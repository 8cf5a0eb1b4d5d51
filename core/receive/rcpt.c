/* SPDX-License-Identifier: ISC */
/*
 * rcpt: RCPT (spec M-30 to M-37) and VRFY (M-9), which asks the same questions.
 */
#include "base/clock.h"
#include "receive/bdat.h"
#include "receive/command.h"
#include "receive/judge.h"
#include "receive/limits.h"
#include "receive/unlisted.h"

#define OVERSHOOT_LIMIT 1000 /* recipients beyond the limit that are no errors yet */

/* A recipient being judged. */
struct candidate {
    struct session *session;
    const char *command;
    struct mailbox mailbox;
    struct route route;
    struct mailbox_list aliases; /* what it stands for; empty: itself */
    struct sluice_span bad; /* where mailbox is empty: what is no address, of a local client */
};

/* spec R-10: an address with a route of its own is nobody's to authorize, unless the operator trusts
 * all routes */
static uint64_t facts_of(const struct route *route, bool trusts_routes)
{
    bool is_local = route->class != ROUTE_RELAY && route->class != ROUTE_DEFAULT;
    bool is_routed = route->mailbox.is_routed && route->class != ROUTE_LOCAL && !trusts_routes;
    uint64_t facts = 0;

    if (is_routed)
        facts |= SLUICE_FACT_ROUTED;
    else if (route->class != ROUTE_DEFAULT)
        facts |= SLUICE_FACT_AUTH_DESTINATION;
    if (is_local)
        facts |= SLUICE_FACT_OURS;
    return facts;
}

/* VRFY comes without. */
static struct sluice_span sender_of(const struct session *session)
{
    return session->transaction != NULL ? session->transaction->envelope.sender : SPAN_EMPTY;
}

/* Route and facts. False: refused. */
static bool find_out(struct candidate *candidate, struct ruling *ruling)
{
    struct session *session = candidate->session;
    struct error err = ERROR_INIT;
    bool is_postmaster = route_is_postmaster(&candidate->mailbox);

    (void)session_wait_name(session); /* the log is to say who is refused */
    sluice_status st =
        route_resolve(&session->receiver->router, sender_of(session), &candidate->mailbox,
                      session_lookup_deadline(session), &candidate->route, &err);
    if (st != SLUICE_OK && is_postmaster) {
        session_reject(session, candidate->command, candidate->mailbox.plain,
                       "451 4.3.5 <%.*s>: Recipient address rejected: no route for postmaster",
                       SPAN_ARGS(candidate->mailbox.plain));
        return false;
    }
    if (st == SLUICE_OK)
        st = session_facts(session, &ruling->facts, &err);
    if (st != SLUICE_OK)
        return ruling_fail(ruling, &err);
    ruling->route = &candidate->route;
    ruling->facts |= facts_of(&candidate->route, session->receiver->settings.trusts_routes);
    return true;
}

/* What stands in for it is there, whatever the tables of its class say. False: refused. */
static bool check_existence(struct candidate *candidate, struct ruling *ruling)
{
    struct session *session = candidate->session;
    const struct receiver *receiver = session->receiver;
    struct access_verdict verdict;
    struct error err = ERROR_INIT;

    sluice_status st = rewrite_recipient(&receiver->rewriter, &candidate->route.mailbox,
                                         session_lookup_deadline(session), &candidate->aliases,
                                         &err);
    if (st == SLUICE_OK)
        return true;
    if (st != SLUICE_NOT_FOUND)
        return ruling_fail(ruling, &err);
    if (session->is_local || route_is_postmaster(&candidate->mailbox) ||
        !receiver->settings.rejects_unlisted)
        return true; /* is reported as undeliverable, if it is */
    if (unlisted_route(session, &candidate->route, &verdict, &err) != SLUICE_OK)
        return ruling_fail(ruling, &err);
    return verdict.verdict == SLUICE_VERDICT_NONE || ruling_refuse(ruling, &verdict);
}

/* spec M-37: all that is known of the client and the sender is judged here, too. */
static bool ask_restrictions(struct ruling *ruling)
{
    return ruling_ask(ruling, RESTRICTIONS_CLIENT) && ruling_ask(ruling, RESTRICTIONS_HELO) &&
           ruling_ask(ruling, RESTRICTIONS_SENDER) && ruling_ask(ruling, RESTRICTIONS_RELAY) &&
           ruling_ask(ruling, RESTRICTIONS_RECIPIENT);
}

static void begin_ruling(struct ruling *ruling, const struct candidate *candidate)
{
    ruling_begin(ruling, candidate->session, candidate->command, SLUICE_STAGE_RCPT,
                 candidate->mailbox.plain);
    ruling->recipient = candidate->mailbox.address;
}

/* False: refused, the reply is out. */
static bool check(struct candidate *candidate)
{
    bool is_exempt = candidate->session->is_local ||
                     route_is_postmaster(&candidate->mailbox); /* RFC 5321 4.5.1 */
    struct ruling ruling;

    begin_ruling(&ruling, candidate);
    return find_out(candidate, &ruling) && (is_exempt || ask_restrictions(&ruling)) &&
           check_existence(candidate, &ruling) && ruling_end(&ruling);
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
    mailbox_list_done(&candidate->aliases);
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
        st = mailbox_complete(&candidate->mailbox, candidate->session->receiver->router.myorigin);
    if (st == SLUICE_TEMP)
        session_reply_uncounted(candidate->session, "451 4.3.0 Error: out of memory");
    return st != SLUICE_TEMP;
}

static sluice_status add_route(struct candidate *candidate, const struct route *route,
                               const struct esmtp_rcpt *parameters, struct error *err)
{
    sluice_status st = route_check_doubt(route, err);

    return st != SLUICE_OK ? st
                           : transaction_add(candidate->session->transaction, &candidate->mailbox,
                                             route, parameters);
}

/* All that it stands for, or nothing. */
static sluice_status add_aliases(struct candidate *candidate, const struct esmtp_rcpt *parameters,
                                 struct error *err)
{
    struct session *session = candidate->session;
    struct transaction *transaction = session->transaction;
    size_t count = transaction->envelope.recipient_count;
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < candidate->aliases.count; i++) {
        struct route route = ROUTE_INIT;

        st = route_resolve(&session->receiver->router, sender_of(session),
                           &candidate->aliases.items[i], session_lookup_deadline(session), &route,
                           err);
        if (st == SLUICE_OK)
            st = add_route(candidate, &route, parameters, err);
        route_done(&route);
    }
    if (st != SLUICE_OK)
        transaction_take_back(transaction, count);
    return st;
}

static sluice_status add_recipient(struct candidate *candidate, const struct esmtp_rcpt *parameters,
                                   struct error *err)
{
    struct transaction *transaction = candidate->session->transaction;

    if (candidate->mailbox.address.len == 0)
        return transaction_add_failed(transaction, candidate->bad, parameters, "5.1.3",
                                      "bad address syntax");
    if (candidate->aliases.count > 0)
        return add_aliases(candidate, parameters, err);
    return add_route(candidate, &candidate->route, parameters, err);
}

static void add(struct candidate *candidate, const struct esmtp_rcpt *parameters)
{
    struct session *session = candidate->session;
    size_t count = session->transaction->envelope.recipient_count;
    struct error err = ERROR_INIT;
    struct ruling ruling;
    sluice_status st = add_recipient(candidate, parameters, &err);

    if (st == SLUICE_OK)
        transaction_end_given(session->transaction, count);
    begin_ruling(&ruling, candidate);
    if (st == SLUICE_OK)
        session_reply(session, "250 2.1.5 Ok");
    else if (st == SLUICE_PERM)
        session_reply_uncounted(session, "452 4.5.3 Error: too many recipients");
    else if (err.text[0] != '\0')
        (void)ruling_fail(&ruling, &err);
    else
        session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
}

/* Earlier ones stay good; who goes on for long is making an error (spec M-33). */
static bool is_one_too_many(struct session *session)
{
    static const char text[] = "452 4.5.3 Error: too many recipients";

    size_t limit =
        session->is_local ? ENVELOPE_RECIPIENTS_MAX : session->receiver->settings.recipient_limit;

    if (session->transaction->given_count < limit)
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

    if (session->transaction == NULL) {
        session_reply(session, "503 5.5.1 Error: need MAIL command");
        return;
    }
    if (bdat_refuses(session, "RCPT"))
        return;
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
    if (command_refuses_dsn(session, parameters.notify != SLUICE_NOTIFY_DEFAULT ||
                                         parameters.orcpt.len > 0))
        goto out;
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
