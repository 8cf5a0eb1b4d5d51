/* SPDX-License-Identifier: ISC */
/*
 * local: the two ways in for mail of this machine itself. They are listeners as the others are, told
 * apart by their addresses: "unix:run_directory/submission", the socket that sendmail connects to,
 * and "maildrop:maildrop_directory", the folder where it leaves mail while nobody answers there.
 */
#ifndef MASTER_LOCAL_H
#define MASTER_LOCAL_H

#include "master/listeners.h"
#include "master/privileges.h"

/*
 * Makes both and adds them. owner: network_owner, who reads the folder; for commands to write into it
 * belongs to setgid_group where there is such a group. What cannot be had is a warning in the log:
 * mail from elsewhere does not depend on it. TEMP: out of memory.
 */
sluice_status local_open(const struct config *config, const struct privileges *owner,
                         struct listeners *listeners, struct error *err);
/* The same for a generation after the first: both stay as they are. TEMP: no memory, no descriptor. */
sluice_status local_keep(const struct listeners *before, struct listeners *listeners,
                         struct error *err);

/* A listening socket folder/which, to which anybody on this machine may connect. CONFIG: its name is
 * too long. TEMP with a text. */
sluice_status local_open_socket(const char *folder, const char *which, int *ret_fd,
                                struct error *err);

#endif
