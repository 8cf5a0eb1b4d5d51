/* SPDX-License-Identifier: ISC */
/*
 * mailbox: the address in MAIL, RCPT and VRFY, from what a client wrote to what we work with.
 *
 * Lenient where mail in the field needs it (RFC 5321 4.1.2 is the measure): angle brackets may be
 * missing or doubled at the end, a source route is dropped, so is one dot at the end of the domain,
 * and a local part may have dots in odd places. Strict where leniency is dangerous: no control, no
 * 8-bit character, no blank outside of quotes, and the domain is a host name or an address literal.
 */
#ifndef ROUTE_MAILBOX_H
#define ROUTE_MAILBOX_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>

#define MAILBOX_DOMAIN_MAX 255
#define MAILBOX_LABEL_MAX 63

struct mailbox {
    char *memory;               /* what all spans point into */
    struct sluice_span address; /* for the next hop: local part quoted where it must be */
    struct sluice_span plain;   /* the same without quotes: for replies, logs and rules */
    struct sluice_span local;   /* of plain */
    struct sluice_span domain;  /* case kept; an address literal with its brackets; empty: none */
    bool is_routed;             /* the local part has a route of its own: a@b, a%b, b!a */
};

#define MAILBOX_INIT                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

/* path: "<@x:a@b>", "a@b", "<>" (all spans are empty then). PERM: bad syntax; TEMP: no memory. */
sluice_status mailbox_parse(struct sluice_span path, struct mailbox *ret_mailbox);
void mailbox_done(struct mailbox *mailbox);
/* TEMP: no memory. */
sluice_status mailbox_copy(const struct mailbox *mailbox, struct mailbox *ret_copy);
/* Puts the address into that domain if it has none; the null address stays. TEMP: no memory; PERM: that is
 * no domain. */
sluice_status mailbox_complete(struct mailbox *mailbox, const char *domain);

#define MAILBOX_SWAP_BANGPATH (1u << 0) /* "site!user" is user@site */
#define MAILBOX_PERCENT_HACK (1u << 1)  /* "user%site" is user@site */

/*
 * The address that the local part is, once whoever is responsible for the domain takes that off: of
 * "a@b"@domain, b!a@domain, a%b@domain it is a@b. NOT_FOUND: it has no such route; PERM: what it has is no
 * address; TEMP: no memory.
 */
sluice_status mailbox_unwrap(const struct mailbox *mailbox, unsigned flags,
                             struct mailbox *ret_mailbox);

/* Adds a plain local part to out, in quotes where it must have them. */
void mailbox_quote_local(struct sluice_span local, struct buffer *out);

/* A host name: letters, digits, - and _ in labels, not all digits and dots. */
bool mailbox_is_host_name(struct sluice_span domain);
/* "[192.0.2.1]", "[IPv6:2001:db8::1]". */
bool mailbox_is_literal(struct sluice_span domain);

#endif
