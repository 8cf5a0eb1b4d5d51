/* SPDX-License-Identifier: ISC */
/*
 * addresses: a list of hosts' addresses in the order in which they will be tried. Pure: no DNS.
 */
#ifndef MX_ADDRESSES_H
#define MX_ADDRESSES_H

#include "destination.h"

#include <netinet/in.h>

#define ADDRESSES_MAX 100 /* of one destination; strangers' DNS may hold any number */

/* An address in one form: IPv4 as ::ffff:a.b.c.d. */
struct address {
    struct in6_addr binary;
};

struct host_address {
    char name[DESTINATION_NAME_MAX + 1]; /* of the host */
    struct address address;
    int is_backup; /* the destination has better hosts */
};

struct address_list {
    size_t count;
    struct host_address list[ADDRESSES_MAX];
};

/* TEMP if it is not numeric. Brackets around it and a zone behind it ("fe80::1%eth0") are fine. */
sluice_status address_parse(struct sluice_span text, struct address *ret_address);
void address_format(const struct address *address, char text[INET6_ADDRSTRLEN]);
int address_is_v4(const struct address *address);
int address_is_unspecified(const struct address *address); /* 0.0.0.0 and :: */
int address_equals(const struct address *a, const struct address *b);

/* At the end; what is over ADDRESSES_MAX is left out. The same address of two hosts is two entries,
 * as in Postfix: each counts for smtp_mx_address_limit. */
void addresses_add(struct address_list *list, struct sluice_span name,
                   const struct address *address);

/* A random order of what stands from first on. *random is the generator's state, not 0. */
void addresses_shuffle(struct address_list *list, size_t first, uint64_t *random);

/* Those of one family before the others, from first on, else in their order. */
void addresses_put_first(struct address_list *list, size_t first, int is_v4);

/* Cuts the list to limit (0: none), keeping the order, and both families where there are both: each
 * has up to half of the places, or an outage of one would hide the other. */
void addresses_limit(struct address_list *list, size_t limit);

#endif /* MX_ADDRESSES_H */
