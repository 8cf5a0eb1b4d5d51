/* SPDX-License-Identifier: ISC */
/*
 * outlet: where the daemon's log goes, the master's and, handed down, its roles'.
 *
 * That is the file that maillog_file names; without one syslog in the background, and in the
 * foreground standard error, or the journal where standard error is the journal. The master opens the
 * file for all, whose users could not; once a second it looks whether somebody has renamed it, so
 * that rotating logs needs no signal.
 *
 * Order: outlet_start -> (outlet_configure, outlet_watch) -> outlet_stop.
 */
#ifndef MASTER_OUTLET_H
#define MASTER_OUTLET_H

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"

#include <limits.h>
#include <sys/types.h>

struct task;

struct outlet {
    struct log_settings settings;
    enum log_target without_file;
    int file_fd; /* -1: no file */
    char path[PATH_MAX];
    dev_t device;
    ino_t inode;
    struct task *watch;
    void (*renewed)(void *user); /* file_fd is another one */
    void *user;
};

/* Starts the master's log; renewed is called whenever the file has changed. */
void outlet_start(struct outlet *outlet, bool is_foreground, void (*renewed)(void *user),
                  void *user);
/* As the configuration wants it, for the first time or again. CONFIG: the file cannot be opened, all
 * is as before. */
sluice_status outlet_configure(struct outlet *outlet, const struct config *config,
                               struct error *err);
/* Looks after the file from now on. TEMP: no memory. [loop] */
sluice_status outlet_watch(struct outlet *outlet);
void outlet_unwatch(struct outlet *outlet);
/* Ends the log. After the loop. */
void outlet_stop(struct outlet *outlet);

#endif
