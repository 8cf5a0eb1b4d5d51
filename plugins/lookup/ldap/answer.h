/* SPDX-License-Identifier: ISC */
/*
 * answer: what a search has brought, taken out of libldap's messages as they come, so that it outlives
 * the connection.
 */
#ifndef SLUICE_PLUGIN_LDAP_ANSWER_H
#define SLUICE_PLUGIN_LDAP_ANSWER_H

#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer_attribute {
    char *name;
    struct berval **values; /* ends with NULL */
};

struct answer_entry {
    struct answer_attribute *attributes;
    size_t count;
};

/* Zero it to initialise. */
struct answer {
    struct answer_entry *entries;
    size_t count;
    char **urls; /* of servers that have more, each to be asked */
    size_t url_count;
    bool has_result; /* the search came to its end, */
    int code;        /* with this result code, */
    char text[160];  /* and what the server says of it */
    bool has_no_memory;
    const char *server;  /* that was asked last, by its URL, which is the servers'; NULL: none */
    uint64_t connection; /* to it, by its number */
};

/* Takes the message, which is of any type that a search may bring. */
void answer_take(struct answer *answer, LDAP *handle, LDAPMessage *message);
void answer_done(struct answer *answer);

/* The attribute of that name, in whatever case; NULL: the entry has none. */
const struct answer_attribute *answer_attribute(const struct answer_entry *entry, const char *name);

#endif /* SLUICE_PLUGIN_LDAP_ANSWER_H */
