/* SPDX-License-Identifier: ISC */
/*
 * folders: the queue folder and the run folder, made at start if they are not there.
 */
#ifndef MASTER_FOLDERS_H
#define MASTER_FOLDERS_H

#include "config/config.h"
#include "master/privileges.h"

/* The queue folder is its owner's alone; in the run folder everybody may look, and the queue role
 * makes the control socket. CONFIG: a folder is there, but another user's. */
sluice_status folders_make(const struct config *config, const struct privileges *owner,
                           struct error *err);

#endif
