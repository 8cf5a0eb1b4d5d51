/* SPDX-License-Identifier: ISC */
/*
 * router: the parameters and tables that routes come from (route.h), and what is known of all routes
 * at once.
 */
#ifndef ROUTE_ROUTER_H
#define ROUTE_ROUTER_H

#include "route/class.h"
#include "route/mailbox.h"
#include "route/table.h"

/* Tables of what replaces a parameter for some senders. */
struct sender_maps {
    struct table_list tables;
    const char *null_key; /* what a null sender is looked up as */
};

/* Public so that tests can fill it in; the texts are borrowed. */
struct router {
    struct route_classes classes;
    const char *transports[ROUTE_CLASS_COUNT]; /* "relay", "relay:[host]"; none of virtual aliases */
    const char *relayhost;                     /* empty: none */
    struct sender_maps sender_transports;      /* instead of that of ROUTE_DEFAULT */
    struct sender_maps sender_relayhosts;
    struct table_list transport_maps;
    bool transport_maps_with_parents; /* named in parent_domain_matches_subdomains */
    struct table_list relocated_maps;
    const char *mailbox_transport;  /* of local addresses that alias_maps do not have; empty: theirs */
    const char *fallback_transport; /* of those that are no users either; empty: theirs */
    struct table_list alias_maps; /* only where one of the two is set */
    struct table_list users;      /* only where fallback_transport alone is */
    const char *myorigin;
    const char *postmaster_route;    /* empty: not set */
    const char *recipient_delimiter; /* empty: addresses have no extension */
    unsigned unwrap;                 /* MAILBOX_SWAP_BANGPATH, MAILBOX_PERCENT_HACK */
    bool hides_tables;               /* in texts: no on show_user_unknown_table_name */
};

/* From the configuration, which must stay; tables too. CONFIG or TEMP with a text. [main] */
sluice_status router_init(struct router *router, const struct config *config, struct tables *tables,
                          struct error *err);
void router_done(struct router *router);

/* Whether a user of that domain, which is of that class, can be named without it. */
bool router_is_bare(const struct router *router, struct sluice_span domain, enum route_class class);
/* True if it is certain that no table tells addresses of one domain apart, now: then a route that
 * is_of_domain has the transport and next hop of all of its domain. [task] */
bool router_goes_by_domain(const struct router *router);
/* What all tables that routes come from have now. TEMP: one cannot be asked. [task] */
sluice_status router_table_state(const struct router *router, struct table_state *ret_state);

#endif
