/* SPDX-License-Identifier: ISC */
#include "deliver/routes.h"

#include <stdlib.h>

struct routes {
    struct tables *tables;
    struct router router;
};

sluice_status routes_open(const struct config *config, struct routes **ret_routes,
                          struct error *err)
{
    struct routes *routes = calloc(1, sizeof(*routes));
    sluice_status st;

    if (routes == NULL || tables_new(config, &routes->tables) != SLUICE_OK) {
        free(routes);
        return error_set(err, SLUICE_TEMP, "no memory for tables");
    }
    st = router_init(&routes->router, config, routes->tables, err);
    if (st != SLUICE_OK) {
        routes_close(routes);
        return st;
    }
    *ret_routes = routes;
    return SLUICE_OK;
}

void routes_close(struct routes *routes)
{
    if (routes == NULL)
        return;
    router_done(&routes->router);
    tables_free(routes->tables);
    free(routes);
}

sluice_status routes_find(const struct routes *routes, struct sluice_span address,
                          int64_t deadline_ms, struct route *ret_route, struct error *err)
{
    struct mailbox mailbox = MAILBOX_INIT;
    sluice_status st = mailbox_parse(address, &mailbox);

    if (st == SLUICE_OK && mailbox.address.len == 0)
        st = SLUICE_PERM;
    if (st != SLUICE_OK)
        (void)error_set_dsn(err, st, st == SLUICE_PERM ? "5.1.3" : "4.3.0", "%s",
                            st == SLUICE_PERM ? "bad address syntax" : "out of memory");
    else
        st = route_resolve(&routes->router, &mailbox, deadline_ms, ret_route, err);
    mailbox_done(&mailbox);
    return st;
}
