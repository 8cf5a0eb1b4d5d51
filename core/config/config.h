/* SPDX-License-Identifier: ISC */
/*
 * config: the checked configuration, as every role reads it.
 *
 * The check role turns sluice.conf into snapshots: sealed memory files of typed values, each with
 * the file and line it comes from, defaults filled in, and with only that role's secrets. A role
 * opens its snapshot read-only; nobody but check ever parses. Values stay valid until config_close.
 *
 * Asking for a parameter that is not declared in parameters.c (or by a plugin with
 * SLUICE_OPT_GLOBAL), or as another type, is a bug of ours: it asserts.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/error.h"
#include "sluice/host.h"

#include <stdbool.h>

/* Where the configuration is if nobody says another place. */
#define CONFIG_FOLDER "/etc/sluice"
#define CONFIG_NAME "sluice.conf"
#define CONFIG_PATH CONFIG_FOLDER "/" CONFIG_NAME

struct config;

/* Maps the snapshot; the descriptor stays the caller's. */
sluice_status config_open(int fd, struct config **ret_config, struct error *err);
void config_close(struct config *config); /* accepts NULL */

/* Top-level parameters, by Postfix's names where it has one. */
const char *config_text(const struct config *config, const char *name); /* "" if empty or unset */
int64_t config_number(const struct config *config, const char *name);   /* ms, bytes, plain */
bool config_flag(const struct config *config, const char *name);
size_t config_count(const struct config *config, const char *name);
const char *config_item(const struct config *config, const char *name, size_t index);
bool config_has_item(const struct config *config, const char *name, const char *item);
bool config_is_set(const struct config *config, const char *name);      /* named in the file */
/* "sluice.conf:12", or "default". For messages. */
const char *config_origin(const struct config *config, const char *name);

/*
 * A configured instance of a plugin: a table, a transport, the store, ... Those that exist without
 * being listed (smtp, relay, etrn-only, backoff, mx, ...) are here as well as those that are named
 * inside a list ("hash:/etc/sluice/transport").
 */
struct config_instance {
    const char *interface; /* "sluice.lookup/1" */
    const char *name;      /* "hash:/etc/sluice/transport", "ldap:staff", "etrn-only" */
    const char *plugin;    /* "lookup/hash" */
    const char *argument;  /* tables: what follows the colon; else "" */
    const char *origin;    /* "sluice.conf:12" */
    uint32_t table_flags;  /* tables: SLUICE_LOOKUP_... of the plugin; else 0 */
    unsigned home;         /* tables: the lookup process that has it (homes.h), or HOME_NONE */
    const struct sluice_config *options; /* typed, complete */
};

size_t config_instance_count(const struct config *config);
const struct config_instance *config_instance_at(const struct config *config, size_t index);
/* NULL if there is none. */
const struct config_instance *config_instance_find(const struct config *config,
                                                   const char *interface, const char *name);

#endif
