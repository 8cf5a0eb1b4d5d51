/* SPDX-License-Identifier: ISC */
/*
 * host: what an instance of a plugin gets from us: struct sluice_host and its services.
 */
#ifndef PLUGIN_HOST_H
#define PLUGIN_HOST_H

#include "sluice/plugin.h"

struct pool;

struct host {
    struct sluice_host sdk;
    const char *label;              /* "transport/smtp slow", before each line of the log */
    const struct sluice_base *base; /* NULL, or what a derived plugin reaches its base through */
    struct pool *offload;           /* made when it is first needed */
};

/* The names stay the caller's. The host must not move afterwards. */
void host_init(struct host *host, const char *instance, const char *label);
void host_done(struct host *host); /* a second time is fine */

/* What SLUICE_TABLES_ID gives from now on in this process; NULL: nothing. [main] */
void host_provide_tables(const struct sluice_tables *service);

#endif
