/* SPDX-License-Identifier: ISC */
/*
 * hosts: which hosts serve a next hop, in order: the front end of the nexthop plugins.
 *
 * The chain (parameter nexthop_chain) is asked link by link until one does not say "not mine". A
 * next hop may be a list of destinations parted by commas or blanks; their hosts follow each other.
 */
#ifndef DELIVER_HOSTS_H
#define DELIVER_HOSTS_H

#include "base/error.h"
#include "config/config.h"

#define HOSTS_MAX 100 /* more hosts than this of one destination are not tried */
#define HOST_NAME_MAX_SIZE 256
#define HOST_ADDRESS_SIZE 108 /* a socket's path; sun_path has as much */

struct host {
    char name[HOST_NAME_MAX_SIZE];
    char address[HOST_ADDRESS_SIZE]; /* numeric, or the path of a local socket */
    unsigned port;                   /* 0: the transport's default */
};

struct hosts {
    struct host *list;
    size_t count;
};

#define HOSTS_INIT {0}
void hosts_done(struct hosts *hosts);

struct nexthop_chain;

/* Opens every plugin of the chain. CONFIG or TEMP with a text. [main] */
sluice_status nexthop_chain_open(const struct config *config, struct nexthop_chain **ret_chain,
                                 struct error *err);
void nexthop_chain_close(struct nexthop_chain *chain); /* accepts NULL */

/* OK with at least one host. PERM only if every destination of the list is hopeless. Called by task
 * and inline plugins on the caller's task, others on their threads. [task: waits] */
sluice_status nexthop_resolve(struct nexthop_chain *chain, struct sluice_span nexthop,
                              int64_t deadline_ms, struct hosts *ret_hosts, struct error *err);

#endif
