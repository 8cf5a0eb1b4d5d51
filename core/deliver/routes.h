/* SPDX-License-Identifier: ISC */
/*
 * routes: from an address to where it goes now, as receive does it at RCPT (core/route), for mail
 * that deliver makes or that is in the queue already.
 */
#ifndef DELIVER_ROUTES_H
#define DELIVER_ROUTES_H

#include "config/config.h"
#include "route/rewrite.h"
#include "route/route.h"
#include "route/table.h"

struct routes;

/* config and tables must stay. CONFIG or TEMP with a text. [main] */
sluice_status routes_open(const struct config *config, struct tables *tables,
                          struct routes **ret_routes, struct error *err);
void routes_close(struct routes *routes); /* accepts NULL */

/*
 * For queued mail from sender. OK: route_done(ret_route) afterwards; PERM: that is no address; TEMP with dsn and
 * text: also where any table has but an old answer (task/doubt.h). Such mail has a route already, on which it waits
 * at worst; from where a wrong one leads it does not come back. [task: may wait]
 */
sluice_status routes_find(const struct routes *routes, struct sluice_span sender,
                          struct sluice_span address, int64_t deadline_ms, struct route *ret_route,
                          struct error *err);
/* As router_goes_by_domain. [task] */
bool routes_go_by_domain(const struct routes *routes);
/* As router_table_state. [task] */
sluice_status routes_table_state(const struct routes *routes, struct table_state *ret_state);

/* Of one address. Zero it to initialise. */
struct route_list {
    struct route *items;
    size_t count;
};

/* All that the address stands for (core/route/rewrite.h), for mail that is made here, and so has no
 * sender; answers as routes_find. [task: may wait] */
sluice_status routes_expand(const struct routes *routes, struct sluice_span address,
                            int64_t deadline_ms, struct route_list *ret_list, struct error *err);
void route_list_done(struct route_list *list);

#endif
