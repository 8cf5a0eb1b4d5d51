/* SPDX-License-Identifier: ISC */
/* networks: addresses and networks, of numbers and of tables: "192.0.2.0/24", "[2001:db8::]/32",
 * "!192.0.2.1", "hash:/etc/sluice/networks". The first pattern that matches decides. */
#ifndef BASIC_NETWORKS_H
#define BASIC_NETWORKS_H

#include "sluice/access.h"

#include <stdbool.h>

struct network;

/* Zero it to initialise. */
struct networks {
    struct network *items;
    size_t count;
};

struct question;

/* A numeric address. */
bool networks_is_address(struct sluice_span text);
/* pattern: an address, a network, a table, or a file of these: "/etc/sluice/networks". CONFIG or TEMP,
 * explained. */
sluice_status networks_add(struct networks *networks, const char *pattern,
                           const struct sluice_errors *errors);
void networks_done(struct networks *networks);
/* OK, NOT_FOUND, or TEMP where a table cannot be asked. question: for tables; NULL: there are none. */
sluice_status networks_match(const struct networks *networks, const struct question *question,
                             const char *address);

#endif
