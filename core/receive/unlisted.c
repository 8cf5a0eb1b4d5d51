/* SPDX-License-Identifier: ISC */
#include "receive/unlisted.h"

#include "base/dsn.h"
#include "base/span.h"

#include <stdio.h>

/* The first digit of the enhanced code follows the code. */
static void refuse(int32_t about, int code, struct sluice_span detail, struct sluice_span text,
                   struct access_verdict *verdict)
{
    *verdict = (struct access_verdict){
        .verdict = code / 100 == 5 ? SLUICE_VERDICT_REJECT : SLUICE_VERDICT_DEFER,
        .about = about,
        .code = code,
    };
    (void)snprintf(verdict->dsn, sizeof(verdict->dsn), "%d.%.*s", code / 100, SPAN_ARGS(detail));
    (void)snprintf(verdict->text, sizeof(verdict->text), "%.*s", SPAN_ARGS(text));
}

/* "5.1.6 User has moved": the enhanced code without its first digit; otherwise, if the text has
 * none. */
static struct sluice_span take_detail(struct sluice_span *text, struct sluice_span otherwise)
{
    size_t len = dsn_len(*text);
    struct sluice_span detail = span_first(*text, len);

    if (len == 0)
        return otherwise;
    *text = span_trim(span_skip(*text, len));
    return span_skip(detail, 2);
}

static bool is_transport(const struct route *route, const char *name)
{
    return span_equal(route->transport, sluice_span_of(name));
}

/* What the transports error and retry would say later. */
static void refuse_route(const struct session *session, const struct route *route,
                         struct access_verdict *verdict)
{
    struct sluice_span text = route->nexthop;
    struct sluice_span detail = take_detail(&text, SPAN_LITERAL("1.1"));
    int code = is_transport(route, "retry") ? 450 : 550;

    if (route->class == ROUTE_VIRTUAL_ALIAS)
        code = session->receiver->settings.unknown_codes[ROUTE_VIRTUAL_ALIAS];
    refuse(SLUICE_ABOUT_RECIPIENT, code, detail, text, verdict);
}

static void refuse_unknown(const struct session *session, const struct route *route, int32_t about,
                           struct access_verdict *verdict)
{
    bool is_sender = about == SLUICE_ABOUT_SENDER;
    char text[64] = "User unknown";

    if (!session->receiver->router.hides_tables)
        (void)snprintf(text, sizeof(text), "User unknown in %s", recipients_table_of(route->class));
    refuse(about, session->receiver->settings.unknown_codes[route->class],
           is_sender ? SPAN_LITERAL("1.0") : SPAN_LITERAL("1.1"), sluice_span_of(text), verdict);
}

static sluice_status find(const struct session *session, const struct route *route, int32_t about,
                          struct access_verdict *verdict, struct error *err)
{
    const struct receiver *receiver = session->receiver;
    sluice_status st = recipients_find(&receiver->recipients, &receiver->router, route,
                                       session_lookup_deadline(session), err);

    if (st == SLUICE_NOT_FOUND)
        refuse_unknown(session, route, about, verdict);
    return st == SLUICE_NOT_FOUND ? SLUICE_OK : st;
}

sluice_status unlisted_route(const struct session *session, const struct route *route,
                             struct access_verdict *ret_verdict, struct error *err)
{
    *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    if (!is_transport(route, "error") && !is_transport(route, "retry"))
        return find(session, route, SLUICE_ABOUT_RECIPIENT, ret_verdict, err);
    refuse_route(session, route, ret_verdict);
    return SLUICE_OK;
}

/* OK: something stands for it; NOT_FOUND; TEMP. */
static sluice_status find_alias(const struct session *session, const struct route *route,
                                struct error *err)
{
    struct mailbox_list aliases = {0};
    sluice_status st = rewrite_recipient(&session->receiver->rewriter, &route->mailbox,
                                         session_lookup_deadline(session), &aliases, err);

    mailbox_list_done(&aliases);
    return st;
}

sluice_status unlisted_recipient(const struct session *session, const struct route *route,
                                 struct access_verdict *ret_verdict, struct error *err)
{
    sluice_status st = find_alias(session, route, err);

    *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    return st == SLUICE_NOT_FOUND ? unlisted_route(session, route, ret_verdict, err) : st;
}

sluice_status unlisted_sender(const struct session *session, struct access_verdict *ret_verdict,
                              struct error *err)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    sluice_status st = SLUICE_OK;

    *ret_verdict = (struct access_verdict){.verdict = SLUICE_VERDICT_NONE};
    if (session->transaction == NULL || session->transaction->given_sender.len == 0)
        return SLUICE_OK;
    if (mailbox_parse(session->transaction->given_sender, &mailbox) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no memory for an address");
    st = route_resolve(&session->receiver->router, SPAN_EMPTY, &mailbox,
                       session_lookup_deadline(session), &route, err);
    if (st == SLUICE_OK) {
        st = find_alias(session, &route, err);
        if (st == SLUICE_NOT_FOUND)
            st = find(session, &route, SLUICE_ABOUT_SENDER, ret_verdict, err);
    }
    route_done(&route);
    mailbox_done(&mailbox);
    return st;
}
