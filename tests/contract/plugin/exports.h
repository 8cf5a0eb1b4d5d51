/* SPDX-License-Identifier: ISC */
/*
 * exports: what a shared object shows to the world, read from the file itself, as `nm -D` does.
 */
#ifndef TESTS_CONTRACT_PLUGIN_EXPORTS_H
#define TESTS_CONTRACT_PLUGIN_EXPORTS_H

#include <stddef.h>

#define EXPORT_NAME_MAX 128

/* Number of symbols that the file defines for others, and the name of the first; -1 if the file
 * cannot be read as a shared object of this machine. */
int exports_count(const char *path, char ret_first[EXPORT_NAME_MAX]);

/* 1 if all its symbols are bound when it is opened (DF_1_NOW), 0 if not, -1 as above. */
int exports_bind_now(const char *path);

#endif /* TESTS_CONTRACT_PLUGIN_EXPORTS_H */
