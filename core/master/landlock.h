/* SPDX-License-Identifier: ISC */
/*
 * landlock: closes the queue folder to the roles that have no business there, where the kernel has
 * Landlock; also when all roles run under one uid.
 *
 * Landlock only allows. So every right is taken away, and then everything beside the way from the
 * root to the folder is allowed again: on each level the siblings of the next part. What is put
 * there later is closed, with one exception: a folder on that way that holds a table stays readable
 * as a whole, because postmap puts a new file in the old one's place. The queue folder below it is
 * then closed to writing only.
 *
 * Order: landlock_new, then whatever is to be allowed, then landlock_apply in the process that is to
 * be closed in. Descriptors that are open already are not affected.
 */
#ifndef MASTER_LANDLOCK_H
#define MASTER_LANDLOCK_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

/* A rule set that closes folder, which must exist. UNSUPPORTED: the kernel has no Landlock, or it is
 * turned off; or too much lies beside the way. The caller closes *ret_ruleset. */
sluice_status landlock_new(const char *folder, int *ret_ruleset, struct error *err);
/* Allows reading and executing the very file or folder behind fd, wherever it is. */
sluice_status landlock_allow(int ruleset, int fd, struct error *err);
/* Keeps the folder of a table's file readable if it is on the way to folder; *is_readable becomes
 * true then, and stays as it is otherwise. table: "/etc/sluice/transport"; "staff", which is no file,
 * gives nothing. */
sluice_status landlock_allow_table(int ruleset, const char *folder, const char *table,
                                   bool *is_readable, struct error *err);
/* The same for all tables of a configuration. */
sluice_status landlock_allow_tables(int ruleset, const char *folder, const struct config *config,
                                    bool *is_readable, struct error *err);
/* Puts this process under the rule set, for good. Needs no_new_privs (privileges.h). Returns 0 or an
 * errno; async-signal-safe, for between fork and exec. */
int landlock_apply(int ruleset);

#endif
