/* SPDX-License-Identifier: ISC */
/*
 * rewrite: the addresses that stand in for the one that a client gave.
 *
 *   canonical_maps       one address for another, in the envelope; before them sender_canonical_maps
 *                        or recipient_canonical_maps. Asked again with what they give, until they
 *                        have nothing more to say
 *   virtual_alias_maps   any number of addresses for a recipient, of whatever domain; each of them is
 *                        looked up, too
 *
 * A result without a domain is in myorigin; "@domain" keeps the local part. An extension that the key
 * was without is put into the results where propagate_unmatched_extensions says so. The header of a
 * message is not touched.
 */
#ifndef ROUTE_REWRITE_H
#define ROUTE_REWRITE_H

#include "route/route.h"

/* Public so that tests can fill it in. */
struct rewriter {
    const struct router *router;
    struct table_list sender_canonical_maps;
    struct table_list recipient_canonical_maps;
    struct table_list canonical_maps;
    bool is_canonical_for_senders; /* canonical_classes */
    bool is_canonical_for_recipients;
    struct table_list virtual_alias_maps;
    bool propagates_canonical; /* propagate_unmatched_extensions */
    bool propagates_virtual;
    size_t expansion_limit; /* virtual_alias_..._limit: addresses */
    size_t recursion_limit; /* tables asked one after the other */
    size_t address_limit;   /* bytes */
};

/* Addresses, owned. Zero it to initialise. */
struct mailbox_list {
    struct mailbox *items;
    size_t count;
};

void mailbox_list_done(struct mailbox_list *list);

/* From the configuration, which must stay; router and tables too. CONFIG or TEMP. [main] */
sluice_status rewriter_init(struct rewriter *rewriter, const struct router *router,
                            const struct config *config, struct tables *tables, struct error *err);
void rewriter_done(struct rewriter *rewriter);

/* NOT_FOUND: it stays as it is, and *ret_sender is not touched. TEMP with dsn and text: a table could
 * not be asked, or has what is no address. [task: may wait] */
sluice_status rewrite_sender(const struct rewriter *rewriter, const struct mailbox *sender,
                             int64_t deadline_ms, struct mailbox *ret_sender, struct error *err);
/* The same for a recipient, of which there may be several then, each once. */
sluice_status rewrite_recipient(const struct rewriter *rewriter, const struct mailbox *recipient,
                                int64_t deadline_ms, struct mailbox_list *ret_recipients,
                                struct error *err);

#endif
