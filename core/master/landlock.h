/* SPDX-License-Identifier: ISC */
/*
 * landlock: closes the queue folder to the roles that have no business there, where the kernel has
 * Landlock; also when all roles run under one uid.
 *
 * Landlock only allows. So every right is taken away, and then everything beside the way from the
 * root to the folder is allowed again: on each level the siblings of the next part. A folder on that
 * way that holds a table stays readable as a whole, because postmap puts a new file in the old one's
 * place; the queue folder below it is then closed to writing only (landlock says so).
 *
 * Descriptors that are open already are not affected.
 */
#ifndef MASTER_LANDLOCK_H
#define MASTER_LANDLOCK_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

/*
 * Makes a rule set that closes folder, which must exist. tables: whose lookup instances name files
 * (NULL: none); *ret_is_readable tells whether the folder had to stay readable.
 * UNSUPPORTED: the kernel has no Landlock, or it is turned off. The caller closes *ret_ruleset.
 */
sluice_status landlock_new(const char *folder, const struct config *tables, int *ret_ruleset,
                           bool *ret_is_readable, struct error *err);
/* The same with the names of the tables' files. */
sluice_status landlock_new_paths(const char *folder, const char *const *tables, size_t table_count,
                                 int *ret_ruleset, bool *ret_is_readable, struct error *err);
/* Also allows the very file or folder behind fd, wherever it is. */
sluice_status landlock_allow(int ruleset, int fd, struct error *err);
/* Puts this process under the rule set, for good. Needs no_new_privs (privileges_apply). Returns 0
 * or an errno; async-signal-safe, for between fork and exec. */
int landlock_apply(int ruleset);

#endif
