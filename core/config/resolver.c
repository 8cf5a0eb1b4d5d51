/* SPDX-License-Identifier: ISC */
/*
 * resolver: dns_servers, handed over.
 */
#include "config/resolver.h"

#include "net/dns.h"

#include <stdlib.h>

sluice_status resolver_start(const struct config *config, struct error *err)
{
    size_t count = config_count(config, "dns_servers");
    const char **servers = calloc(count + 1, sizeof(*servers));

    if (servers == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < count; i++)
        servers[i] = config_item(config, "dns_servers", i);
    sluice_status st = dns_init(servers, count, err);
    free(servers);
    return st;
}
