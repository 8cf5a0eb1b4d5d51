/* SPDX-License-Identifier: ISC */
#include "deliver/resolve.h"

#include "base/clock.h"
#include "base/span.h"
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

static void add_tables(const struct routes *routes, struct buffer *answer)
{
    struct table_state state;

    if (routes_table_state(routes, &state) != SLUICE_OK)
        return;
    const struct message_tables tables = {.number = state.number, .is_whole = state.is_whole};
    message_tables_add(&tables, answer);
}

/* The state comes first: what changes while tables are asked makes it another one. */
void resolve_answer(const struct routes *routes, struct sluice_span body, struct buffer *answer)
{
    int64_t end_ms = clock_monotonic_ms() + RESOLVE_BATCH_MS;
    bool is_by_domain = routes_go_by_domain(routes);
    struct message_question question;

    add_tables(routes, answer);
    while (message_question_next(&body, &question) == SLUICE_OK) {
        resolve_one(routes, &question, is_by_domain, answer);
        if (clock_monotonic_ms() >= end_ms)
            break;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* True if the tables are those that the queue has its routes from. */
static bool is_up_to_date(const struct routes *routes, const struct message_job *job)
{
    struct table_state state;

    return routes_table_state(routes, &state) == SLUICE_OK && state.is_whole &&
           state.number == job->tables;
}

static bool has_moved(const struct routes *routes, struct sluice_span sender,
                      const struct envelope_recipient *recipient, int64_t deadline_ms)
{
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;
    bool is_moved = false;

    if (routes_find(routes, sender, recipient->address, deadline_ms, &route, &err) == SLUICE_OK)
        is_moved = !span_equal(route.transport, recipient->transport) ||
                   !span_equal(route.nexthop, recipient->nexthop);
    route_done(&route);
    return is_moved;
}

bool resolve_is_elsewhere(const struct routes *routes, const struct job *job)
{
    int64_t deadline_ms = clock_monotonic_ms() + RESOLVE_ADDRESS_MS;

    if (is_up_to_date(routes, &job->header))
        return false;
    for (size_t i = 0; i < job->envelope.recipient_count; i++) {
        if (has_moved(routes, job->envelope.sender, &job->envelope.recipients[i], deadline_ms))
            return true;
        if (clock_monotonic_ms() >= deadline_ms)
            break;
    }
    return false;
}
