/* SPDX-License-Identifier: ISC */
#include "receive/unlisted.h"

#include "base/dsn.h"
#include "base/span.h"

#include <stdio.h>

/* A refusal: the code, whose first digit the enhanced one follows, and the text. */
static void refuse(struct session *session, const struct question *question, int code,
                   struct sluice_span detail, struct sluice_span text)
{
    session_reject(session, question->command, question->subject,
                   "%d %d.%.*s <%.*s>: Recipient address rejected: %.*s", code, code / 100,
                   SPAN_ARGS(detail), SPAN_ARGS(question->subject), SPAN_ARGS(text));
}

/* "5.1.6 User has moved": the enhanced code, which is only a default where the text has none. */
static struct sluice_span take_detail(struct sluice_span *text, const char *otherwise)
{
    size_t len = dsn_len(*text);
    struct sluice_span detail = span_first(*text, len);

    if (len == 0)
        return sluice_span_of(otherwise);
    *text = span_trim(span_skip(*text, len));
    return span_skip(detail, 2);
}

static bool is_transport(const struct route *route, const char *name)
{
    return span_equal(route->transport, sluice_span_of(name));
}

/* What the transports error and retry would say later. */
static void refuse_route(struct session *session, const struct question *question,
                         const struct route *route)
{
    struct sluice_span text = route->nexthop;
    struct sluice_span detail = take_detail(&text, "1.1");
    int code = is_transport(route, "retry") ? 450 : 550;

    if (route->class == ROUTE_VIRTUAL_ALIAS)
        code = session->receiver->settings.unknown_codes[ROUTE_VIRTUAL_ALIAS];
    refuse(session, question, code, detail, text);
}

static void refuse_unknown(struct session *session, const struct question *question,
                           const struct route *route)
{
    char text[64] = "User unknown";

    if (!session->receiver->router.hides_tables)
        (void)snprintf(text, sizeof(text), "User unknown in %s", recipients_table_of(route->class));
    refuse(session, question, session->receiver->settings.unknown_codes[route->class],
           SPAN_LITERAL("1.1"), sluice_span_of(text));
}

bool unlisted_check(struct session *session, const struct question *question,
                    const struct route *route)
{
    const struct receiver *receiver = session->receiver;
    struct error err = ERROR_INIT;

    if (is_transport(route, "error") || is_transport(route, "retry")) {
        refuse_route(session, question, route);
        return false;
    }
    sluice_status st = recipients_find(&receiver->recipients, &receiver->router, route,
                                       session_lookup_deadline(session), &err);
    if (st == SLUICE_OK)
        return true;
    if (st == SLUICE_NOT_FOUND)
        refuse_unknown(session, question, route);
    else
        judge_fail(session, question, &err);
    return false;
}
