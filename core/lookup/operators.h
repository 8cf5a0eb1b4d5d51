/* SPDX-License-Identifier: ISC */
/*
 * operators: what `sluice table` asks of a lookup process, over the queue's links. They are not those of
 * who asks for mail: no process stays for them.
 *
 *   TABLES_LIST    a list of {"table", "open", "text": why not, or the last trouble, "failing_since",
 *                  "stale_since": seconds since 1970, where it is so}
 *   TABLES_FLUSH   {"forgotten": answers of the cache, "status", "text"}; if the status is OK nobody who asks here
 *                  keeps any either, and with is_deep what was known for an outage is gone from the disk as well
 *
 * On the loop's thread.
 */
#ifndef LOOKUP_OPERATORS_H
#define LOOKUP_OPERATORS_H

#include "lookup/front.h"
#include "lookup/keepers.h"

struct operators;

/* NULL: no memory. */
struct operators *operators_new(struct fronts *fronts, struct keepers *keepers);
void operators_free(struct operators *operators); /* accepts NULL; the fronts must be idle */
/* Takes fd over. */
void operators_link(struct operators *operators, int fd);

#endif
