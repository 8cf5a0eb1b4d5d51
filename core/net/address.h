/* SPDX-License-Identifier: ISC */
/*
 * address: IP addresses, ports and networks, from text and to text.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 64 /* "[v6 address with scope]:port" fits */

struct address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* "192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1" (RFC 5321 4.1.3), with a port of its own.
 * OK or NOT_FOUND: it is no address. */
sluice_status address_parse(struct sluice_span text, uint16_t port, struct address *ret_address);
/* "host:port", "[v6]:port", numeric only: for listen. CONFIG with a text. */
sluice_status address_parse_listen(struct sluice_span text, struct address *ret_address,
                                   struct error *err);
void address_from_sockaddr(const struct sockaddr *from, socklen_t len, struct address *ret);
/* Numeric address without port; an IPv4-mapped IPv6 address as IPv4. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
/* "192.0.2.1:25", "[2001:db8::1]:25". */
const char *address_format_port(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
uint16_t address_port(const struct address *address);
/* The bytes that count, 4 or 16; an IPv4-mapped IPv6 address counts as IPv4. Empty: a local socket. */
struct sluice_span address_bytes(const struct address *address);
bool address_is_wildcard(const struct address *address);
/* Without the port; v4-mapped v6 equals v4. */
bool address_equal(const struct address *a, const struct address *b);

/* A network: "127.0.0.0/8", "[2001:db8::]/32", "2001:db8::/32", a lone address, each with or
 * without "!" before it. As in Postfix bits behind the prefix must be zero. */
struct network {
    struct address address;
    unsigned prefix;
    bool is_negated; /* "!192.0.2.7" */
};
/* CONFIG with a text. */
sluice_status network_parse(struct sluice_span text, struct network *ret_network,
                            struct error *err);
/* Whatever is_negated says: what that means is the list's business. */
bool network_contains(const struct network *network, const struct address *address);

#endif
