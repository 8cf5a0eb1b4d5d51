/* SPDX-License-Identifier: ISC */
/* urls: server_host's words, as URLs that libldap can use. */
#ifndef SLUICE_PLUGIN_LDAP_URLS_H
#define SLUICE_PLUGIN_LDAP_URLS_H

#include "sluice/host.h"

#define URLS_MAX 2048
#define SERVERS_MAX 16
#define PORT_MAX 65535

/* A URL for each word, parted by blanks; port: of hosts without one. CONFIG with a text that begins with
 * where: one is of no use, there is none, or there are too many. [any] */
sluice_status urls_read(const char *words, int64_t port, const char *where,
                        const struct sluice_errors *errors, char urls[URLS_MAX]);

#endif /* SLUICE_PLUGIN_LDAP_URLS_H */
