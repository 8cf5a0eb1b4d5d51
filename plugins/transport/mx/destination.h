/* SPDX-License-Identifier: ISC */
/*
 * destination: the text of a next hop taken apart: "customer.tld", "customer.tld:2525", "[host]",
 * "[host]:2525", "[192.0.2.1]", "[2001:db8::1]", "[ipv6:2001:db8::1]:25", "192.0.2.1".
 */
#ifndef MX_DESTINATION_H
#define MX_DESTINATION_H

#include "services.h"

#define DESTINATION_NAME_MAX 253 /* RFC 1035 2.3.4, without the final dot */

struct destination {
    char name[DESTINATION_NAME_MAX + 1]; /* a host name, or a numeric address */
    uint32_t port;                       /* 0: none was given */
    int is_numeric;
};

/* 1 if it names one host, well or badly, and is not to be looked up as a domain: it is written in
 * brackets or begins with "inet:", which is then taken off. */
int destination_is_host(struct sluice_span *text);

/* TEMP if it is malformed: most likely somebody's mistake in a table, and his to repair. */
sluice_status destination_parse(struct sluice_span text, const struct services *services,
                                struct destination *ret_destination);

#endif /* MX_DESTINATION_H */
