/* SPDX-License-Identifier: ISC */
/*
 * generation: what one successful check has produced: for each role the snapshot of its
 * configuration and the files of the plugins that it may load, all as descriptors; and what the
 * master has made of it for the roles.
 *
 * It lives as long as somebody holds a reference: the master to the present one, every child to its
 * own.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"
#include "config/crews.h"
#include "config/homes.h"
#include "master/listeners.h"
#include "master/privileges.h"

#include <stdbool.h>
#include <sys/types.h>

#define GENERATION_PLUGINS_MAX 256 /* of one role */
#define GENERATION_ROLES 5

struct generation_plugin {
    char *name; /* "lookup/hash" */
    int fd;
};

struct generation_role {
    const char *name; /* "master", "receive", "queue", "deliver", "metrics"; "lookup" */
    int snapshot_fd;
    struct generation_plugin *plugins;
    size_t plugin_count;
};

struct generation_crew {
    char *name; /* config/crews.h */
    struct privileges privileges;
};

struct generation {
    uint64_t number;
    unsigned references;
    struct generation_role roles[GENERATION_ROLES];
    struct generation_role homes[HOMES_MAX]; /* the role lookup has a snapshot for each home */
    unsigned home_count;
    struct config *config; /* the master's */
    struct listeners listeners;
    int ruleset; /* for all roles but queue; -1: none */
    struct generation_crew crews[CREWS_MAX]; /* without the common one */
    unsigned crew_count;
};

/* One reference, the caller's. */
sluice_status generation_new(uint64_t number, struct generation **ret_generation);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation); /* accepts NULL */

/*
 * Runs the check role on the file. What is wrong with it is said on standard error, or, where said is
 * not NULL, added there line by line. OK: roles, their plugins and config are there. CONFIG: it does
 * not check, and everything has been said (err->text is empty). TEMP with a text: the check itself
 * failed, or deadline_ms has passed, or the task was cancelled. [task: waits]
 */
sluice_status generation_check(struct generation *generation, const char *config_path,
                               int64_t deadline_ms, struct buffer *said, struct error *err);
/* Makes the rule set that closes the queue folder, which must exist. Without Landlock there is none,
 * which is logged. */
sluice_status generation_close_folder(struct generation *generation, struct error *err);
/* Finds the crews of deliver and who they run as; mail and network as privileges_find_crew. */
sluice_status generation_find_crews(struct generation *generation, const struct privileges *mail,
                                    const struct privileges *network, struct error *err);
/* NULL: the common one, or there is none of that name. */
const struct generation_crew *generation_crew(const struct generation *generation,
                                              struct sluice_span name);
/* index: of the process; counts for lookup, where it is its home. */
const struct generation_role *generation_role(const struct generation *generation, const char *name,
                                              unsigned index);

#endif
