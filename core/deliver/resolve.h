/* SPDX-License-Identifier: ISC */
/*
 * resolve: where queued recipients go now, by the tables as they are. The queue asks.
 */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include "base/buffer.h"
#include "deliver/routes.h"

#define RESOLVE_ADDRESS_MS 10000 /* for the tables, for each address */

/* The answer to the body of a RESOLVE. What is no address is TEMP: its route stays. [task: may wait] */
void resolve_answer(const struct routes *routes, struct sluice_span body, struct buffer *answer);

#endif
