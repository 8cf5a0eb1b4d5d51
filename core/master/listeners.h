/* SPDX-License-Identifier: ISC */
/*
 * listeners: the listening sockets. The master keeps them, one for each address; receive processes
 * inherit them.
 */
#ifndef MASTER_LISTENERS_H
#define MASTER_LISTENERS_H

#include "base/error.h"
#include "config/config.h"
#include "config/role.h"

struct listeners {
    struct role_listener *list; /* with copies of the addresses */
    size_t count;
};

/* Those of the parameters listen and metrics_listen. An address that is among before keeps its socket, and so whoever
 * waits in it; before may be NULL. TEMP: an address cannot be had. */
sluice_status listeners_open(const struct config *config, const struct listeners *before,
                             struct listeners *ret_listeners, struct error *err);
/* The same for one address; *ret_fd is -1 where is_optional and the machine has no such family. */
sluice_status listener_open(const char *address, bool is_optional, int *ret_fd, struct error *err);
/* Takes the descriptor and copies the address. TEMP: out of memory, it is still the caller's. */
sluice_status listeners_add(struct listeners *listeners, const char *address, int fd);
/* True if it is of metrics_listen: its address has METRICS_LISTENER in front. */
bool listener_is_metrics(const char *address);
void listeners_close(struct listeners *listeners);

#endif
