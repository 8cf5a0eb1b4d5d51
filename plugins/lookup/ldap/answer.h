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

/* Of what one search brings, and of one message. All values of a key together are less; a server that never comes
 * to an end would have all memory. */
#define ANSWER_BYTES_MAX ((size_t)4 * 1024 * 1024)

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
    size_t room; /* for entries */
    char **urls; /* of servers that have more, each to be asked */
    size_t url_count;
    size_t bytes;    /* of all that */
    int failure;     /* why not all of it is here: LDAP_NO_MEMORY, or LDAP_SIZELIMIT_EXCEEDED for too many bytes */
    bool has_result; /* the search came to its end, */
    int code;        /* with this result code, */
    char text[160];  /* and what the server says of it */
    const char *server;  /* that was asked last, by its URL, which is the servers'; NULL: none */
    uint64_t connection; /* to it, by its number */
};

/* Takes the message, which is of any type that a search may bring. */
void answer_take(struct answer *answer, LDAP *handle, LDAPMessage *message);
void answer_done(struct answer *answer);

/* The attribute of that name, in whatever case; NULL: the entry has none. */
const struct answer_attribute *answer_attribute(const struct answer_entry *entry, const char *name);

#endif /* SLUICE_PLUGIN_LDAP_ANSWER_H */
