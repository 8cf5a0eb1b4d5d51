/* SPDX-License-Identifier: ISC */
/*
 * hosts: which hosts serve a destination, in order: the front end of the nexthop plugins.
 *
 * The chain (parameter nexthop_chain) is asked link by link until one does not say "not mine".
 */
#ifndef DELIVER_HOSTS_H
#define DELIVER_HOSTS_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

#define HOSTS_MAX 100 /* more hosts than this of one destination are not tried */
#define HOST_NAME_MAX_SIZE 256
#define HOST_ADDRESS_SIZE 108 /* a socket's path; sun_path has as much */

struct host {
    char name[HOST_NAME_MAX_SIZE];
    char address[HOST_ADDRESS_SIZE]; /* numeric, or the path of a local socket */
    unsigned port;                   /* 0: the transport's default */
    bool is_backup;                  /* the destination has better ones */
};

struct hosts {
    struct host *list;
    size_t count;
    bool are_last; /* nobody else may be tried, whatever becomes of these; also where there are none */
};

#define HOSTS_INIT {0}
void hosts_done(struct hosts *hosts);

struct nexthop_chain;

/* Opens every plugin of the chain. CONFIG or TEMP with a text. [main] */
sluice_status nexthop_chain_open(const struct config *config, struct nexthop_chain **ret_chain,
                                 struct error *err);
void nexthop_chain_close(struct nexthop_chain *chain); /* accepts NULL */

/*
 * OK with at least one host, PERM or TEMP with a text; *ret_hosts is the caller's to end with any
 * status. port is where a destination that names none is talked to; 0: not known. Task and inline
 * plugins are called on the caller's task, others on their threads. [task: waits]
 */
sluice_status nexthop_resolve(struct nexthop_chain *chain, struct sluice_span destination,
                              unsigned port, int64_t deadline_ms, struct hosts *ret_hosts,
                              struct error *err);

#endif
