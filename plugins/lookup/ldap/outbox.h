/* SPDX-License-Identifier: ISC */
/*
 * outbox: what a socket below libldap does not take at once. libldap would keep the rest of a request
 * without saying so, could send nothing else meanwhile, and would go on in the middle of another one if
 * that request were abandoned. So a layer below it (and below TLS) takes all, and knows what is left.
 *
 * Order: outbox_place -> (outbox_is_empty | outbox_flush)* -> the handle goes -> outbox_done. One thread.
 */
#ifndef SLUICE_PLUGIN_LDAP_OUTBOX_H
#define SLUICE_PLUGIN_LDAP_OUTBOX_H

#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

/* As much as slapd takes in one request. */
#define OUTBOX_MAX ((size_t)4 << 20)

struct outbox {
    Sockbuf_IO_Desc *layer;
    char *bytes;
    size_t first; /* that is still here */
    size_t end;
    bool is_lost; /* libldap has closed the connection, or it has broken */
};

/* The outbox is zero, the handle connected, its socket does not block. False: no memory. */
bool outbox_place(struct outbox *outbox, LDAP *handle);
void outbox_done(struct outbox *outbox);

bool outbox_is_empty(const struct outbox *outbox);
/* Gives the socket what it takes now. */
void outbox_flush(struct outbox *outbox);

#endif /* SLUICE_PLUGIN_LDAP_OUTBOX_H */
