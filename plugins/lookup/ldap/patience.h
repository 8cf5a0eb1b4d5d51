/* SPDX-License-Identifier: ISC */
/*
 * patience: a time limit for what libldap reads and writes while it connects. A TLS handshake has none: where the
 * server falls silent in it the thread would wait for good, or never rest where the socket does not block.
 */
#ifndef SLUICE_PLUGIN_LDAP_PATIENCE_H
#define SLUICE_PLUGIN_LDAP_PATIENCE_H

#include <lber.h>
#include <ldap.h>

/* Before the handle is used: what is read from and written to its connections is waited for until so long after their
 * beginning as the handle's LDAP_OPT_NETWORK_TIMEOUT says. An option's code. */
int patience_set(LDAP *handle);
/* Of the connection that there is now: TLS is made, and what comes has limits of its own. */
void patience_end(LDAP *handle);

#endif /* SLUICE_PLUGIN_LDAP_PATIENCE_H */
