/* SPDX-License-Identifier: ISC */
/*
 * misses: whether a search that has found nothing says that there is nothing. It does not where the
 * server's schema has no such attribute as the filter names (see schema.h). The schema is read after the
 * first miss on a connection, and again while it makes the filter useless; a hit costs nothing.
 *
 * Order: misses_new -> (misses_hit | misses_judge)* -> misses_free. On tasks.
 */
#ifndef SLUICE_PLUGIN_LDAP_MISSES_H
#define SLUICE_PLUGIN_LDAP_MISSES_H

#include "servers.h"

struct misses;

/* Of all searches by that filter, which must outlive them. NULL: no memory. */
struct misses *misses_new(const struct sluice_host *host, const char *filter);
/* Nobody may be judging. Accepts NULL. */
void misses_free(struct misses *misses);

/* The filter was true of an entry, whatever the schema says. */
void misses_hit(struct misses *misses, const struct answer *answer);
/* OK: there is nothing. TEMP with a text. [task: waits] */
sluice_status misses_judge(struct misses *misses, struct servers *servers,
                           const struct answer *answer, int64_t deadline_ms,
                           const struct sluice_errors *errors);

#endif /* SLUICE_PLUGIN_LDAP_MISSES_H */
