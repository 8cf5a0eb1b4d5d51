/* SPDX-License-Identifier: ISC */
/*
 * remote: tables that a lookup process has (core/lookup), asked over its link.
 *
 * A process that dies costs no answer: its questions are asked again over the next link, as long as
 * their time lasts. On the loop's thread.
 */
#ifndef ROUTE_REMOTE_H
#define ROUTE_REMOTE_H

#include "base/buffer.h"
#include "base/error.h"

struct remote;

/* NULL: no memory. */
struct remote *remote_new(void);
/* Nobody may be asking. Accepts NULL. */
void remote_free(struct remote *remote);

/* The link to the process that is the home of that number, for the first time or again. Takes fd over. */
void remote_connect(struct remote *remote, unsigned home, int fd);

/*
 * Adds what the key maps to in that table to value: OK, NOT_FOUND, or TEMP with a text. An answer that is old is
 * noted as a doubt (task/doubt.h), by the name of the table, which must stay. [task: waits]
 */
sluice_status remote_find(struct remote *remote, unsigned home, const char *table,
                          struct sluice_span key, uint64_t flags, int64_t deadline_ms,
                          struct buffer *value, struct error *err);

/* What that table's home has said of its content last: as sluice_lookup_ops.generation. */
sluice_status remote_generation(const struct remote *remote, const char *table,
                                uint64_t *ret_generation);

#endif
