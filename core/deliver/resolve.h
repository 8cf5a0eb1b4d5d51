/* SPDX-License-Identifier: ISC */
/*
 * resolve: where queued recipients go now, by the tables as they are. The queue asks.
 */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include "base/buffer.h"
#include "deliver/job.h"
#include "deliver/routes.h"

#define RESOLVE_ADDRESS_MS 10000 /* for the tables, for each address */
#define RESOLVE_BATCH_MS 5000    /* for all of them: the queue asks again for what is left */

/* The answer to the body of a RESOLVE. What is no address is TEMP: its route stays. [task: may wait] */
void resolve_answer(const struct routes *routes, struct sluice_span body, struct buffer *answer);
/* True if mail for one of the job's recipients goes somewhere else by now. False also where that cannot be
 * told: then the route that there is stays. [task: may wait] */
bool resolve_is_elsewhere(const struct routes *routes, const struct job *job);

#endif
