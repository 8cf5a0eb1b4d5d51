/* SPDX-License-Identifier: ISC */
/*
 * limits: counts first, judges second.
 */
#include "receive/limits.h"

#include "base/clock.h"
#include "base/log.h"

#define SERVICE "smtp" /* as logs of Postfix's have it */

/* A list that cannot be asked makes no exception: the client is told to come again. */
static bool is_exempt(struct session *session)
{
    struct error err = ERROR_INIT;

    return domain_list_match_address(&session->receiver->limit_exceptions, &session->client,
                                     session_lookup_deadline(session), &err) == SLUICE_OK;
}

static bool is_over(struct session *session, unsigned count, unsigned limit)
{
    return limit > 0 && count > limit && !is_exempt(session);
}

/* This machine's own programs are nobody's clients. */
static bool is_counted(const struct session *session)
{
    return session->receiver->clients != NULL && !session->is_local;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void turn_away(struct session *session, const char *what, unsigned count)
{
    char address[ADDRESS_TEXT_SIZE];

    log_warning("%s limit exceeded: %u from %s for service " SERVICE, what, count,
                session_name(session));
    session_dismiss(session, "421 4.7.0 %s Error: too many connections from %s",
                    session->receiver->settings.myhostname,
                    address_format(&session->client, address));
}

bool limits_enter(struct session *session)
{
    const struct settings *settings = &session->receiver->settings;
    struct clients *clients = session->receiver->clients;

    if (!is_counted(session))
        return true;
    unsigned count = clients_connect(clients, &session->client, &session->client_entry);
    if (is_over(session, count, settings->client_connection_limit)) {
        turn_away(session, "Connection concurrency", count);
        return false;
    }
    count = clients_rate(clients, session->client_entry, CLIENT_CONNECTION);
    if (is_over(session, count, settings->client_rate_limits[CLIENT_CONNECTION])) {
        turn_away(session, "Connection rate", count);
        return false;
    }
    return true;
}

void limits_leave(struct session *session)
{
    if (is_counted(session))
        clients_disconnect(session->receiver->clients, session->client_entry);
}

/* ---- messages and recipients ----------------------------------------------------------------- */

bool limits_allow(struct session *session, enum client_event event)
{
    static const struct {
        const char *what;
        const char *reply;
    } texts[CLIENT_EVENT_COUNT] = {
        [CLIENT_MESSAGE] = {"Message delivery request rate", "too much mail"},
        [CLIENT_RECIPIENT] = {"Recipient address rate", "too many recipients"},
    };
    struct clients *clients = session->receiver->clients;
    char address[ADDRESS_TEXT_SIZE];

    if (!is_counted(session))
        return true;
    clients_add(clients, session->client_entry, event);
    unsigned count = clients_rate(clients, session->client_entry, event);
    if (!is_over(session, count, session->receiver->settings.client_rate_limits[event]))
        return true;
    log_warning("%s limit exceeded: %u from %s for service " SERVICE, texts[event].what, count,
                session_name(session));
    session_reply(session, "450 4.7.1 Error: %s from %s", texts[event].reply,
                  address_format(&session->client, address));
    return false;
}
