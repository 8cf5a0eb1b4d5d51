/* SPDX-License-Identifier: ISC */
/*
 * sync: a table that is kept in step with the directory (RFC 4533), so that a look-up needs no search.
 *
 * Once the first refresh is complete each look-up is answered from what is here. While the connection is
 * lost hits still are, for as long as stale_ok says; a miss is then searched for, since it may have been
 * added meanwhile. A server that does not have the operation, or does not let us, leaves a table of
 * searches.
 *
 * Order: sync_new -> (sync_run | sync_find)* -> sync_free. On tasks; one of them runs it.
 */
#ifndef SLUICE_PLUGIN_LDAP_SYNC_H
#define SLUICE_PLUGIN_LDAP_SYNC_H

#include "attributes.h"
#include "settings.h"

#include "sluice/host.h"
#include "sluice/lookup.h"

struct sync;

/* urls: of the servers, parted by blanks. All must outlive it. CONFIG with a text: a table of such
 * settings cannot be kept in step; TEMP: no memory. */
sluice_status sync_new(const struct settings *settings, const struct attributes *attributes,
                       const char *urls, const struct sluice_errors *errors,
                       struct sync **ret_sync);
void sync_free(struct sync *sync); /* accepts NULL */

/* Follows a server until it is lost or refuses, until is_wanted says no or until the task is cancelled;
 * returns at once if it is too soon to try again. [task: waits] */
void sync_run(struct sync *sync, const struct sluice_host *host,
              const struct sluice_lookup_notice *notice, bool (*is_wanted)(void *user), void *user);

/* True: *ret_status is the answer, as of sluice_lookup_ops.find. False: the directory is to be asked. */
bool sync_find(const struct sync *sync, const struct sluice_host *host, struct sluice_span key,
               const struct sluice_lookup_sink *sink, const struct sluice_errors *errors,
               sluice_status *ret_status);
/* As sluice_lookup_ops.generation. */
sluice_status sync_generation(const struct sync *sync, uint64_t *ret_generation);

#endif /* SLUICE_PLUGIN_LDAP_SYNC_H */
