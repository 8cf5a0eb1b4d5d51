/* SPDX-License-Identifier: ISC */
/*
 * misses: whether a look-up that has found nothing says that there is nothing. It does not where the
 * server's schema has no such attribute as the filter names, or none of those that have the values (see
 * schema.h). The schema is read after the first miss on a connection, and again while it makes the table
 * useless; a hit costs nothing.
 *
 * Order: misses_new -> (misses_hit | misses_judge)* -> misses_free. On tasks.
 */
#ifndef SLUICE_PLUGIN_LDAP_MISSES_H
#define SLUICE_PLUGIN_LDAP_MISSES_H

#include "attributes.h"
#include "servers.h"

struct misses;

/* Of all look-ups with these settings. NULL: no memory. */
struct misses *misses_new(const struct sluice_host *host, const char *query_filter,
                          const struct attributes *attributes);
/* Nobody may be judging. Accepts NULL. */
void misses_free(struct misses *misses);

/* On that connection something was found, whatever the schema says. */
void misses_hit(struct misses *misses, uint64_t connection);
/* On that connection nothing was found. OK: there is nothing. TEMP with a text. [task: waits] */
sluice_status misses_judge(struct misses *misses, struct servers *servers, uint64_t connection,
                           int64_t deadline_ms, const struct sluice_errors *errors);

#endif /* SLUICE_PLUGIN_LDAP_MISSES_H */
