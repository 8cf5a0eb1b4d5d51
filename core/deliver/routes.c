/* SPDX-License-Identifier: ISC */
#include "deliver/routes.h"

#include "task/doubt.h"

#include <stdlib.h>

struct routes {
    struct router router;
    struct rewriter rewriter;
};

sluice_status routes_open(const struct config *config, struct tables *tables,
                          struct routes **ret_routes, struct error *err)
{
    struct routes *routes = calloc(1, sizeof(*routes));
    sluice_status st;

    if (routes == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    st = router_init(&routes->router, config, tables, err);
    if (st == SLUICE_OK)
        st = rewriter_init(&routes->rewriter, &routes->router, config, tables, err);
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
    rewriter_done(&routes->rewriter);
    router_done(&routes->router);
    free(routes);
}

static sluice_status parse(struct sluice_span address, struct mailbox *mailbox, struct error *err)
{
    sluice_status st = mailbox_parse(address, mailbox);

    if (st == SLUICE_OK && mailbox->address.len > 0)
        return SLUICE_OK;
    if (st == SLUICE_TEMP)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    return error_set_dsn(err, SLUICE_PERM, "5.1.3", "bad address syntax");
}

sluice_status routes_find(const struct routes *routes, struct sluice_span sender,
                          struct sluice_span address, int64_t deadline_ms, struct route *ret_route,
                          struct error *err)
{
    struct mailbox mailbox = MAILBOX_INIT;
    sluice_status st = parse(address, &mailbox, err);
    struct doubt doubt;

    doubt_begin(&doubt);
    if (st == SLUICE_OK)
        st = route_resolve(&routes->router, sender, &mailbox, deadline_ms, ret_route, err);
    mailbox_done(&mailbox);
    if (doubt_end(&doubt) == NULL || st != SLUICE_OK)
        return st;
    route_done(ret_route);
    return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "%s gives no answer, and old ones move no mail",
                         doubt.about);
}

bool routes_go_by_domain(const struct routes *routes)
{
    return router_goes_by_domain(&routes->router);
}

sluice_status routes_table_state(const struct routes *routes, struct table_state *ret_state)
{
    return router_table_state(&routes->router, ret_state);
}

/* ---- mail that is made here ------------------------------------------------------------------ */

void route_list_done(struct route_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        route_done(&list->items[i]);
    free(list->items);
    *list = (struct route_list){0};
}

static sluice_status resolve_all(const struct routes *routes, const struct mailbox *mailboxes,
                                 size_t count, int64_t deadline_ms, struct route_list *list,
                                 struct error *err)
{
    sluice_status st = SLUICE_OK;

    list->items = calloc(count, sizeof(*list->items));
    if (list->items == NULL)
        return error_set_dsn(err, SLUICE_TEMP, "4.3.0", "out of memory");
    for (; st == SLUICE_OK && list->count < count; list->count++) {
        st = route_resolve(&routes->router, SPAN_EMPTY, &mailboxes[list->count], deadline_ms,
                           &list->items[list->count], err);
        if (st == SLUICE_OK)
            st = route_check_doubt(&list->items[list->count], err);
    }
    return st;
}

static sluice_status expand(const struct routes *routes, struct sluice_span address,
                            int64_t deadline_ms, struct route_list *ret_list, struct error *err)
{
    struct mailbox mailbox = MAILBOX_INIT;
    struct mailbox_list aliases = {0};
    struct route_list list = {0};
    sluice_status st = parse(address, &mailbox, err);

    if (st == SLUICE_OK)
        st = rewrite_recipient(&routes->rewriter, &mailbox, deadline_ms, &aliases, err);
    if (st == SLUICE_OK)
        st = resolve_all(routes, aliases.items, aliases.count, deadline_ms, &list, err);
    else if (st == SLUICE_NOT_FOUND)
        st = resolve_all(routes, &mailbox, 1, deadline_ms, &list, err);
    mailbox_list_done(&aliases);
    mailbox_done(&mailbox);
    if (st == SLUICE_OK)
        *ret_list = list;
    else
        route_list_done(&list);
    return st;
}

sluice_status routes_expand(const struct routes *routes, struct sluice_span address,
                            int64_t deadline_ms, struct route_list *ret_list, struct error *err)
{
    struct doubt doubt;

    doubt_begin(&doubt);
    sluice_status st = expand(routes, address, deadline_ms, ret_list, err);
    (void)doubt_end(&doubt);
    return st;
}
