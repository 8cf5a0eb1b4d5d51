/* SPDX-License-Identifier: ISC */
/*
 * local: a socket that anybody may connect to, since it says who does; and a folder closed to all but
 * its owner and its group. The folder is opened here, for the owner may not be able to get to it.
 */
#include "master/local.h"

#include "base/durable.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define ADDRESS_SIZE 4200 /* a path and what is before it */

/* ---- the socket ------------------------------------------------------------------------------ */

/* The folder is mail_owner's, and the master is root: chmod of a name there would follow whatever link
 * lies in its place. So the mode, 0666, comes with bind. */
static bool bind_open(int fd, const struct sockaddr_un *name)
{
    mode_t mask = umask(0111);
    bool is_bound = bind(fd, (const struct sockaddr *)name, sizeof(*name)) == 0;

    (void)umask(mask);
    return is_bound;
}

/* One that a daemon before us has left behind makes way: there is a lock against two daemons. */
static bool set_up(int fd, const struct sockaddr_un *name)
{
    (void)unlink(name->sun_path); /* usually not there; else bind says so */
    return bind_open(fd, name) && listen(fd, BACKLOG) == 0;
}

sluice_status local_open_socket(const char *folder, const char *which, int *ret_fd,
                                struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", folder, which);

    if (len < 0 || (size_t)len >= sizeof(name.sun_path))
        return error_set(err, SLUICE_CONFIG, "%s/%s is too long for a socket's name", folder,
                         which);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd != -1 && set_up(fd, &name)) {
        *ret_fd = fd;
        return SLUICE_OK;
    }
    sluice_status status = error_set(err, SLUICE_TEMP, "%s: %s", name.sun_path, strerror(errno));
    if (fd != -1)
        (void)close(fd); /* nobody has used it */
    return status;
}

/* ---- the folder ------------------------------------------------------------------------------ */

/* With a group of its own it is open to that group, whose members may not touch each other's files;
 * also where the folder was there before the group. */
static bool set_rights(int fd, const struct privileges *owner, const char *group_name)
{
    const struct group *group = owner->is_root ? getgrnam(group_name) : NULL;
    gid_t gid = group != NULL ? group->gr_gid : owner->gid;
    mode_t mode = group != NULL ? 01770 : 0700;
    struct stat info;

    if (!owner->is_root)
        return true;
    if (fstat(fd, &info) == -1)
        return false;
    if ((info.st_uid != owner->uid || info.st_gid != gid) && fchown(fd, owner->uid, gid) == -1)
        return false;
    return (info.st_mode & 07777) == mode || fchmod(fd, mode) == 0;
}

static sluice_status open_folder(const char *path, const struct privileges *owner,
                                 const char *group, int *ret_fd, struct error *err)
{
    sluice_status status = durable_make_folder(path, 0700, (uid_t)-1, (gid_t)-1, err);

    if (status != SLUICE_OK)
        return status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd != -1 && set_rights(fd, owner, group)) {
        *ret_fd = fd;
        return SLUICE_OK;
    }
    status = error_set(err, SLUICE_TEMP, "%s: %s", path, strerror(errno));
    if (fd != -1)
        (void)close(fd); /* only a place */
    return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

static sluice_status add(struct listeners *listeners, const char *kind, const char *path, int fd,
                         struct error *err)
{
    char address[ADDRESS_SIZE];

    (void)snprintf(address, sizeof(address), "%s:%s", kind, path);
    if (listeners_add(listeners, address, fd) == SLUICE_OK)
        return SLUICE_OK;
    (void)close(fd); /* nobody has used it */
    return error_set(err, SLUICE_TEMP, "%s: out of memory", address);
}

static void warn(const struct error *why)
{
    log_warning("%s; mail of this machine cannot be submitted that way", why->text);
}

sluice_status local_open(const struct config *config, const struct privileges *owner,
                         struct listeners *listeners, struct error *err)
{
    const char *maildrop = config_text(config, "maildrop_directory");
    const char *folder = config_text(config, "run_directory");
    struct error why = ERROR_INIT;
    char path[ADDRESS_SIZE];
    sluice_status status = SLUICE_OK;
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%s/submission", folder);
    if (local_open_socket(folder, "submission", &fd, &why) == SLUICE_OK)
        status = add(listeners, "unix", path, fd, err);
    else
        warn(&why);
    if (status != SLUICE_OK)
        return status;
    if (open_folder(maildrop, owner, config_text(config, "setgid_group"), &fd, &why) == SLUICE_OK)
        return add(listeners, "maildrop", maildrop, fd, err);
    warn(&why);
    return SLUICE_OK;
}

static bool is_local(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 || strncmp(address, "maildrop:", 9) == 0;
}

sluice_status local_keep(const struct listeners *before, struct listeners *listeners,
                         struct error *err)
{
    for (size_t i = 0; i < before->count; i++) {
        const char *address = before->list[i].address;

        if (!is_local(address))
            continue;
        int fd = fcntl(before->list[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fd == -1)
            return error_set(err, SLUICE_TEMP, "%s: %s", address, strerror(errno));
        if (listeners_add(listeners, address, fd) != SLUICE_OK) {
            (void)close(fd); /* nobody has used it */
            return error_set(err, SLUICE_TEMP, "%s: out of memory", address);
        }
    }
    return SLUICE_OK;
}
