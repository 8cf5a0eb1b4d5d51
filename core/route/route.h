/* SPDX-License-Identifier: ISC */
/*
 * route: from a recipient's address to (transport, nexthop, recipient).
 *
 * The class of the domain (the first that fits: mydestination, relay_domains, any other) gives the
 * transport: local, relay_transport, default_transport. transport_maps may change transport, next
 * hop or both. A transport's name is taken as it stands: whether there is such a transport shows when
 * the message is scheduled.
 *
 * postmaster_route says where mail for <postmaster> without a domain goes: an address
 * ("admin@isp.example", routed as any other), or a result as in a transport table
 * ("smtp:[mail.isp.example]"). Until there is a local transport, an unset one is TEMP.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "route/domain_list.h"
#include "route/mailbox.h"
#include "route/table.h"

enum route_class {
    ROUTE_LOCAL,
    ROUTE_RELAY,
    ROUTE_DEFAULT,
};

/* Public so that tests can fill it in; the texts are borrowed. */
struct router {
    struct domain_list mydestination;
    struct domain_list relay_domains;
    struct table_list transport_maps;
    bool transport_maps_with_parents; /* named in parent_domain_matches_subdomains */
    const char *myorigin;
    const char *relay_transport; /* "relay", "relay:[host]" */
    const char *default_transport;
    const char *postmaster_route; /* empty: not set */
    char recipient_delimiter;     /* NUL: addresses have no extension */
};

struct route {
    char *memory; /* what the spans point into */
    enum route_class class;
    struct sluice_span transport;
    struct sluice_span nexthop;
    struct sluice_span recipient; /* as it is to be delivered */
};

#define ROUTE_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/* From the configuration, which must stay; tables too. CONFIG or TEMP with a text. [main] */
sluice_status router_init(struct router *router, const struct config *config, struct tables *tables,
                          struct error *err);
void router_done(struct router *router);

/* True for <postmaster> without a domain, in any case. */
bool route_is_postmaster(const struct mailbox *mailbox);
/*
 * OK; TEMP with dsn and text when a table could not be asked or there is no memory. No address is
 * without a route. [task: may wait]
 */
sluice_status route_resolve(const struct router *router, const struct mailbox *mailbox,
                            int64_t deadline_ms, struct route *ret_route, struct error *err);
void route_done(struct route *route);

#endif
