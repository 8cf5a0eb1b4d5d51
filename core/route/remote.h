/* SPDX-License-Identifier: ISC */
/*
 * remote: tables that a lookup process has (core/lookup), asked over its link.
 *
 * A process that dies costs no answer: its questions are asked again over the next link, as long as
 * their time lasts. What it says may be kept is answered again here, and counted as an answer of its cache,
 * until that time is over, it says otherwise, or the link to it ends. On the loop's thread.
 */
#ifndef ROUTE_REMOTE_H
#define ROUTE_REMOTE_H

#include "base/buffer.h"
#include "base/error.h"

struct remote;
struct remote_table;

/* NULL: no memory. */
struct remote *remote_new(void);
/* Nobody may be asking. Accepts NULL. */
void remote_free(struct remote *remote);

/* The link to the process that is the home of that number, for the first time or again. Takes fd over. */
void remote_connect(struct remote *remote, unsigned home, int fd);

/* The table of that name, which is at home there. Stays the set's. TEMP: no memory. */
sluice_status remote_get(struct remote *remote, unsigned home, struct sluice_span name,
                         struct remote_table **ret_table);

/*
 * Adds what the key maps to to value: OK, NOT_FOUND, or TEMP with a text. An answer that is old is noted as a doubt
 * (task/doubt.h), by the name of the table. Who explains hears of the home how it came by its answer: what is kept
 * here is for the others. [task: may wait]
 */
sluice_status remote_find(struct remote_table *table, struct sluice_span key, uint64_t flags,
                          int64_t deadline_ms, struct buffer *value, struct error *err);

/* What the table's home has said of its content last: as sluice_lookup_ops.generation. */
sluice_status remote_generation(const struct remote_table *table, uint64_t *ret_generation);

#endif
