/* SPDX-License-Identifier: ISC */
#include "program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool program_find(const char *name, char path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (len <= 0)
        return false;
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = slash != NULL ? PATH_MAX - (size_t)(slash + 1 - path) : 0;
    return room > 0 && (size_t)snprintf(slash + 1, room, "%s", name) < room;
}
