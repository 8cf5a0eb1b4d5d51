/* SPDX-License-Identifier: ISC */
/*
 * privileges: from root to the user that a role runs as, for good. A daemon that an ordinary user
 * has started has nothing to drop and runs all roles as that user.
 */
#ifndef MASTER_PRIVILEGES_H
#define MASTER_PRIVILEGES_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct privileges {
    bool is_root; /* this process is; else uid and gid are those that it has */
    uid_t uid;
    gid_t gid;
    bool may_become; /* keeps CAP_SETUID and CAP_SETGID, and no other capability */
};

/* What user means in this process. CONFIG: there is no such user, or it is root itself. */
sluice_status privileges_find(const char *user, struct privileges *ret_privileges,
                              struct error *err);
/*
 * What the name of a crew (config/crews.h) means: "user", "user:group", numbers too, or "recipient".
 * mail and network: those of the other roles, which no crew may have. CONFIG: there is no such user or
 * group, it is none for a crew, or the daemon, which is not root's, cannot become it.
 */
sluice_status privileges_find_crew(const char *crew, const struct privileges *mail,
                                   const struct privileges *network,
                                   struct privileges *ret_privileges, struct error *err);
/* Becomes that user if this process is root, checks that there is no way back but the one that it keeps,
 * and sets no_new_privs in any case. Returns 0 or an errno; async-signal-safe, for between fork and exec. */
int privileges_apply(const struct privileges *privileges);

#endif
