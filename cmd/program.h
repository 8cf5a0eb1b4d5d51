/* SPDX-License-Identifier: ISC */
/*
 * program: another command of ours, as it was installed with the running one.
 */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* The last part of a path: what the program was called by. Part of path. */
const char *program_name(const char *path);
/* The path of the command of that name beside the running file. False: there is no such path. */
bool program_find(const char *name, char path[PATH_MAX]);

#endif
