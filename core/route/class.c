/* SPDX-License-Identifier: ISC */
/* class: see class.h. */
#include "route/class.h"

#include "base/span.h"

#include <stdlib.h>

static const char *const parameters[ROUTE_DEFAULT] = {
    [ROUTE_LOCAL] = "mydestination",
    [ROUTE_VIRTUAL_ALIAS] = "virtual_alias_domains",
    [ROUTE_VIRTUAL_MAILBOX] = "virtual_mailbox_domains",
    [ROUTE_RELAY] = "relay_domains",
};

const char *route_class_parameter(enum route_class class)
{
    return class < ROUTE_DEFAULT ? parameters[class] : NULL;
}

const char *route_class_name(enum route_class class)
{
    static const char *const names[ROUTE_CLASS_COUNT] = {
        [ROUTE_LOCAL] = "local",
        [ROUTE_VIRTUAL_ALIAS] = "virtual_alias",
        [ROUTE_VIRTUAL_MAILBOX] = "virtual_mailbox",
        [ROUTE_RELAY] = "relay",
        [ROUTE_DEFAULT] = "default",
    };

    return names[class];
}

/* spec R-8: only relay_domains can mean sub-domains. */
static enum domain_list_kind kind_of(enum route_class class)
{
    return class == ROUTE_RELAY ? DOMAIN_LIST_NAMES : DOMAIN_LIST_EXACT_NAMES;
}

static sluice_status read_own(struct route_classes *classes, const struct config *config,
                              struct error *err)
{
    size_t count = config_count(config, "own_addresses");

    classes->own = calloc(count + 1, sizeof(*classes->own));
    if (classes->own == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for addresses");
    for (size_t i = 0; i < count; i++) {
        const char *text = config_item(config, "own_addresses", i);
        if (address_parse(sluice_span_of(text), 0, &classes->own[classes->own_count]) == SLUICE_OK)
            classes->own_count++;
    }
    return SLUICE_OK;
}

sluice_status route_classes_init(struct route_classes *classes, const struct config *config,
                                 struct tables *tables, struct error *err)
{
    *classes = (struct route_classes){0};
    sluice_status st = read_own(classes, config, err);
    for (int i = 0; st == SLUICE_OK && i < ROUTE_DEFAULT; i++)
        st = domain_list_read(&classes->domains[i], tables, config, parameters[i], kind_of(i), err);
    return st;
}

void route_classes_done(struct route_classes *classes)
{
    for (int i = 0; i < ROUTE_DEFAULT; i++)
        domain_list_done(&classes->domains[i]);
    free(classes->own);
    classes->own = NULL;
    classes->own_count = 0;
}

bool route_classes_own_literal(const struct route_classes *classes, struct sluice_span domain)
{
    struct address address;

    if (domain.len < 3 || domain.ptr[0] != '[')
        return false;
    if (address_parse(span_first(span_skip(domain, 1), domain.len - 2), 0, &address) != SLUICE_OK)
        return false;
    for (size_t i = 0; i < classes->own_count; i++) {
        if (address_equal(&classes->own[i], &address))
            return true;
    }
    return false;
}

sluice_status route_classes_find(const struct route_classes *classes, struct sluice_span domain,
                                 int64_t deadline_ms, enum route_class *ret_class,
                                 struct error *err)
{
    *ret_class = ROUTE_LOCAL;
    if (route_classes_own_literal(classes, domain))
        return SLUICE_OK;
    for (int i = 0; i < ROUTE_DEFAULT; i++) {
        sluice_status st = domain_list_match(&classes->domains[i], domain, deadline_ms, err);
        *ret_class = (enum route_class)i;
        if (st != SLUICE_NOT_FOUND)
            return st;
    }
    *ret_class = ROUTE_DEFAULT;
    return SLUICE_OK;
}
