/* SPDX-License-Identifier: ISC */
/*
 * plugins: where the tests' plugins are, and a finder for them.
 */
#ifndef TESTS_PLUGIN_PLUGINS_H
#define TESTS_PLUGIN_PLUGINS_H

#include "plugin/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *plugins_folder(void)
{
    static char folder[4096];
    const char *build = getenv("SLUICE_BUILD"); /* set by ctest */

    (void)snprintf(folder, sizeof(folder), "%s/tests/plugins", build != NULL ? build : ".");
    return folder;
}

static int plugins_find(const char *name)
{
    struct error err = ERROR_INIT;
    int fd;

    return plugin_open_file(plugins_folder(), name, getuid(), &fd, &err) == SLUICE_OK ? fd : -1;
}

#endif
