/* SPDX-License-Identifier: ISC */
/*
 * instance: a plugin at work: its operations, its place to run, the services that it gets.
 *
 * This is what the front end of each kind is built on (route/table.c for lookups, receive/access.c,
 * deliver/transport.c and nexthop.c, queue/store.c and deferral.c). instance_new finds, loads and
 * merges, instance_open calls the plugin's open().
 *
 * A derived plugin has two sides, its own and the base's; INSTANCE_SIDE picks the one that has the
 * operation. For others both are the same.
 *
 *   const struct instance_side *side = INSTANCE_SIDE(i, struct sluice_transport_ops, deliver);
 *   fate = INSTANCE_OPS(side, struct sluice_transport_ops)->deliver(side->self, ...);
 */
#ifndef PLUGIN_INSTANCE_H
#define PLUGIN_INSTANCE_H

#include "base/error.h"
#include "config/config.h"
#include "sluice/plugin.h"

#include <stdbool.h>

struct instance;
struct pool;

struct instance_side {
    const void *ops;
    void *self;
};

/* Loads the plugin (once in a process) and binds interface. CONFIG with a text. */
sluice_status instance_new(const struct config_instance *configured, struct instance **ret_instance,
                           struct error *err);
/* After instance_close. Accepts NULL. */
void instance_free(struct instance *instance);

const char *instance_name(const struct instance *instance); /* "etrn-only" */
const char *instance_plugin(const struct instance *instance); /* "transport/etrn-only" */
const struct sluice_host *instance_host(const struct instance *instance);
int32_t instance_mode(const struct instance *instance); /* SLUICE_MODE_... */
/* SERIAL and PARALLEL: the instance's threads; else NULL. */
struct pool *instance_pool(struct instance *instance);

/*
 * Calls open() of the base, then of the derived side if that has one. argument is what open() of
 * this interface wants beside the usual: a lookup's name (what follows the colon), a store's folder;
 * else NULL. instance_close undoes it, the derived side first; it accepts NULL and one that is not open.
 */
sluice_status instance_open(struct instance *instance, const char *argument, struct error *err);
void instance_close(struct instance *instance);

/* The side that has the operation at that offset of the ops struct, or NULL if neither has. */
const struct instance_side *instance_side(const struct instance *instance, size_t offset);
#define INSTANCE_SIDE(instance, type, member) instance_side((instance), offsetof(type, member))
#define INSTANCE_OPS(side, type) ((const type *)(side)->ops)

/*
 * Around each call: names the plugin in the log while it runs, for a crash or a hang; bounds what it
 * waits for on a task, whatever deadlines it asks for itself; counts calls, time and statuses for
 * the metrics.
 */
struct instance_call {
    struct instance *instance;
    int64_t started_us;
    const char *activity; /* of the task before */
    int64_t limit_ms;
};
void instance_enter(struct instance_call *call, struct instance *instance, int64_t deadline_ms);
void instance_leave(struct instance_call *call, sluice_status status);

#endif
