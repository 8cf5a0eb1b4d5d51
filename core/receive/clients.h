/* SPDX-License-Identifier: ISC */
/*
 * clients: how many connections each client has, and what it did in the present unit of time,
 * counted by all receive processes together in one block of shared memory of fixed size.
 *
 * There are no locks, because a process may be killed at any instruction. An entry is one process's
 * view of one client; only that process writes it, and a client's count is the sum over all processes'
 * entries for it. A process holds a place in the block; when it is gone its entries count no more
 * from the moment on in which the next process takes a place.
 *
 * A client is an address, or the network around it that smtpd_client_ipv4_prefix_length and
 * smtpd_client_ipv6_prefix_length say. Where there is no room left for a client it is not counted.
 *
 * Order: clients_open once in a process; for each connection clients_connect, clients_add as often
 * as something happens, clients_disconnect; clients_close. Nothing waits.
 */
#ifndef RECEIVE_CLIENTS_H
#define RECEIVE_CLIENTS_H

#include "base/error.h"
#include "net/address.h"

#include <stdbool.h>

struct clients;

/* Counted for each unit of time. */
enum client_event {
    CLIENT_CONNECTION,
    CLIENT_MESSAGE,
    CLIENT_RECIPIENT,
    CLIENT_EVENT_COUNT,
};

struct clients_rules {
    int64_t unit_ms; /* of time; units begin at the same moment for all processes */
    bool has_rates;  /* events are asked for; else a client is forgotten with its last connection */
    unsigned ipv4_prefix;
    unsigned ipv6_prefix;
};

/* memory: shared, zeroed before the first process opened it; it must stay. TEMP with a text. */
sluice_status clients_open(void *memory, size_t size, const struct clients_rules *rules,
                           struct clients **ret_clients, struct error *err);
/* What this process has counted is forgotten; accepts NULL. */
void clients_close(struct clients *clients);

/* A connection, which is an event too. Returns how many the client has, this one included, and where
 * the client is counted for as long as the connection lasts; 0 and 0: it is not counted. */
unsigned clients_connect(struct clients *clients, const struct address *address,
                         uint32_t *ret_entry);
void clients_disconnect(struct clients *clients, uint32_t entry);
/* The client does something. */
void clients_add(struct clients *clients, uint32_t entry, enum client_event event);
/* How often it has done so in the present unit of time; 0: it is not counted. */
unsigned clients_rate(const struct clients *clients, uint32_t entry, enum client_event event);

#endif
