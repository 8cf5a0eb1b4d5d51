/* SPDX-License-Identifier: ISC */
/*
 * mail: MAIL (spec M-20 to M-26).
 */
#include "receive/bdat.h"
#include "receive/command.h"
#include "receive/limits.h"
#include "receive/session_log.h"

static bool is_in_order(struct session *session)
{
    if (session->receiver->settings.is_helo_required && session->helo == NULL)
        session_reply(session, "503 5.5.1 Error: send HELO/EHLO first");
    else if (session->transaction != NULL)
        session_reply(session, "503 5.5.1 Error: nested MAIL command");
    else
        return true;
    return false;
}

static bool parse_sender(struct session *session, struct sluice_span path, struct mailbox *sender)
{
    sluice_status st = mailbox_parse(path, sender);

    if (st == SLUICE_TEMP)
        session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
    else if (st != SLUICE_OK)
        session_reply(session, "501 5.1.7 Bad sender address syntax");
    return st == SLUICE_OK;
}

/* What the client said, and what it means: canonical_maps may have another sender for that yet. */
struct sender {
    struct mailbox given;
    struct mailbox whole; /* with a domain */
};

static void open_transaction(struct session *session, const struct sender *sender,
                             const struct esmtp_mail *parameters)
{
    struct receiver *receiver = session->receiver;
    struct mailbox other = MAILBOX_INIT;
    struct error err = ERROR_INIT;

    sluice_status st = rewrite_sender(&receiver->rewriter, &sender->whole,
                                      session_lookup_deadline(session), &other, &err);
    if (st != SLUICE_OK && st != SLUICE_NOT_FOUND) {
        session_log_failure(session, "MAIL", &err);
        session_reject(session, "MAIL", SPAN_EMPTY, "451 4.3.0 <%.*s>: Temporary lookup failure",
                       SPAN_ARGS(sender->given.plain));
        return;
    }
    session->transaction =
        transaction_new(&sender->given, st == SLUICE_OK ? &other : &sender->whole, parameters,
                        &receiver->transaction_memory);
    mailbox_done(&other);
    if (session->transaction == NULL)
        session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
    else
        session_reply(session, "250 2.1.0 Ok");
}

static void begin(struct session *session, const struct sender *sender,
                  struct sluice_span parameter_text)
{
    struct receiver *receiver = session->receiver;
    struct esmtp_mail parameters;
    struct error err = ERROR_INIT;

    if (esmtp_parse_mail(parameter_text, receiver->settings.message_size_limit, session->is_local,
                         &parameters, &err) != SLUICE_OK) {
        session_reply(session, "%s", err.text);
        return;
    }
    if (command_refuses_dsn(session, parameters.ret != SLUICE_RET_DEFAULT || parameters.envid.len > 0))
        return;
    if (!intake_has_space(receiver->intake, parameters.size)) {
        session_reject(session, "MAIL", SPAN_EMPTY, "452 4.3.1 Insufficient system storage");
        return;
    }
    open_transaction(session, sender, &parameters);
}

/* A sender without a domain is one of ours (spec M-20). */
static bool complete(struct session *session, struct sender *sender)
{
    if (mailbox_copy(&sender->given, &sender->whole) == SLUICE_OK &&
        mailbox_complete(&sender->whole, session->receiver->router.myorigin) == SLUICE_OK)
        return true;
    session_reply_uncounted(session, "451 4.3.0 Error: out of memory");
    return false;
}

void command_mail(struct session *session, struct sluice_span argument)
{
    struct sender sender = {.given = MAILBOX_INIT, .whole = MAILBOX_INIT};
    struct sluice_span path;
    struct sluice_span parameters;

    if (!is_in_order(session) || bdat_refuses(session, "MAIL"))
        return;
    if (!command_take_path(argument, "FROM:", &path, &parameters)) {
        session_reply(session, "501 5.5.4 Syntax: MAIL FROM:<address>");
        return;
    }
    if (parse_sender(session, path, &sender.given) && complete(session, &sender) &&
        limits_allow(session, CLIENT_MESSAGE))
        begin(session, &sender, parameters);
    mailbox_done(&sender.given);
    mailbox_done(&sender.whole);
}
