/* SPDX-License-Identifier: ISC */
/*
 * shared_servers: tables of a process that ask the same servers in the same way do it over the same
 * connections. What makes the way: who we are and how we prove it, TLS, the version, aliases, time-outs.
 *
 * They are made with the host of the table that came first, and end with it: tables that are there still
 * make others at their next search. Order: shared_servers_get* -> shared_servers_unref, and
 * shared_servers_end when a table is closed. All on the thread that has the tasks.
 */
#ifndef SLUICE_PLUGIN_LDAP_SHARED_SERVERS_H
#define SLUICE_PLUGIN_LDAP_SHARED_SERVERS_H

#include "servers.h"

struct shared_servers;

/*
 * The servers behind *shared, which stay as long as it is not given back, unless their host ends; NULL at
 * first, and others are put there when that has happened. The rest as for servers_new, but that nothing
 * of it need outlive the call, except for the host. NULL: no memory. [task]
 */
struct servers *shared_servers_get(struct shared_servers **shared, const struct sluice_host *host,
                                   const struct settings *settings, const char *urls,
                                   bool is_foreign);
/* Who gives them back is not searching. Accepts NULL. [task] */
void shared_servers_unref(struct shared_servers *shared);
/* Of what was made with that host nothing is left. Nobody may be searching. */
void shared_servers_end(const struct sluice_host *host);

#endif /* SLUICE_PLUGIN_LDAP_SHARED_SERVERS_H */
