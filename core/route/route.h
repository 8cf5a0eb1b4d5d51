/* SPDX-License-Identifier: ISC */
/*
 * route: from a recipient's address to (transport, nexthop, recipient).
 *
 *   the address      in myorigin where it has no domain; in a domain of our own, a route in its local
 *                    part is followed: a%b@ours is a@b (spec R-9)
 *   its class        gives the transport: local_transport, virtual_transport, relay_transport,
 *                    default_transport. relayhost is where mail of the last two goes, unless their
 *                    setting says where. sender_dependent_default_transport_maps and
 *                    sender_dependent_relayhost_maps have others for some senders
 *   mailbox_transport, fallback_transport   take the place of local_transport for names without an
 *                    alias, or without a user either
 *   transport_maps   may change transport, next hop or both
 *   relocated_maps   turn it into an error that says where the user has gone
 *
 * A transport's name is taken as it stands: whether there is such a transport shows when the message
 * is scheduled. What can never be delivered gets the transport error, with the reason as its next
 * hop.
 *
 * postmaster_route says where mail for <postmaster> without a domain goes: an address
 * ("admin@isp.example", routed as any other), or a result as in a transport table
 * ("smtp:[mail.isp.example]"). Where it is not set and myorigin is not ours, that is TEMP.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "route/mailbox.h"
#include "route/router.h"

struct route {
    char *memory; /* what transport and nexthop point into */
    enum route_class class;
    bool is_of_domain; /* but for tables that have addresses, the domain alone has led to it */
    struct sluice_span transport;
    struct sluice_span nexthop;
    struct mailbox mailbox;       /* the recipient */
    struct sluice_span recipient; /* as it is to be delivered: mailbox.address */
};

#define ROUTE_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

/* True for <postmaster> without a domain, in any case. */
bool route_is_postmaster(const struct mailbox *mailbox);
/*
 * sender: of the message, as in its envelope. OK; TEMP with dsn and text when a table could not be
 * asked or there is no memory. No address is without a route. [task: may wait]
 */
sluice_status route_resolve(const struct router *router, struct sluice_span sender,
                            const struct mailbox *mailbox, int64_t deadline_ms,
                            struct route *ret_route, struct error *err);
/*
 * Who takes a route for mail, asks this in the same scope (task/doubt.h). TEMP with a text: the mail would end there
 * for good, and old answers have led to it.
 */
sluice_status route_check_doubt(const struct route *route, struct error *err);
void route_done(struct route *route);

#endif
