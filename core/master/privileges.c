/* SPDX-License-Identifier: ISC */
/*
 * privileges: groups first, then the user, each in its real, effective and saved form.
 */
#include "master/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

sluice_status privileges_find(const char *user, struct privileges *ret_privileges,
                              struct error *err)
{
    if (geteuid() != 0) {
        *ret_privileges = (struct privileges){.uid = geteuid(), .gid = getegid()};
        return SLUICE_OK;
    }
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) /* errno says nothing of use: each source of users has its own idea of it */
        return error_set(err, SLUICE_CONFIG, "user \"%s\": there is no such user", user);
    if (entry->pw_uid == 0 || entry->pw_gid == 0)
        return error_set(err, SLUICE_CONFIG, "user \"%s\" has the rights of root", user);
    *ret_privileges =
        (struct privileges){.is_root = true, .uid = entry->pw_uid, .gid = entry->pw_gid};
    return SLUICE_OK;
}

/* Nothing of root is left, and none of it comes back. */
static bool is_dropped(const struct privileges *privileges)
{
    uid_t uids[3];
    gid_t gids[3];

    if (getresuid(&uids[0], &uids[1], &uids[2]) == -1 ||
        getresgid(&gids[0], &gids[1], &gids[2]) == -1)
        return false;
    for (int i = 0; i < 3; i++) {
        if (uids[i] != privileges->uid || gids[i] != privileges->gid)
            return false;
    }
    return setuid(0) == -1 && setgid(0) == -1;
}

int privileges_apply(const struct privileges *privileges)
{
    if (privileges->is_root) {
        if (setgroups(1, &privileges->gid) == -1 ||
            setresgid(privileges->gid, privileges->gid, privileges->gid) == -1 ||
            setresuid(privileges->uid, privileges->uid, privileges->uid) == -1)
            return errno;
        if (!is_dropped(privileges))
            return EPERM;
    }
    /* What a service manager granted to the daemon is not for its roles. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return errno; /* EINVAL: a kernel that has none */
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}
