/* SPDX-License-Identifier: ISC */
/* router: see router.h. */
#include "route/router.h"

#include "base/span.h"

/* ---- configuration --------------------------------------------------------------------------- */

/* What nobody asks is not opened either. */
static sluice_status read_tables(struct router *router, const struct config *config,
                                 struct tables *tables, struct error *err)
{
    bool has_mailbox = router->mailbox_transport[0] != '\0';
    bool has_fallback = !has_mailbox && router->fallback_transport[0] != '\0';
    const struct {
        const char *parameter;
        struct table_list *maps;
        bool is_asked;
    } lists[] = {
        {"transport_maps", &router->transport_maps, true},
        {"relocated_maps", &router->relocated_maps, true},
        {"sender_dependent_default_transport_maps", &router->sender_transports.tables, true},
        {"sender_dependent_relayhost_maps", &router->sender_relayhosts.tables, true},
        {"alias_maps", &router->alias_maps, has_mailbox || has_fallback},
        {"local_users", &router->users, has_fallback},
    };
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (lists[i].is_asked)
            st = table_list_read(lists[i].maps, tables, config, lists[i].parameter, err);
    }
    return st;
}

sluice_status router_init(struct router *router, const struct config *config, struct tables *tables,
                          struct error *err)
{
    *router = (struct router){
        .transports = {[ROUTE_LOCAL] = config_text(config, "local_transport"),
                       [ROUTE_VIRTUAL_MAILBOX] = config_text(config, "virtual_transport"),
                       [ROUTE_RELAY] = config_text(config, "relay_transport"),
                       [ROUTE_DEFAULT] = config_text(config, "default_transport")},
        .mailbox_transport = config_text(config, "mailbox_transport"),
        .fallback_transport = config_text(config, "fallback_transport"),
        .relayhost = config_text(config, "relayhost"),
        .transport_maps_with_parents = domain_list_parents_match(config, "transport_maps"),
        .myorigin = config_text(config, "myorigin"),
        .postmaster_route = config_text(config, "postmaster_route"),
        .recipient_delimiter = config_text(config, "recipient_delimiter"),
        /* Spec R-21: no part of an address says where its mail goes. */
        .transport_maps.sink_flags = SLUICE_SINK_NO_SUBSTITUTION,
        .sender_transports = {.tables.sink_flags = SLUICE_SINK_NO_SUBSTITUTION,
                              .null_key = config_text(
                                  config, "empty_address_default_transport_maps_lookup_key")},
        .sender_relayhosts = {.tables.sink_flags = SLUICE_SINK_NO_SUBSTITUTION,
                              .null_key = config_text(
                                  config, "empty_address_relayhost_maps_lookup_key")},
        .hides_tables = !config_flag(config, "show_user_unknown_table_name"),
    };
    if (config_flag(config, "swap_bangpath"))
        router->unwrap |= MAILBOX_SWAP_BANGPATH;
    if (config_flag(config, "allow_percent_hack"))
        router->unwrap |= MAILBOX_PERCENT_HACK;
    sluice_status st = route_classes_init(&router->classes, config, tables, err);
    return st == SLUICE_OK ? read_tables(router, config, tables, err) : st;
}

void router_done(struct router *router)
{
    route_classes_done(&router->classes);
    table_list_done(&router->transport_maps);
    table_list_done(&router->relocated_maps);
    table_list_done(&router->alias_maps);
    table_list_done(&router->users);
    table_list_done(&router->sender_transports.tables);
    table_list_done(&router->sender_relayhosts.tables);
}

/* ---- all routes ------------------------------------------------------------------------------ */

bool router_is_bare(const struct router *router, struct sluice_span domain, enum route_class class)
{
    return class == ROUTE_LOCAL || span_equal_case(domain, sluice_span_of(router->myorigin));
}

static bool may_have_addresses(const struct table_list *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        if (table_may_have_addresses(maps->tables[i]))
            return true;
    }
    return false;
}

bool router_goes_by_domain(const struct router *router)
{
    return !may_have_addresses(&router->transport_maps) &&
           !may_have_addresses(&router->relocated_maps);
}

sluice_status router_table_state(const struct router *router, struct table_state *ret_state)
{
    const struct table_list *const lists[] = {
        &router->transport_maps,
        &router->relocated_maps,
        &router->sender_transports.tables,
        &router->sender_relayhosts.tables,
        &router->alias_maps,
        &router->users,
    };
    struct table_state state = TABLE_STATE_INIT;
    sluice_status st = SLUICE_OK;

    for (int i = 0; st == SLUICE_OK && i < ROUTE_DEFAULT; i++)
        st = domain_list_add_state(&router->classes.domains[i], &state);
    for (size_t i = 0; st == SLUICE_OK && i < sizeof(lists) / sizeof(lists[0]); i++)
        st = table_state_add_list(&state, lists[i]);
    if (st == SLUICE_OK)
        *ret_state = state;
    return st;
}
