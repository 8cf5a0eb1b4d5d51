/* SPDX-License-Identifier: ISC */
/*
 * resolve: the router of core/route, with tables of this process.
 */
#include "deliver/resolve.h"

#include "base/clock.h"
#include "ipc/messages.h"
#include "route/route.h"

#include <stdlib.h>

struct resolver {
    struct tables *tables;
    struct router router;
};

sluice_status resolver_new(const struct config *config, struct resolver **ret_resolver,
                           struct error *err)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver == NULL || tables_new(config, &resolver->tables) != SLUICE_OK) {
        free(resolver);
        return error_set(err, SLUICE_TEMP, "no memory for tables");
    }
    sluice_status st = router_init(&resolver->router, config, resolver->tables, err);
    if (st != SLUICE_OK) {
        resolver_free(resolver);
        return st;
    }
    *ret_resolver = resolver;
    return SLUICE_OK;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    router_done(&resolver->router);
    tables_free(resolver->tables);
    free(resolver);
}

/* The table complains itself. */
static void resolve_one(const struct resolver *resolver, struct sluice_span address,
                        struct buffer *answer)
{
    struct message_route found = {.status = SLUICE_TEMP};
    struct mailbox mailbox = MAILBOX_INIT;
    struct route route = ROUTE_INIT;
    struct error err = ERROR_INIT;

    if (mailbox_parse(address, &mailbox) == SLUICE_OK && mailbox.address.len > 0)
        found.status = route_resolve(&resolver->router, &mailbox,
                                     clock_monotonic_ms() + RESOLVE_ADDRESS_MS, &route, &err);
    if (found.status == SLUICE_OK) {
        found.transport = route.transport;
        found.nexthop = route.nexthop;
    }
    message_route_add(&found, answer);
    route_done(&route);
    mailbox_done(&mailbox);
}

void resolver_answer(const struct resolver *resolver, struct sluice_span body,
                     struct buffer *answer)
{
    struct sluice_span address;

    while (message_resolve_next(&body, &address) == SLUICE_OK)
        resolve_one(resolver, address, answer);
}
