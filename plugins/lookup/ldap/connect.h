/* SPDX-License-Identifier: ISC */
/*
 * connect: a handle of libldap that is connected, encrypted and bound. All of that blocks, so it runs
 * on a thread; whatever it needs is its own, for the thread may be late.
 */
#ifndef SLUICE_PLUGIN_LDAP_CONNECT_H
#define SLUICE_PLUGIN_LDAP_CONNECT_H

#include "settings.h"

#include <ldap.h>

#define CONNECT_WHY_MAX 256

struct connect {
    struct settings settings;
    char *url;
    bool is_foreign; /* a server that another one named: it gets none of our credentials */
    LDAP *handle;    /* taken over by who sets it to NULL */
    char why[CONNECT_WHY_MAX];
};

/* NULL: no memory. */
struct connect *connect_new(const struct settings *settings, const char *url, bool is_foreign);
/* For sluice_offload.run: OK with handle, or TEMP with why. [any: blocks] */
sluice_status connect_work(void *connect);
void connect_free(void *connect); /* accepts NULL [any] */

#endif /* SLUICE_PLUGIN_LDAP_CONNECT_H */
