/* SPDX-License-Identifier: ISC */
/*
 * folder: files for a test, in a new folder that is the working directory until folder_leave.
 */
#ifndef TESTS_CONFIG_FOLDER_H
#define TESTS_CONFIG_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FILES_MAX 8

static char folder_path[64];
static const char *folder_files[FOLDER_FILES_MAX];
static int folder_file_count;

static int folder_enter(void **state)
{
    (void)state;
    (void)snprintf(folder_path, sizeof(folder_path), "/tmp/sluice-test-XXXXXX");
    folder_file_count = 0;
    return mkdtemp(folder_path) != NULL && chdir(folder_path) == 0 ? 0 : -1;
}

static int folder_leave(void **state)
{
    (void)state;
    for (int i = 0; i < folder_file_count; i++)
        (void)unlink(folder_files[i]);
    (void)rmdir("sub");
    return chdir("/") == 0 && rmdir(folder_path) == 0 ? 0 : -1;
}

/* The name stays the caller's constant. A name in sub/ makes that folder. */
static void folder_write(const char *name, const char *text, size_t len)
{
    FILE *file;
    int is_known = 0;

    if (strncmp(name, "sub/", 4) == 0)
        (void)mkdir("sub", 0755);
    for (int i = 0; i < folder_file_count; i++)
        is_known |= strcmp(folder_files[i], name) == 0;
    if (!is_known)
        folder_files[folder_file_count++] = name;
    file = fopen(name, "w");
    if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0)
        abort();
}

#endif
