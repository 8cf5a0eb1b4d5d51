/* SPDX-License-Identifier: ISC */
/*
 * recipients: whether a recipient of ours exists: local_recipient_maps, virtual_alias_maps,
 * virtual_mailbox_maps, relay_recipient_maps (spec ). What a table has as
 * value does not count; a class without tables has every address.
 */
#ifndef ROUTE_RECIPIENTS_H
#define ROUTE_RECIPIENTS_H

#include "route/route.h"

/* Public so that tests can fill it in. */
struct recipients {
    struct table_list maps[ROUTE_DEFAULT]; /* by class */
    const char *double_bounce_sender;
};

/* From the configuration, which must stay; tables too. CONFIG or TEMP with a text. [main] */
sluice_status recipients_init(struct recipients *recipients, const struct config *config,
                              struct tables *tables, struct error *err);
void recipients_done(struct recipients *recipients);

/* OK; NOT_FOUND: unknown; TEMP with a text if a table could not be asked. [task: may wait] */
sluice_status recipients_find(const struct recipients *recipients, const struct router *router,
                              const struct route *route, int64_t deadline_ms, struct error *err);

/* "relay recipient table": where the recipients of that class are; NULL for ROUTE_DEFAULT. */
const char *recipients_table_of(enum route_class class);

#endif
