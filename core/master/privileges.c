/* SPDX-License-Identifier: ISC */
/*
 * privileges: groups first, then the user, each in its real, effective and saved form.
 */
#include "master/privileges.h"

#include "base/span.h"
#include "config/crews.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CREW_NAME_SIZE 128
#define KEPT_CAPABILITIES ((1u << CAP_SETUID) | (1u << CAP_SETGID))

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

/* ---- crews ----------------------------------------------------------------------------------- */

static bool find_user(const char *user, struct privileges *privileges)
{
    uint64_t number;
    const struct passwd *entry = span_to_u64(sluice_span_of(user), &number) && number < UINT32_MAX
                                     ? getpwuid((uid_t)number)
                                     : getpwnam(user);

    if (entry == NULL)
        return false;
    privileges->uid = entry->pw_uid;
    privileges->gid = entry->pw_gid;
    return true;
}

static bool find_group(const char *group, struct privileges *privileges)
{
    uint64_t number;
    const struct group *entry;

    if (span_to_u64(sluice_span_of(group), &number) && number < UINT32_MAX) {
        privileges->gid = (gid_t)number;
        return true;
    }
    entry = getgrnam(group);
    if (entry == NULL)
        return false;
    privileges->gid = entry->gr_gid;
    return true;
}

/* The user, and the group if there is one, that the text names. */
static sluice_status read_names(const char *crew, struct privileges *privileges, struct error *err)
{
    char user[CREW_NAME_SIZE];
    int len = snprintf(user, sizeof(user), "%s", crew);
    char *group = strchr(user, ':');

    if (len < 0 || (size_t)len >= sizeof(user))
        return error_set(err, SLUICE_CONFIG, "user: the name is too long");
    if (group != NULL)
        *group++ = '\0';
    if (!find_user(user, privileges))
        return error_set(err, SLUICE_CONFIG, "user \"%s\": there is no such user", user);
    if (group != NULL && !find_group(group, privileges))
        return error_set(err, SLUICE_CONFIG, "user \"%s\": there is no group \"%s\"", crew, group);
    return SLUICE_OK;
}

sluice_status privileges_find_crew(const char *crew, const struct privileges *mail,
                                   const struct privileges *network,
                                   struct privileges *ret_privileges, struct error *err)
{
    struct privileges found = *network;

    if (strcmp(crew, CREW_RECIPIENT) == 0) {
        found.may_become = network->is_root;
        *ret_privileges = found;
        return SLUICE_OK;
    }
    sluice_status st = read_names(crew, &found, err);
    if (st != SLUICE_OK)
        return st;
    if (!network->is_root && (found.uid != network->uid || found.gid != network->gid))
        return error_set(err, SLUICE_CONFIG,
                         "user \"%s\": only a daemon that root has started can become another user",
                         crew);
    if (network->is_root && (found.uid == 0 || found.gid == 0))
        return error_set(err, SLUICE_CONFIG, "user \"%s\" has the rights of root", crew);
    if (network->is_root &&
        (found.uid == mail->uid || found.uid == network->uid || found.gid == mail->gid))
        return error_set(err, SLUICE_CONFIG,
                         "user \"%s\" has the rights of mail_owner or network_owner", crew);
    *ret_privileges = found;
    return SLUICE_OK;
}

/* ---- dropping -------------------------------------------------------------------------------- */

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
    return privileges->may_become || (setuid(0) == -1 && setgid(0) == -1);
}

/* Nothing that is executed from here on gets another capability, whoever it has become. */
static bool bound_capabilities(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++) { /* until there is none */
        if (capability != CAP_SETUID && capability != CAP_SETGID &&
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
            return false;
    }
    return true;
}

/* Those that are kept, for this process and the role that it executes. */
static bool keep_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = KEPT_CAPABILITIES,
         .permitted = KEPT_CAPABILITIES,
         .inheritable = KEPT_CAPABILITIES}};

    return syscall(SYS_capset, &header, kept) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0) == 0;
}

static bool become(const struct privileges *privileges)
{
    bool may_become = privileges->may_become;

    if (may_become && (!bound_capabilities() || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1))
        return false;
    return setgroups(1, &privileges->gid) == 0 &&
           setresgid(privileges->gid, privileges->gid, privileges->gid) == 0 &&
           setresuid(privileges->uid, privileges->uid, privileges->uid) == 0 &&
           (!may_become || keep_capabilities());
}

int privileges_apply(const struct privileges *privileges)
{
    /* What a service manager granted to the daemon is not for its roles. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return errno; /* EINVAL: a kernel that has none */
    if (privileges->is_root) {
        if (!become(privileges))
            return errno;
        if (!is_dropped(privileges))
            return EPERM;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}
