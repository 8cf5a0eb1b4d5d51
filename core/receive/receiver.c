/* SPDX-License-Identifier: ISC */
/*
 * receiver: reading what the sessions share.
 */
#include "receive/receiver.h"

#include "route/table_service.h"

static sluice_status read_restrictions(struct receiver *receiver, const struct config *config,
                                       struct error *err)
{
    const struct restriction_list *lists = receiver->restrictions.lists;
    sluice_status st;

    receiver->restrictions.access = receiver->access;
    st = restrictions_init(&receiver->restrictions, config, err);
    if (st != SLUICE_OK)
        return st;
    /* spec S26: nobody becomes an open relay by an oversight */
    if (!restriction_list_refuses(&lists[RESTRICTIONS_RELAY]) &&
        !restriction_list_refuses(&lists[RESTRICTIONS_RECIPIENT]))
        return error_set(err, SLUICE_CONFIG,
                         "%s: smtpd_relay_restrictions or smtpd_recipient_restrictions must have "
                         "reject_unauth_destination, defer_unauth_destination, reject or defer",
                         config_origin(config, "smtpd_relay_restrictions"));
    return SLUICE_OK;
}

static sluice_status read_lists(struct receiver *receiver, const struct config *config,
                                struct error *err)
{
    sluice_status st = router_init(&receiver->router, config, receiver->tables, err);

    if (st == SLUICE_OK)
        st = rewriter_init(&receiver->rewriter, &receiver->router, config, receiver->tables, err);
    if (st == SLUICE_OK)
        st = recipients_init(&receiver->recipients, config, receiver->tables, err);
    if (st == SLUICE_OK)
        st = domain_list_read(&receiver->mynetworks, receiver->tables, config, "mynetworks",
                              DOMAIN_LIST_NETWORKS, err);
    if (st == SLUICE_OK)
        st = domain_list_read(&receiver->fast_flush_domains, receiver->tables, config,
                              "fast_flush_domains", DOMAIN_LIST_NAMES, err);
    if (st == SLUICE_OK)
        st = domain_list_read(&receiver->limit_exceptions, receiver->tables, config,
                              "smtpd_client_event_limit_exceptions", DOMAIN_LIST_NETWORKS, err);
    return st;
}

sluice_status receiver_init(struct receiver *receiver, const struct config *config,
                            struct error *err)
{
    *receiver = (struct receiver){0};
    sluice_status st = settings_read(&receiver->settings, config, err);
    if (st != SLUICE_OK)
        return st;
    if (tables_new(config, &receiver->tables) != SLUICE_OK ||
        tables_ask_homes(receiver->tables) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "no memory for tables");
    table_service_provide(receiver->tables);
    st = read_lists(receiver, config, err);
    if (st == SLUICE_OK)
        st = access_new(config, &receiver->access, err);
    return st == SLUICE_OK ? read_restrictions(receiver, config, err) : st;
}

void receiver_done(struct receiver *receiver)
{
    restrictions_done(&receiver->restrictions);
    access_free(receiver->access);
    domain_list_done(&receiver->mynetworks);
    domain_list_done(&receiver->fast_flush_domains);
    domain_list_done(&receiver->limit_exceptions);
    recipients_done(&receiver->recipients);
    rewriter_done(&receiver->rewriter);
    router_done(&receiver->router);
    table_service_provide(NULL);
    tables_free(receiver->tables);
    names_done(&receiver->names);
    clients_close(receiver->clients);
    intake_free(receiver->intake);
    *receiver = (struct receiver){0};
}

const struct session_limits *receiver_limits(const struct receiver *receiver)
{
    return &receiver->settings.limits[receiver->is_stressed ? 1 : 0];
}
