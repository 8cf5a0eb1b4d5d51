/* SPDX-License-Identifier: ISC */
/*
 * generation: what one successful check has produced: for each role the snapshot of its
 * configuration and the files of the plugins that it may load, all as descriptors.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define GENERATION_PLUGINS_MAX 256 /* of one role */
#define GENERATION_ROLES 4

struct generation_plugin {
    char *name; /* "lookup/hash" */
    int fd;
};

struct generation_role {
    const char *name; /* "master", "receive", "queue", "deliver" */
    int snapshot_fd;
    struct generation_plugin *plugins;
    size_t plugin_count;
};

struct generation {
    uint64_t number;
    struct generation_role roles[GENERATION_ROLES];
};

void generation_init(struct generation *generation, uint64_t number);
void generation_done(struct generation *generation);

/*
 * Runs the check role on the file, which says on standard error what is wrong with it. OK: the
 * generation is complete. CONFIG: it does not check, and everything has been said (err->text is
 * empty). TEMP with a text: the check itself failed, or the task was cancelled. [task: waits]
 */
sluice_status generation_check(struct generation *generation, const char *config_path,
                               struct error *err);
const struct generation_role *generation_role(const struct generation *generation,
                                              const char *name);

#endif
