/* SPDX-License-Identifier: ISC */
/*
 * cache: connections that wait for the next message to the same host.
 *
 * A connection stays for connection_cache_time_limit, then it is ended. The number that waits is
 * bounded; beyond it the one that has waited longest is ended. All on tasks of the loop.
 */
#ifndef DELIVER_CACHE_H
#define DELIVER_CACHE_H

#include "deliver/transport.h"

struct cache;

/* time_limit_ms 0: nothing is kept. */
sluice_status cache_new(int64_t time_limit_ms, struct cache **ret_cache, struct error *err);
/* Ends every connection, then the cache. [task] */
void cache_free(struct cache *cache); /* accepts NULL */

/* A waiting connection of transport to that address and port, or NULL. */
struct sluice_connection *cache_take(struct cache *cache, struct transport *transport,
                                     const struct host *host);
/* Keeps the connection, or ends it if it cannot be kept. */
void cache_put(struct cache *cache, struct transport *transport, const struct host *host,
               struct sluice_connection *connection);

#endif
