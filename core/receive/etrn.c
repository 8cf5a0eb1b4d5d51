/* SPDX-License-Identifier: ISC */
/*
 * etrn: ETRN (RFC 1985, spec M-80 to M-88): a client asks for the mail that waits for a domain.
 *
 * "domain" is that domain, "@domain" its sub-domains too. "#name" is a named queue, which the queue
 * role knows.
 */
#include "base/clock.h"
#include "receive/command.h"
#include "receive/judge.h"
#include "receive/session.h"
#include "route/mailbox.h"
#include "task/doubt.h"

#include <inttypes.h>
#include <stdlib.h>

struct request {
    struct session *session;
    struct sluice_span domain;
    bool with_subdomains;
    bool is_queue;
    bool is_trusted; /* the client is in mynetworks */
};

static bool is_in_order(struct session *session)
{
    if (session->receiver->settings.is_helo_required && session->helo == NULL)
        session_reply(session, "503 Error: send HELO/EHLO first");
    else if (session->transaction != NULL)
        session_reply(session, "503 Error: MAIL transaction in progress");
    else
        return true;
    return false;
}

static bool parse(struct request *request, struct sluice_span argument)
{
    bool is_one = argument.len > 0 && span_find(argument, ' ') == argument.len &&
                  span_find(argument, '\t') == argument.len;

    if (!is_one) {
        session_reply(request->session, "500 Syntax: ETRN domain");
        return false;
    }
    request->with_subdomains = argument.ptr[0] == '@';
    request->is_queue = argument.ptr[0] == '#';
    if (request->with_subdomains || request->is_queue)
        argument = span_skip(argument, 1);
    request->domain = argument;
    if (mailbox_is_host_name(argument) || mailbox_is_literal(argument))
        return true;
    session_reply(request->session, "501 Error: invalid parameter syntax");
    return false;
}

static void refuse_service(struct request *request)
{
    session_reject(request->session, "ETRN", SPAN_EMPTY, "458 Unable to queue messages");
}

/* The client's rights. False: refused. */
static bool may_ask(struct request *request)
{
    struct session *session = request->session;
    struct error err = ERROR_INIT;
    struct ruling ruling;

    ruling_begin(&ruling, session, "ETRN", SLUICE_STAGE_ETRN, request->domain);
    if (session_facts(session, &ruling.facts, &err) != SLUICE_OK)
        return ruling_fail(&ruling, &err);
    request->is_trusted = (ruling.facts & SLUICE_FACT_MYNETWORKS) != 0;
    return ruling_ask(&ruling, RESTRICTIONS_CLIENT) && ruling_ask(&ruling, RESTRICTIONS_HELO) &&
           ruling_ask(&ruling, RESTRICTIONS_ETRN) && ruling_end(&ruling);
}

static void refuse(struct request *request, sluice_status status)
{
    if (status == SLUICE_NOT_FOUND)
        session_reject(request->session, "ETRN", SPAN_EMPTY, "459 <%.*s>: service unavailable",
                       SPAN_ARGS(request->domain));
    else
        refuse_service(request);
}

/* The domain's; a queue's is that it exists. False: refused. */
static bool is_eligible(struct request *request)
{
    struct error err = ERROR_INIT;
    sluice_status st = SLUICE_OK;

    if (!request->is_queue)
        st = domain_list_match(&request->session->receiver->fast_flush_domains, request->domain,
                               session_lookup_deadline(request->session), &err);
    if (st != SLUICE_OK)
        refuse(request, doubt_about() == NULL ? st : SLUICE_TEMP);
    return st == SLUICE_OK;
}

static void tell(struct request *request, const struct message_released *released)
{
    struct session *session = request->session;

    if (!request->is_trusted)
        session_reply(session, "250 Queuing started");
    else if (released->count == 0)
        session_reply(session, "251 OK, no messages waiting for node %.*s",
                      SPAN_ARGS(request->domain));
    else
        session_reply(session, "253 OK, %" PRIu64 " pending messages for node %.*s started",
                      released->count, SPAN_ARGS(request->domain));
}

static void release(struct request *request)
{
    struct message_released released = {0};
    char *domain = span_dup(request->domain);

    if (domain == NULL) {
        refuse_service(request);
        return;
    }
    span_fold(domain, request->domain.len);
    struct message_release question = {
        .domain = {.ptr = domain, .len = request->domain.len},
        .with_subdomains = request->with_subdomains,
        .is_queue = request->is_queue,
        .is_exempt = request->is_trusted,
    };
    sluice_status st = intake_release(request->session->receiver->intake, &question, &released);
    if (st == SLUICE_OK)
        tell(request, &released);
    else
        refuse(request, st);
    free(domain);
}

void command_etrn(struct session *session, struct sluice_span argument)
{
    struct request request = {.session = session};

    if (is_in_order(session) && parse(&request, argument) && may_ask(&request) &&
        is_eligible(&request))
        release(&request);
}
