/* SPDX-License-Identifier: ISC */
/*
 * servers: servers that hold the same directory, of which one is asked. When it cannot be reached, or
 * says nothing, the next one is, at once; one that failed rests for some time.
 *
 * Order: servers_new -> servers_search* -> servers_free. On tasks.
 */
#ifndef SLUICE_PLUGIN_LDAP_SERVERS_H
#define SLUICE_PLUGIN_LDAP_SERVERS_H

#include "link.h"
#include "settings.h"

struct servers;

/* urls: parted by white space, tried in that order. The settings must outlive the servers. is_foreign:
 * they were named by another server, and get none of our credentials. NULL: no memory. */
struct servers *servers_new(const struct sluice_host *host, const struct settings *settings,
                            const char *urls, bool is_foreign);
/* Nobody may be searching. Accepts NULL. [task] */
void servers_free(struct servers *servers);

/* A result code as of link_search; with LDAP_CONNECT_ERROR why says what is wrong at each of them, until
 * the next search. If a connection that was there breaks the search is tried again on another one. limit,
 * CONNECTIONS_MAX at most: no connection is made where there are so many. [task: waits] */
int servers_search(struct servers *servers, const struct link_request *request, size_t limit,
                   int64_t deadline_ms, struct answer *answer, const char **ret_why);
/* On the connection that the answer names, and on no other, full or not: few ask for this. LDAP_SERVER_DOWN:
 * it is not there any more, or takes nothing now. [task: waits] */
int servers_search_again(struct servers *servers, const struct link_request *request,
                         int64_t deadline_ms, struct answer *answer);

#endif /* SLUICE_PLUGIN_LDAP_SERVERS_H */
