/* SPDX-License-Identifier: ISC */
/*
 * sync_message: the LDAP content synchronization operation (RFC 4533) on the wire: its request, and what
 * comes back.
 */
#ifndef SLUICE_PLUGIN_LDAP_SYNC_MESSAGE_H
#define SLUICE_PLUGIN_LDAP_SYNC_MESSAGE_H

#include "answer.h"
#include "sync_plan.h"
#include "sync_set.h"

enum sync_kind {
    SYNC_NEWS_NONE,     /* perhaps a cookie */
    SYNC_NEWS_PRESENT,  /* the entries of these UUIDs are as they were */
    SYNC_NEWS_ENTRY,    /* that of the UUID is, or is now, as the answer has it */
    SYNC_NEWS_DELETED,  /* those of the UUIDs are gone */
    SYNC_NEWS_PRESENTS, /* that were all that are there: what was not named is gone */
    SYNC_NEWS_DELETES,  /* that were all that are gone */
    SYNC_NEWS_END,      /* of the operation: the answer has why */
    SYNC_NEWS_NONSENSE,
};

struct sync_message {
    enum sync_kind kind;
    BerVarray uuids;       /* each of SYNC_UUID_LEN; ends with one that is NULL */
    struct berval *cookie; /* NULL: it has none */
    bool is_refreshed;     /* PRESENTS, DELETES: from now on there are only changes */
    struct answer answer;
};

/* Asks for all that the plan wants, or what has changed since the cookie (NULL: none), and for each change
 * from then on. A result code; *ret_id on LDAP_SUCCESS. */
int sync_message_send(LDAP *handle, const struct sync_plan *plan, int scope,
                      const struct berval *cookie, int *ret_id);
/* Takes the message. LDAP_SUCCESS, or as answer.failure; for sync_message_done in any case. */
int sync_message_take(struct sync_message *ret_message, LDAP *handle, LDAPMessage *message);
void sync_message_done(struct sync_message *message);

#endif /* SLUICE_PLUGIN_LDAP_SYNC_MESSAGE_H */
