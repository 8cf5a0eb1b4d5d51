/* SPDX-License-Identifier: ISC */
/*
 * link: a connection to a server with many searches under way at once.
 *
 * Of the tasks that wait for an answer one reads for all: it hands each message to the search that it
 * belongs to, and when its own search is done the next one reads. Nothing else is needed, and an idle
 * link costs nothing.
 */
#ifndef SLUICE_PLUGIN_LDAP_LINK_H
#define SLUICE_PLUGIN_LDAP_LINK_H

#include "answer.h"

#include "sluice/host.h"

/* slapd closes the connection of somebody unknown who has 100 requests waiting. */
#define LINK_SEARCHES_MAX 64

struct link;

struct link_request {
    const char *base;
    int scope;
    const char *filter;
    char **attributes;  /* NULL: all */
    int64_t size_limit; /* 0: the server's */
};

/* Takes the handle over. NULL: no memory or descriptor; the handle is the caller's. [task] */
struct link *link_new(const struct sluice_host *host, LDAP *handle);
/* Nobody may be searching. Accepts NULL. [task] */
void link_free(struct link *link);

uint64_t link_number(const struct link *link); /* which no other one has, or had */
size_t link_load(const struct link *link);     /* searches under way */
bool link_is_stuck(const struct link *link);   /* the server does not read */
bool link_is_full(const struct link *link);    /* or stuck */
bool link_is_idle(const struct link *link);    /* nobody is searching */
/* True if the connection is of no use any more; looks whether the server has closed it. [task] */
bool link_is_dead(struct link *link);
/* Whatever is under way on it fails with LDAP_SERVER_DOWN. [task] */
void link_end(struct link *link);
bool link_was_of_use(const struct link *link); /* a search on it came to its end */

/* The link is not full. A result code of LDAP's, or of libldap's: LDAP_SERVER_DOWN, the connection broke;
 * LDAP_TIMEOUT, and if nothing at all was heard on the link, which may be seen long before the deadline,
 * it is dead. The answer is the caller's in any case, for answer_done. [task: waits] */
int link_search(struct link *link, const struct link_request *request, int64_t deadline_ms,
                struct answer *answer);

#endif /* SLUICE_PLUGIN_LDAP_LINK_H */
