/* SPDX-License-Identifier: ISC */
/*
 * folders: the queue folder and the run folder, made at start if they are not there.
 */
#ifndef MASTER_FOLDERS_H
#define MASTER_FOLDERS_H

#include "config/config.h"
#include "master/privileges.h"

/* The queue folder is queue's alone, and that of last known answers network's; in the run folder, queue's
 * too, everybody may look, and the queue role makes the control socket. CONFIG: a folder is there, but
 * another user's. */
sluice_status folders_make(const struct config *config, const struct privileges *queue,
                           const struct privileges *network, struct error *err);

#endif
