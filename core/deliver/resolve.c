/* SPDX-License-Identifier: ISC */
#include "deliver/resolve.h"

#include "base/clock.h"
#include "ipc/messages.h"

/* The table complains itself. */
static void resolve_one(const struct routes *routes, const struct message_question *question,
                        bool is_by_domain, struct buffer *answer)
{
    struct message_route found = {.status = SLUICE_TEMP};
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;

    if (routes_find(routes, question->sender, question->address,
                    clock_monotonic_ms() + RESOLVE_ADDRESS_MS, &route, &err) == SLUICE_OK) {
        found.status = SLUICE_OK;
        found.transport = route.transport;
        found.nexthop = route.nexthop;
        found.is_by_domain = is_by_domain && route.is_of_domain;
    }
    message_route_add(&found, answer);
    route_done(&route);
}

void resolve_answer(const struct routes *routes, struct sluice_span body, struct buffer *answer)
{
    bool is_by_domain = routes_go_by_domain(routes);
    struct message_question question;

    while (message_question_next(&body, &question) == SLUICE_OK)
        resolve_one(routes, &question, is_by_domain, answer);
}
