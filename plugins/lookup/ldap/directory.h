/* SPDX-License-Identifier: ISC */
/*
 * directory: a table's settings and its servers, and those that they refer to. Counted: a table whose
 * settings change gets another one, and this one goes when the last search on it is done.
 */
#ifndef SLUICE_PLUGIN_LDAP_DIRECTORY_H
#define SLUICE_PLUGIN_LDAP_DIRECTORY_H

#include "attributes.h"
#include "link.h"
#include "settings.h"
#include "sync.h"

struct directory;

/* Reference 1, with settings at their defaults, to be filled in before anything else. NULL: no memory. */
struct directory *directory_new(void);
struct settings *directory_settings(struct directory *directory);
/* After the settings, once. CONFIG or TEMP with a text. */
sluice_status directory_settle(struct directory *directory, const struct sluice_errors *errors);
const struct attributes *directory_attributes(const struct directory *directory);
/* What is kept in step; NULL: each look-up is a search. */
struct sync *directory_sync(const struct directory *directory);
struct directory *directory_ref(struct directory *directory);
void directory_unref(struct directory *directory); /* accepts NULL [task] */

/*
 * Searches, and where the settings want it at the servers that are named in the answer. OK with an
 * answer, which is empty if there is nothing; NOT_FOUND if the base does not exist; TEMP with a text.
 * The answer is the caller's in any case, for answer_done. [task: waits]
 */
sluice_status directory_search(struct directory *directory, const struct sluice_host *host,
                               const struct link_request *request, int64_t deadline_ms,
                               struct answer *answer, const struct sluice_errors *errors);
/*
 * Whether what a look-up has come to by a search on that connection is to be believed: nothing is not
 * where the server's schema makes the table useless. OK, or TEMP with a text. [task: waits]
 */
sluice_status directory_believe(struct directory *directory, const struct sluice_host *host,
                                uint64_t connection, bool is_found, int64_t deadline_ms,
                                const struct sluice_errors *errors);

#endif /* SLUICE_PLUGIN_LDAP_DIRECTORY_H */
