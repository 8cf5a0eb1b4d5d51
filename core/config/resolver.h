/* SPDX-License-Identifier: ISC */
/*
 * resolver: the process's resolver (net/dns.h), with the name servers that are configured.
 */
#ifndef CONFIG_RESOLVER_H
#define CONFIG_RESOLVER_H

#include "base/error.h"
#include "config/config.h"

/* CONFIG or TEMP with a text; dns_done() ends it. */
sluice_status resolver_start(const struct config *config, struct error *err);

#endif
