/* SPDX-License-Identifier: ISC */
/* scratch: empty folders to test in. */
#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLDERS_OPEN_MAX 16

void scratch_make(char path[SCRATCH_PATH_MAX])
{
    const char *base = getenv("TMPDIR");

    if (base == NULL)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, SCRATCH_PATH_MAX, "%s/sluice-store-XXXXXX", base);
    if (mkdtemp(path) == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_remove(const char *path)
{
    (void)nftw(path, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}
