/* SPDX-License-Identifier: ISC */
/*
 * rules: see rules.h.
 */
#include "config/rules.h"

#include "base/span.h"
#include "config/table_name.h"
#include "net/address.h"
#include "sluice/lookup.h"
#include "sluice/transport.h"

#include <string.h>

static bool has_item(const struct value *list, const char *wanted)
{
    for (size_t i = 0; i < list->item_count; i++) {
        if (span_equal_case(sluice_span_of(list->items[i]), sluice_span_of(wanted)))
            return true;
    }
    return false;
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    size_t i = 0;

    while (i < count && strcmp(words[i], word) != 0)
        i++;
    return i < count;
}

/* Where the item of that list was written. */
static struct place place_of(struct draft *draft, const char *name, const char *item)
{
    return draft_item_place(draft_parameter(draft, name), item);
}

static const struct value *value_of(struct draft *draft, const char *name)
{
    return &draft_parameter(draft, name)->value;
}

static bool is_table(struct draft *draft, const char *item)
{
    return draft_instance_find(draft, SLUICE_LOOKUP_ID, table_name_plain(item)) != NULL;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static void check_listen(struct draft *draft)
{
    const struct value *listen = value_of(draft, "listen");

    if (listen->item_count == 0 && listen->is_set)
        report_error(&draft->report, draft_place(draft, "listen"),
                     "listen: it is empty, no mail could be received");
    for (size_t i = 0; i < listen->item_count; i++) {
        struct error err = ERROR_INIT;
        struct address address;

        if (address_parse_listen(sluice_span_of(listen->items[i]), &address, &err) != SLUICE_OK)
            report_error(&draft->report, place_of(draft, "listen", listen->items[i]), "listen: %s",
                         err.text);
    }
}

static void check_metrics_listen(struct draft *draft)
{
    const char *text = value_of(draft, "metrics_listen")->text;
    struct error err = ERROR_INIT;
    struct address address;

    if (text != NULL && text[0] != '\0' &&
        address_parse_listen(sluice_span_of(text), &address, &err) != SLUICE_OK)
        report_error(&draft->report, draft_place(draft, "metrics_listen"), "metrics_listen: %s",
                     err.text);
}

static bool is_address(const char *item)
{
    struct sluice_span text = sluice_span_of(item);
    struct address address;

    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = span_first(span_skip(text, 1), text.len - 2);
    return address_parse(text, 0, &address) == SLUICE_OK;
}

static void check_addresses(struct draft *draft, const char *name, bool has_words)
{
    const struct value *list = value_of(draft, name);

    for (size_t i = 0; i < list->item_count; i++) {
        const char *item = list->items[i];
        bool is_word = strcmp(item, "all") == 0 || strcmp(item, "loopback-only") == 0 ||
                       strcmp(item, "localhost") == 0;

        if (!is_address(item) && !(has_words && is_word))
            report_error(&draft->report, place_of(draft, name, item), "%s: \"%s\" is no address",
                         name, item);
    }
}

static void check_protocols(struct draft *draft)
{
    static const char *const words[] = {"all", "ipv4", "ipv6"};
    const struct value *list = value_of(draft, "inet_protocols");

    if (list->item_count == 0 && list->is_set)
        report_error(&draft->report, draft_place(draft, "inet_protocols"),
                     "inet_protocols: it is empty, no mail could be sent");
    for (size_t i = 0; i < list->item_count; i++) {
        if (!is_one_of(list->items[i], words, sizeof(words) / sizeof(words[0])))
            report_error(&draft->report, place_of(draft, "inet_protocols", list->items[i]),
                         "inet_protocols: \"%s\" is none of all, ipv4, ipv6", list->items[i]);
    }
}

/* A table, a file of networks, or a network. */
static void check_networks(struct draft *draft, const char *name)
{
    const struct value *list = value_of(draft, name);

    for (size_t i = 0; i < list->item_count; i++) {
        const char *item = list->items[i] + (list->items[i][0] == '!' ? 1 : 0);
        struct error err = ERROR_INIT;
        struct network network;

        if (item[0] == '/' || is_table(draft, item))
            continue;
        if (network_parse(sluice_span_of(item), &network, &err) != SLUICE_OK)
            report_error(&draft->report, place_of(draft, name, list->items[i]), "%s: %s", name,
                         err.text);
    }
}

/* ---- tables --------------------------------------------------------------------------------- */

/* In lists that have nothing but tables. */
static void check_maps(struct draft *draft)
{
    for (size_t i = 0; i < draft->parameter_count; i++) {
        const struct draft_parameter *parameter = &draft->parameters[i];
        const struct value *list = &parameter->value;
        const char *name = parameter->option->key;

        if (!span_ends_case(sluice_span_of(name), SPAN_LITERAL("_maps")))
            continue;
        for (size_t j = 0; j < list->item_count; j++) {
            if (!is_table(draft, list->items[j]))
                report_error(&draft->report, draft_item_place(parameter, list->items[j]),
                             "%s: wants a table, type:name, not \"%s\"", name, list->items[j]);
        }
    }
}

/* ---- transports ----------------------------------------------------------------------------- */

/* The parameter is transport or transport:nexthop; one that is empty by default may be empty. */
static void check_transport(struct draft *draft, const char *name)
{
    const struct draft_parameter *parameter = draft_parameter(draft, name);
    const char *text = parameter->value.text;
    const char *transport;

    if (text == NULL || !parameter->value.is_named ||
        (text[0] == '\0' && parameter->option->fallback[0] == '\0'))
        return;
    transport = arena_printf(&draft->arena, "%.*s", (int)strcspn(text, ":"), text);
    if (draft_instance_find(draft, SLUICE_TRANSPORT_ID, transport) == NULL)
        report_error(&draft->report, draft_place(draft, name), "%s: there is no transport \"%s\"",
                     name, transport);
}

static void check_deferred(struct draft *draft)
{
    const struct value *list = value_of(draft, "defer_transports");

    for (size_t i = 0; i < list->item_count; i++) {
        if (draft_instance_find(draft, SLUICE_TRANSPORT_ID, list->items[i]) == NULL)
            report_warning(&draft->report, place_of(draft, "defer_transports", list->items[i]),
                           "defer_transports: there is no transport \"%s\"", list->items[i]);
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

static bool is_host_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

    return len > 0 && name[len] == '\0' && name[0] != '.' && name[0] != '-' &&
           name[len - 1] != '.' && strstr(name, "..") == NULL;
}

static void check_names(struct draft *draft)
{
    const char *hostname = value_of(draft, "myhostname")->text;

    if (hostname != NULL && !is_host_name(hostname))
        report_error(&draft->report, draft_place(draft, "myhostname"),
                     "myhostname: \"%s\" is no host name", hostname);
    else if (hostname != NULL && strchr(hostname, '.') == NULL)
        report_warning(&draft->report, draft_place(draft, "myhostname"),
                       "myhostname: \"%s\" has no domain", hostname);
}

static void check_error_limits(struct draft *draft)
{
    const struct value *soft = value_of(draft, "smtpd_soft_error_limit");
    const struct value *hard = value_of(draft, "smtpd_hard_error_limit");

    if (soft->is_set && hard->is_set && soft->number > hard->number)
        report_warning(&draft->report, draft_place(draft, soft->is_named ? soft->key : hard->key),
                       "smtpd_soft_error_limit is more than smtpd_hard_error_limit and has no "
                       "effect");
}

/* A domain is of the first class that has it (spec R-1): "Do not list the backed-up domain in
 * mydestination", or its mail would never be relayed. */
static void check_domains(struct draft *draft)
{
    static const char *const lists[] = {"mydestination", "virtual_alias_domains",
                                        "virtual_mailbox_domains", "relay_domains"};
    const size_t count = sizeof(lists) / sizeof(lists[0]);

    for (size_t later = 1; later < count; later++) {
        const struct value *list = value_of(draft, lists[later]);

        for (size_t i = 0; i < list->item_count; i++) {
            const char *item = list->items[i];
            size_t first = 0;

            while (first < later && !has_item(value_of(draft, lists[first]), item))
                first++;
            if (first < later && !is_table(draft, item))
                report_warning(&draft->report, place_of(draft, lists[later], item),
                               "do not list domain %s in BOTH %s and %s", item, lists[first],
                               lists[later]);
        }
    }
}

/* Every client would be trusted. */
static void check_open_networks(struct draft *draft)
{
    const struct value *list = value_of(draft, "mynetworks");

    if (has_item(list, "0.0.0.0/0") || has_item(list, "[::]/0") || has_item(list, "::/0"))
        report_warning(&draft->report, draft_place(draft, "mynetworks"),
                       "mynetworks has the whole internet: with permit_mynetworks this is an open "
                       "relay");
}

static void check_notify_classes(struct draft *draft)
{
    static const char *const ours[] = {"bounce", "2bounce", "delay"};
    static const char *const idle[] = {"data", "policy", "protocol", "resource", "software"};
    const struct value *list = value_of(draft, "notify_classes");

    for (size_t i = 0; i < list->item_count; i++) {
        struct place place = place_of(draft, "notify_classes", list->items[i]);

        if (is_one_of(list->items[i], ours, sizeof(ours) / sizeof(ours[0])))
            continue;
        if (!is_one_of(list->items[i], idle, sizeof(idle) / sizeof(idle[0])))
            report_error(&draft->report, place, "notify_classes: there is no class \"%s\"",
                         list->items[i]);
        else if (list->is_named)
            report_warning(&draft->report, place, "notify_classes: %s has no effect",
                           list->items[i]);
    }
}

void rules_check(struct draft *draft)
{
    check_names(draft);
    check_listen(draft);
    check_metrics_listen(draft);
    check_addresses(draft, "inet_interfaces", true);
    check_protocols(draft);
    check_addresses(draft, "proxy_interfaces", false);
    check_networks(draft, "mynetworks");
    check_networks(draft, "permit_mx_backup_networks");
    check_open_networks(draft);
    check_maps(draft);
    check_transport(draft, "local_transport");
    check_transport(draft, "virtual_transport");
    check_transport(draft, "mailbox_transport");
    check_transport(draft, "fallback_transport");
    check_transport(draft, "relay_transport");
    check_transport(draft, "default_transport");
    check_transport(draft, "best_mx_transport");
    check_deferred(draft);
    check_domains(draft);
    check_error_limits(draft);
    check_notify_classes(draft);
}

/* ---- with the options of plugins ------------------------------------------------------------- */

/* "Do not use the fallback_relay feature when relaying mail for a backup or primary MX domain": who is
 * none of its mail exchangers sends it back to us. */
static void check_fallback(struct draft *draft, const char *relay)
{
    static const char *const keys[] = {"smtp_fallback_relay", "fallback_relay"};
    const struct draft_instance *transport =
        draft_instance_find(draft, SLUICE_TRANSPORT_ID, relay);
    const struct value *fallback = NULL;

    for (size_t i = 0; transport != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (fallback == NULL || !fallback->is_set)
            fallback = draft_instance_value(transport, keys[i]);
    }
    if (fallback != NULL && fallback->item_count > 0)
        report_warning(&draft->report, draft_error_place(draft, transport, fallback->key),
                       "transport %s has a fallback relay: mail to relay_domains would loop between it "
                       "and this machine while its destination is not there",
                       relay);
}

void rules_check_settled(struct draft *draft)
{
    const char *relay = value_of(draft, "relay_transport")->text;

    if (relay != NULL && value_of(draft, "relay_domains")->item_count > 0)
        check_fallback(draft, arena_printf(&draft->arena, "%.*s", (int)strcspn(relay, ":"), relay));
}
