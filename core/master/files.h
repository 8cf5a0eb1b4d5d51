/* SPDX-License-Identifier: ISC */
/*
 * files: the plugins' files that check opens: those that the configuration names while it is still
 * root, the bases of derived ones once these have said what their base is. There is one list in a
 * process, since the plugin host asks for files without one.
 */
#ifndef MASTER_FILES_H
#define MASTER_FILES_H

#include "config/draft.h"

#include <sys/types.h>

/* Opens the file of every instance's plugin; what cannot be had or trusted is reported, and the
 * instance is missing. From now on plugin_need finds files here. */
void files_open(struct draft *draft, uid_t owner);
/* -1 if it was not opened. */
int files_fd(const char *plugin);
void files_close(void);

#endif
