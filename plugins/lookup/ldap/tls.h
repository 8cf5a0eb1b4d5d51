/* SPDX-License-Identifier: ISC */
/*
 * tls: what a handle's connection is encrypted with. Connections of the same settings share one context:
 * libldap with GnuTLS never gives back a client's certificate and key, so a context for each connection
 * would cost some memory at each reconnect, and reading the authorities' certificates takes long.
 */
#ifndef SLUICE_PLUGIN_LDAP_TLS_H
#define SLUICE_PLUGIN_LDAP_TLS_H

#include "settings.h"

#include <ldap.h>

/* has_credentials: the server is shown our certificate. A file that has changed counts from the next
 * call on. LDAP_OPT_SUCCESS, or what ldap_set_option says. [any: reads files] */
int tls_set(LDAP *handle, const struct settings *settings, bool has_credentials);
/* The first file or folder that cannot be read, with the key of its option, and errno; or NULL. [any: opens
 * files] */
const char *tls_unreadable(const struct settings *settings, bool has_credentials,
                           const char **ret_key);

#endif /* SLUICE_PLUGIN_LDAP_TLS_H */
