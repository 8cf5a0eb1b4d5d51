/* SPDX-License-Identifier: ISC */
/*
 * session_log: see session_log.h. What is logged is counted here, too.
 */
#include "receive/session_log.h"

#include "base/metrics.h"
#include "receive/receiver.h"
#include "task/explain.h"

static const struct log_event connect_event = {
    .level = LOG_LEVEL_INFO,
    .name = "connect",
    .text = "connect from {client}",
};

static const struct log_event disconnect_event = {
    .level = LOG_LEVEL_INFO,
    .name = "disconnect",
    .text = "disconnect from {client}{ |commands|}",
};

static const struct log_event reject_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "reject",
    .text = "{queue_id}: reject: {command} from {client}: {reply};"
            "{ from=<|from|>}{ to=<|to|>} proto={proto}{ helo=<|helo|>}",
};

static const struct log_event note_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "note",
    .text = "NOQUEUE: {action}: {command} from {client}: {text};"
            "{ from=<|from|>}{ to=<|to|>} proto={proto}{ helo=<|helo|>}",
};

static const struct log_event pickup_event = {
    .level = LOG_LEVEL_INFO,
    .component = "pickup",
    .name = "pickup",
    .text = "{queue_id}: uid={uid} from=<{from}>",
};

static const struct log_event message_id_event = {
    .level = LOG_LEVEL_INFO,
    .component = "cleanup", /* of Postfix, which knows the message's header */
    .name = "message-id",
    .text = "{queue_id}: message-id={message_id}",
};

static void count_sessions(struct receiver *receiver, size_t count)
{
    if (receiver->session_gauge == NULL)
        receiver->session_gauge = metric_get(METRIC_SESSIONS, NULL, NULL, NULL);
    metric_set(receiver->session_gauge, count);
}

void session_log_connect(struct session *session)
{
    if (session->rehearsal != NULL)
        return;
    metric_add(metric_get(METRIC_CONNECTIONS, NULL, NULL, NULL), 1);
    count_sessions(session->receiver, session->receiver->session_count);
    log_event(&connect_event, log_text("client", session_name(session)));
}

void session_log_disconnect(struct session *session, const char *commands)
{
    /* It is still in the list. */
    count_sessions(session->receiver, session->receiver->session_count - 1);
    log_event(&disconnect_event, log_text("client", session_name(session)),
              log_span_if("commands", span_trim(sluice_span_of(commands))));
}

void session_log_failure(struct session *session, const char *command, const struct error *err)
{
    if (session->rehearsal == NULL)
        log_warning("%s from %s: %s", command, session_name(session), err->text);
    else
        explain_text("text", err->text);
}

void session_log_trouble(struct session *session, enum log_level level, const char *reason)
{
    const struct log_event event = {
        .level = level,
        .name = "trouble",
        .text = "{reason} after {command} from {client}",
    };

    log_event(&event, log_text("reason", reason), log_text("command", session_last_verb(session)),
              log_text("client", session_name(session)));
}

/* An empty one is told, too: the null sender. */
static struct log_field field_if(bool is_there, const char *name, struct sluice_span text)
{
    return (struct log_field){.name = name, .text = text, .is_absent = !is_there};
}

static struct log_field sender_field(const struct session *session)
{
    const struct transaction *transaction = session->transaction;

    return field_if(transaction != NULL, "from",
                    transaction != NULL ? transaction->given_sender : SPAN_EMPTY);
}

/* Of a whole message the recipient is told where it has only one. */
static struct log_field recipient_field(const struct session *session, struct sluice_span recipient)
{
    const struct transaction *transaction = session->transaction;

    if (recipient.len == 0 && transaction != NULL && transaction->given_count == 1)
        recipient = transaction->given_recipient;
    return field_if(recipient.len > 0, "to", recipient);
}

static struct log_field helo_field(const struct session *session)
{
    return field_if(session->helo != NULL, "helo",
                    session->helo != NULL ? sluice_span_of(session->helo) : SPAN_EMPTY);
}

void session_log_reject(struct session *session, const char *id, const char *command,
                        struct sluice_span recipient, const char *reply)
{
    if (session->rehearsal != NULL)
        return; /* the reply says the same */
    metric_add(metric_get(METRIC_REJECTS, command, NULL, NULL), 1);
    log_event(&reject_event, log_text("queue_id", id != NULL ? id : "NOQUEUE"),
              log_text("command", command), log_text("client", session_name(session)),
              log_text("reply", reply), sender_field(session), recipient_field(session, recipient),
              log_text("proto", session->is_esmtp ? "ESMTP" : "SMTP"), helo_field(session));
}

void session_log_note(struct session *session, const char *action, const char *command,
                      struct sluice_span recipient, const char *text)
{
    if (session->rehearsal != NULL) {
        explain_begin("note");
        explain_text("action", action);
        explain_text("text", text);
        explain_end(SLUICE_OK, NULL);
        return;
    }
    log_event(&note_event, log_text("action", action), log_text("command", command),
              log_text("client", session_name(session)), log_text("text", text),
              sender_field(session), recipient_field(session, recipient),
              log_text("proto", session->is_esmtp ? "ESMTP" : "SMTP"), helo_field(session));
}

void session_log_pickup(struct session *session, const char *id)
{
    log_event(&pickup_event, log_text("queue_id", id), log_number("uid", session->uid),
              log_span("from", session->transaction->envelope.sender));
}

void session_log_message_id(const char *id, struct sluice_span message_id)
{
    log_event(&message_id_event, log_text("queue_id", id), log_span("message_id", message_id));
}
