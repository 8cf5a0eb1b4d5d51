/* SPDX-License-Identifier: 0BSD */
/*
 * sluice/plugin.h: what a plugin file says about itself.
 *
 * A plugin is a shared object with one exported function, sluice_plugin_entry_v1(). It links
 * nothing of Sluice: what it needs from the daemon it asks of struct sluice_host (host.h).
 *
 * The life of a plugin
 *   1. The host opens the file and calls sluice_plugin_entry_v1(): constant data comes back.
 *   2. The host checks the configured options against the option table; every error names the
 *      file and line of the configuration.
 *   3. get_interface("sluice.lookup/1") and the like: the operations of each kind.
 *   4. open() of that interface, once for each configured instance; then its work; then close().
 * Code is never unloaded while the process lives.
 *
 * Changes: 1.0 first version. 1.3 SLUICE_OPT_VERBATIM.
 */
#ifndef SLUICE_PLUGIN_H
#define SLUICE_PLUGIN_H

#include "sluice/host.h"
#include "sluice/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a plugin's [call] functions behave, and so where the host calls them. */
#define SLUICE_MODE_TASK ((int32_t)1)     /* never blocks, waits only through the host's io and
                                             dns, re-entrant: called on the caller's task, many
                                             at once */
#define SLUICE_MODE_INLINE ((int32_t)2)   /* short local work that never waits: called directly */
#define SLUICE_MODE_SERIAL ((int32_t)3)   /* may block: a thread, one call at a time for each
                                             instance */
#define SLUICE_MODE_PARALLEL ((int32_t)4) /* may block, thread-safe: several threads */

/* Types of options, and how their values are written. */
#define SLUICE_OPT_STRING ((int32_t)1)
#define SLUICE_OPT_INTEGER ((int32_t)2)
#define SLUICE_OPT_BOOLEAN ((int32_t)3)
#define SLUICE_OPT_DURATION ((int32_t)4) /* "300s", "5m", "2h", "5d", "1w" or a number in seconds */
#define SLUICE_OPT_SIZE ((int32_t)5)     /* "64K", "10M", "2G" (powers of 1024) or bytes */
#define SLUICE_OPT_PATH ((int32_t)6)     /* a relative one counts from the folder sluiced started in */
#define SLUICE_OPT_ENUM ((int32_t)7)     /* one of the words in range */
#define SLUICE_OPT_LIST ((int32_t)8)     /* an array of strings, or one string parted by commas or
                                            white space */

#define SLUICE_OPT_REQUIRED ((uint32_t)1 << 0)
#define SLUICE_OPT_SECRET ((uint32_t)1 << 1)     /* never printed, never logged */
#define SLUICE_OPT_RELOADABLE ((uint32_t)1 << 2) /* takes effect on reload, without a restart */
#define SLUICE_OPT_DEPRECATED ((uint32_t)1 << 3) /* accepted with a warning */
#define SLUICE_OPT_GLOBAL ((uint32_t)1 << 4)     /* where the instance's group does not set it, the
                                                    top-level parameter of the same name counts,
                                                    which need not be one of Sluice's */
#define SLUICE_OPT_VERBATIM ((uint32_t)1 << 5)   /* since 1.3. $name stands for itself, and not for
                                                    the parameter of that name */

/* One key that the plugin accepts in the configuration group of its instances. One that the host has for
 * all instances of the kind (a transport's time_limit, user, ...: sluice-plugins(7)) may be here too, with
 * the same type: then default, flags and summary are the plugin's, and the host's meaning holds. Transports, tables and
 * the queue store have such groups; what nexthop, access and deferral plugins are to be told must be
 * SLUICE_OPT_GLOBAL, with the plugin's name in the key. */
struct sluice_option {
    const char *key;
    int32_t type;         /* SLUICE_OPT_... */
    uint32_t flags;       /* SLUICE_OPT_... */
    const char *fallback; /* default, written as in the configuration; NULL: none */
    const char *range;    /* "1..65535", "1s..", "sub|one|base"; NULL: any */
    const char *summary;  /* one line for the manual */
};

/* Constant data about the plugin. */
struct sluice_plugin_desc {
    uint32_t struct_size;
    uint32_t abi_minor;   /* SLUICE_ABI_MINOR of the headers it was built with */
    const char *name;     /* place and file name without .so: "lookup/hash" */
    const char *version;  /* of the plugin */
    const char *license;  /* SPDX expression for the plugin and what it links */
    const char *summary;  /* one line */
    int32_t mode;         /* SLUICE_MODE_... */
    uint32_t option_size; /* sizeof(struct sluice_option): the stride of options */
    uint32_t option_count;
    uint32_t reserved;
    const struct sluice_option *options;
    /* The operations of an interface ("sluice.lookup/1"), or NULL if the plugin does not offer it.
     * The id must match whole. Pure. [any] */
    const void *(*get_interface)(const char *id);
};

#if defined(__GNUC__)
#define SLUICE_EXPORT __attribute__((visibility("default")))
#else
#define SLUICE_EXPORT
#endif

/* The one exported symbol of a plugin. Returns static data and does nothing else. [any] */
SLUICE_EXPORT const struct sluice_plugin_desc *sluice_plugin_entry_v1(void);

/*
 * Deriving: a plugin that is another one with a few things changed answers this id with constant
 * data, and leaves the interface's own id to the host.
 *
 * The host loads the base under the same rules of trust, takes over its option table (a key that
 * the derived plugin declares too is the derived one's), opens the base with the configured options
 * and the overrides below as their defaults, and builds the interface from ops, where a NULL member
 * is the base's.
 *
 * An operation in ops gets what ops.open() returned as its first argument. Where ops.open is NULL
 * it gets a const struct sluice_base * instead: cast, and call base->ops with base->self.
 * A base may itself be derived as long as only one plugin of the chain has operations of its own.
 */
#define SLUICE_DERIVE_ID "sluice.derive/1"

struct sluice_override {
    const char *key;
    const char *value; /* as in the configuration */
};

struct sluice_derive {
    uint32_t struct_size;
    uint32_t override_count;
    const char *base;      /* the base's place and name: "transport/smtp" */
    const char *interface; /* "sluice.transport/1" */
    const struct sluice_override *overrides;
    const void *ops; /* the interface's struct of operations, or NULL: all are the base's */
};

/* The base of a derived instance; also a host service of that id, from open() on. */
#define SLUICE_BASE_ID "sluice.base/1"

struct sluice_base {
    uint32_t struct_size;
    uint32_t reserved;
    const void *ops;                /* the base's struct of operations */
    void *self;                     /* the base's instance: the first argument of each */
    const struct sluice_host *host; /* the services of this instance */
};

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_PLUGIN_H */
