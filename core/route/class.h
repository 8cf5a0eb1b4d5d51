/* SPDX-License-Identifier: ISC */
/*
 * class: what a domain is to us; the first list that has it says so (spec R-1). Postfix's
 * ADDRESS_CLASS_README.
 */
#ifndef ROUTE_CLASS_H
#define ROUTE_CLASS_H

#include "route/domain_list.h"

enum route_class {
    ROUTE_LOCAL,           /* mydestination, and literals of our own addresses */
    ROUTE_VIRTUAL_ALIAS,   /* virtual_alias_domains: every address is an alias or unknown */
    ROUTE_VIRTUAL_MAILBOX, /* virtual_mailbox_domains */
    ROUTE_RELAY,           /* relay_domains */
    ROUTE_DEFAULT,         /* any other: not ours */
};

#define ROUTE_CLASS_COUNT (ROUTE_DEFAULT + 1)

/* Public so that tests can fill it in. */
struct route_classes {
    struct domain_list domains[ROUTE_DEFAULT]; /* by class */
    struct address *own;                       /* our addresses, proxies' included */
    size_t own_count;
};

/* "relay_domains": what lists the domains of the class; NULL for ROUTE_DEFAULT. */
const char *route_class_parameter(enum route_class class);

/* "local", "virtual_alias", "virtual_mailbox", "relay", "default" */
const char *route_class_name(enum route_class class);

/* From the configuration, which must stay; tables too. CONFIG or TEMP with a text. [main] */
sluice_status route_classes_init(struct route_classes *classes, const struct config *config,
                                 struct tables *tables, struct error *err);
void route_classes_done(struct route_classes *classes);

/* OK, or TEMP with a text when a table could not be asked. [task: may wait] */
sluice_status route_classes_find(const struct route_classes *classes, struct sluice_span domain,
                                 int64_t deadline_ms, enum route_class *ret_class,
                                 struct error *err);

/* True for an address of ours: "[192.0.2.1]". */
bool route_classes_own_literal(const struct route_classes *classes, struct sluice_span domain);

#endif
