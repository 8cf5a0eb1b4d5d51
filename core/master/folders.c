/* SPDX-License-Identifier: ISC */
/*
 * folders: made by the master, because only root can make them for somebody else.
 */
#include "master/folders.h"

#include "base/durable.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes it to others if somebody has made it with the usual mode. */
static sluice_status make_private(int fd, const char *path, mode_t mode, struct error *err)
{
    if ((mode & 077) == 0)
        return SLUICE_OK;
    if (fchmod(fd, mode & 0700) == -1)
        return error_set(err, SLUICE_TEMP, "%s: open to others, and chmod says: %s", path,
                         strerror(errno));
    log_notice("%s was open to others: closed", path);
    return SLUICE_OK;
}

static sluice_status make_folder(const char *path, mode_t mode, const struct privileges *owner,
                                 struct error *err)
{
    uid_t uid = owner->is_root ? owner->uid : (uid_t)-1;
    gid_t gid = owner->is_root ? owner->gid : (gid_t)-1;
    struct stat info;

    sluice_status status = durable_make_folder(path, mode, uid, gid, err);
    if (status != SLUICE_OK)
        return status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return error_set(err, SLUICE_TEMP, "open %s: %s", path, strerror(errno));
    if (fstat(fd, &info) == -1)
        status = error_set(err, SLUICE_TEMP, "%s: %s", path, strerror(errno));
    else if (info.st_uid != owner->uid)
        status = error_set(err, SLUICE_CONFIG, "%s belongs to user %ld, but has to be that of %ld",
                           path, (long)info.st_uid, (long)owner->uid);
    else if (mode == 0700)
        status = make_private(fd, path, info.st_mode & 07777, err);
    (void)close(fd); /* only read */
    return status;
}

sluice_status folders_make(const struct config *config, const struct privileges *queue,
                           const struct privileges *network, struct error *err)
{
    const struct {
        const char *parameter;
        mode_t mode;
        const struct privileges *owner;
    } folders[] = {{"queue_directory", 0700, queue},
                   {"run_directory", 0755, queue},
                   {"last_known_directory", 0700, network}};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const char *path = config_text(config, folders[i].parameter);
        sluice_status status = make_folder(path, folders[i].mode, folders[i].owner, err);
        if (status != SLUICE_OK) {
            error_prefix(err, "%s: %s", config_origin(config, folders[i].parameter),
                         folders[i].parameter);
            return status;
        }
    }
    return SLUICE_OK;
}
