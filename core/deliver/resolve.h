/* SPDX-License-Identifier: ISC */
/*
 * resolve: where queued recipients go now, by the tables as they are. The queue asks.
 */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"

struct resolver;

#define RESOLVE_ADDRESS_MS 10000 /* for the tables, for each address */

/* CONFIG or TEMP with a text. [main] */
sluice_status resolver_new(const struct config *config, struct resolver **ret_resolver,
                           struct error *err);
void resolver_free(struct resolver *resolver); /* accepts NULL; waits for threads of tables */
/* The answer to the body of a RESOLVE. What is no address is TEMP: its route stays. [task: may wait] */
void resolver_answer(const struct resolver *resolver, struct sluice_span body,
                     struct buffer *answer);

#endif
