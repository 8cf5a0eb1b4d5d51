/* SPDX-License-Identifier: ISC */
/*
 * load: from a plugin's file to its descriptor. The only module that knows libltdl.
 *
 * Trust: the file, the folders above it and the configuration that names it belong to root, to the
 * daemon's owner or to the owner of the running executable, and nobody else may write to them (a
 * sticky folder of root's is fine). The check role opens the file; the master looks at what check
 * hands over; roles load that very file through its descriptor. Code is resident: never unloaded.
 */
#ifndef PLUGIN_LOAD_H
#define PLUGIN_LOAD_H

#include "base/error.h"
#include "sluice/plugin.h"

#include <sys/types.h>

struct plugin;

/* Opens directory/name.so ("lookup/hash") after checking trust. owner: the daemon's owner.
 * CONFIG with the offending path. */
sluice_status plugin_open_file(const char *directory, const char *name, uid_t owner, int *ret_fd,
                               struct error *err);
/* Every folder from / down to path, and path itself, may be trusted. CONFIG. */
sluice_status plugin_check_trust(const char *path, uid_t owner, struct error *err);
/*
 * The same in two steps, for a process that changes its user in between: the folder, trusted up to /;
 * then files in it, whatever the folders above may allow by then.
 */
sluice_status plugin_open_folder(const char *directory, uid_t owner, int *ret_fd,
                                 struct error *err);
sluice_status plugin_open_in(int folder_fd, const char *name, uid_t owner, int *ret_fd,
                             struct error *err);
/* The same for a file that somebody else has opened who may have been taken over meanwhile. CONFIG. */
sluice_status plugin_check_file(int fd, const char *name, uid_t owner, struct error *err);

/* Loads the file behind fd as plugin name, or finds it loaded already. Checks the descriptor: name,
 * sizes, licence, option table. CONFIG with the loader's real reason. */
sluice_status plugin_load(const char *name, int fd, struct plugin **ret_plugin, struct error *err);
/* One that is loaded, or NULL. */
struct plugin *plugin_find(const char *name);
/* The same, or loaded now from the finder's descriptor. CONFIG. */
sluice_status plugin_need(const char *name, struct plugin **ret_plugin, struct error *err);
/* A copy of what the plugin says, with an option table of our stride. */
const struct sluice_plugin_desc *plugin_desc(const struct plugin *plugin);

/* How plugin_need gets at a plugin that is not loaded yet: the role's inherited descriptors
 * (role_plugin_fd), or for check and commands the files themselves. The descriptor stays the
 * finder's; -1: there is none. Set once at start. */
void plugin_set_finder(int (*find_fd)(const char *name));

#endif
