/* SPDX-License-Identifier: ISC */
/*
 * master: the process that is started. It has the configuration checked, makes the folders, opens
 * the listening sockets, and sees the roles through their lives. It parses nothing, loads no plugin
 * and talks to nobody outside.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>

struct master_options {
    const char *config_path;
    bool is_foreground; /* log to standard error */
};

/* The whole life of the daemon; returns its exit status. */
int master_run(const struct master_options *options);

#endif
