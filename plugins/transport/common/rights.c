/* SPDX-License-Identifier: ISC */
/* rights: see rights.h. */
#include "rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NO_ID ((uid_t)-1) /* changes nothing, tells what is */

static int set_groups(gid_t group)
{
    return syscall(SYS_setgroups, 1, &group) == 0 ? 0 : errno;
}

/* ---- this thread's files --------------------------------------------------------------------- */

static bool is_own(void)
{
    return (uid_t)setfsuid(NO_ID) == geteuid() && (gid_t)setfsgid(NO_ID) == getegid();
}

int rights_take(const struct rights *rights)
{
    int error;

    if (rights->uid == geteuid() && rights->gid == getegid())
        return 0;
    if (rights->uid == 0)
        return EPERM;
    error = set_groups(rights->gid);
    if (error != 0) /* without the capability everybody has what he has */
        return error == EPERM && rights->uid == geteuid() ? 0 : error;
    (void)setfsgid(rights->gid); /* these two answer with what was */
    (void)setfsuid(rights->uid);
    if ((uid_t)setfsuid(NO_ID) == rights->uid && (gid_t)setfsgid(NO_ID) == rights->gid)
        return 0;
    rights_return();
    return EPERM;
}

void rights_return(void)
{
    if (is_own())
        return;
    (void)setfsuid(geteuid());
    (void)setfsgid(getegid());
    if (!is_own() || set_groups(getegid()) != 0)
        abort(); /* else the next one's mail would be written with these rights */
}

/* ---- commands -------------------------------------------------------------------------------- */

static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return errno; /* EINVAL: a kernel that has none */
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

static int set_user(const struct rights *rights)
{
    int error;

    if (rights->uid == geteuid() && rights->gid == getegid())
        return 0;
    if (rights->uid == 0)
        return EPERM;
    error = set_groups(rights->gid);
    if (error != 0)
        return error == EPERM && rights->uid == geteuid() ? 0 : error;
    if (syscall(SYS_setresgid, rights->gid, rights->gid, rights->gid) != 0 ||
        syscall(SYS_setresuid, rights->uid, rights->uid, rights->uid) != 0)
        return errno;
    return 0;
}

int rights_become(const struct rights *rights)
{
    int error = rights != NULL ? set_user(rights) : 0;

    return error == 0 ? drop_capabilities() : error;
}

/* Only who is that user himself may: CAP_KILL, for all processes, is not among what we keep. */
void rights_signal(const struct rights *rights, pid_t group, int signal)
{
    uid_t own = geteuid();
    bool is_other = rights != NULL && rights->uid != own && rights->uid != 0;

    if (is_other && syscall(SYS_setresuid, NO_ID, rights->uid, NO_ID) != 0)
        return;
    if (kill(-group, signal) == -1) /* it has none yet, or has gone */
        (void)kill(group, signal);
    if (is_other && syscall(SYS_setresuid, NO_ID, own, NO_ID) != 0)
        abort();
}
