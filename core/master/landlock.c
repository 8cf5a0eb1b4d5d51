/* SPDX-License-Identifier: ISC */
/*
 * landlock: rule sets made with the system calls themselves; glibc has no functions for them. The
 * header of the kernel that we are built on may be older than the kernel that we run on: rights that
 * it does not know are given here.
 */
#include "master/landlock.h"

#include "sluice/lookup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13) /* ABI 2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#endif

#define RIGHTS_ABI_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* that one is the last of ABI 1 */
#define RIGHTS_READ                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* The others make sense for folders alone, and are refused for files. */
#define RIGHTS_OF_FILES                                                                            \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |   \
     LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV)

#define SIBLINGS_MAX 20000 /* a rule each; a folder with more is no place for a queue folder */

/* All rights that this kernel can take away; 0: none. */
static uint64_t find_rights(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    uint64_t rights = abi >= 1 ? RIGHTS_ABI_1 : 0;

    if (abi >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return rights;
}

/* False with errno if it cannot be. A link is left alone: where it leads to has a rule of its own. */
static bool add_rule(int ruleset, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = fd};
    struct stat info;

    if (fstat(fd, &info) == -1)
        return false;
    if (S_ISLNK(info.st_mode))
        return true;
    rule.allowed_access = S_ISDIR(info.st_mode) ? rights : rights & RIGHTS_OF_FILES;
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* ---- the way to the folder ------------------------------------------------------------------- */

struct way {
    int ruleset;
    uint64_t rights;
    size_t siblings;
};

/* What cannot be opened or takes no rule stays closed. */
static void allow_sibling(struct way *way, int folder, const char *name)
{
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return;
    (void)add_rule(way->ruleset, fd, way->rights);
    (void)close(fd); /* only a place */
    way->siblings++;
}

/* Allows all in folder but next. A folder that we may not list gives nothing to allow. */
static sluice_status allow_beside(struct way *way, int folder, const char *next, struct error *err)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return SLUICE_OK;
    DIR *listing = fdopendir(fd);
    if (listing == NULL) {
        (void)close(fd); /* only read */
        return error_set(err, SLUICE_TEMP, "out of memory");
    }
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL && way->siblings <= SIBLINGS_MAX) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, next) != 0)
            allow_sibling(way, folder, entry->d_name);
    }
    (void)closedir(listing); /* only read */
    if (way->siblings > SIBLINGS_MAX)
        return error_set(err, SLUICE_UNSUPPORTED, "more than %d files lie beside the way to it",
                         SIBLINGS_MAX);
    return SLUICE_OK;
}

/* path is absolute and without links; it is cut into its parts. */
static sluice_status walk(struct way *way, char *path, struct error *err)
{
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    sluice_status status = SLUICE_OK;
    char *rest = path;
    char *part;

    while (at != -1 && status == SLUICE_OK && (part = strsep(&rest, "/")) != NULL) {
        if (*part == '\0')
            continue;
        status = allow_beside(way, at, part, err);
        int next = openat(at, part, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        (void)close(at); /* only a place */
        at = next;
    }
    if (at == -1)
        return error_set(err, SLUICE_TEMP, "%s", strerror(errno));
    (void)close(at); /* only a place */
    return status;
}

sluice_status landlock_new(const char *folder, int *ret_ruleset, struct error *err)
{
    struct way way = {.rights = find_rights()};
    struct landlock_ruleset_attr attr = {.handled_access_fs = way.rights};

    if (way.rights == 0)
        return error_set(err, SLUICE_UNSUPPORTED, "not available in this kernel");
    char *path = realpath(folder, NULL);
    if (path == NULL)
        return error_set(err, SLUICE_TEMP, "%s: %s", folder, strerror(errno));
    /* The size of the first member: all that an older kernel knows of it. */
    way.ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    if (way.ruleset == -1) {
        free(path);
        return error_set(err, SLUICE_UNSUPPORTED, "%s", strerror(errno));
    }
    sluice_status status = walk(&way, path, err);
    if (status == SLUICE_OK)
        *ret_ruleset = way.ruleset;
    else
        (void)close(way.ruleset); /* nobody has seen it */
    free(path);
    return status;
}

/* ---- what else is allowed -------------------------------------------------------------------- */

sluice_status landlock_allow(int ruleset, int fd, struct error *err)
{
    if (!add_rule(ruleset, fd, RIGHTS_READ))
        return error_set(err, SLUICE_TEMP, "Landlock: a rule: %s", strerror(errno));
    return SLUICE_OK;
}

/* "transport" in the working directory, or "transport.db"; not the "staff" of "ldap:staff". */
static bool is_file(const char *argument)
{
    size_t len = strlen(argument);
    bool is_found = strchr(argument, '/') != NULL;
    DIR *listing = is_found || len == 0 ? NULL : opendir(".");
    const struct dirent *entry;

    while (listing != NULL && !is_found && (entry = readdir(listing)) != NULL)
        is_found = strncmp(entry->d_name, argument, len) == 0 &&
                   (entry->d_name[len] == '.' || entry->d_name[len] == '\0');
    if (listing != NULL)
        (void)closedir(listing); /* only read */
    return is_found;
}

/* The real path of the folder that file is in, or NULL; the caller frees it. */
static char *folder_of(const char *file)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s", file);

    if (len < 0 || (size_t)len >= sizeof(path))
        return NULL;
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return realpath(".", NULL);
    slash[slash == path ? 1 : 0] = '\0';
    return realpath(path, NULL);
}

static bool is_on_the_way(const char *place, const char *folder)
{
    size_t len = strcmp(place, "/") == 0 ? 0 : strlen(place);

    return strncmp(place, folder, len) == 0 && (folder[len] == '/' || folder[len] == '\0');
}

sluice_status landlock_allow_table(int ruleset, const char *folder, const char *table,
                                   bool *is_readable, struct error *err)
{
    char *place = is_file(table) ? folder_of(table) : NULL;
    char *path = realpath(folder, NULL);
    sluice_status status = SLUICE_OK;

    /* What is not there gives no right; the table's reader will say so. */
    if (place != NULL && path != NULL && is_on_the_way(place, path)) {
        int fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd != -1) {
            status = landlock_allow(ruleset, fd, err);
            (void)close(fd); /* only a place */
            *is_readable = true;
        }
    }
    free(place);
    free(path);
    return status;
}

sluice_status landlock_allow_tables(int ruleset, const char *folder, const struct config *config,
                                    bool *is_readable, struct error *err)
{
    size_t count = config_instance_count(config);
    sluice_status status = SLUICE_OK;

    for (size_t i = 0; i < count && status == SLUICE_OK; i++) {
        const struct config_instance *instance = config_instance_at(config, i);
        if (strcmp(instance->interface, SLUICE_LOOKUP_ID) == 0)
            status = landlock_allow_table(ruleset, folder, instance->argument, is_readable, err);
    }
    return status;
}

int landlock_apply(int ruleset)
{
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}
