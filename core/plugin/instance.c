/* SPDX-License-Identifier: ISC */
/*
 * instance: see instance.h.
 */
#include "plugin/instance.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "plugin/derive.h"
#include "plugin/host.h"
#include "plugin/interface.h"
#include "plugin/load.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARALLEL_THREADS_MAX 8
#define INSTANCE_STATUSES 6 /* SLUICE_OK to SLUICE_UNSUPPORTED */
#define KIND_SIZE 32
#define GRACE_MS 1000        /* for a plugin to come back after its deadline, before its waits end */
#define LOOP_PATIENCE_MS 200 /* an inline call that takes longer is complained about */

struct instance {
    const struct config_instance *configured;
    char *label; /* "transport/smtp slow" */
    struct derivation derivation;
    struct host host;
    struct instance_side base;
    struct instance_side derived;
    struct sluice_base base_service; /* the derived side's way to the base */
    bool is_open;
    struct pool *pool;
    struct complaint slow;
    struct metric *calls[INSTANCE_STATUSES]; /* by status */
    struct metric *call_seconds;
};

/* "lookup" of "sluice.lookup/1" */
static void find_metrics(struct instance *instance)
{
    static const char *const statuses[INSTANCE_STATUSES] = {"ok",   "not_found", "temp",
                                                            "perm", "config",    "unsupported"};
    const struct config_instance *configured = instance->configured;
    struct sluice_span kind = sluice_span_of(configured->interface);
    char text[KIND_SIZE];

    kind = span_skip(span_first(kind, span_find(kind, '/')), strlen("sluice."));
    (void)snprintf(text, sizeof(text), "%.*s", SPAN_ARGS(kind));
    for (size_t i = 0; i < INSTANCE_STATUSES; i++)
        instance->calls[i] =
            metric_get(METRIC_PLUGIN_CALLS, text, configured->name, statuses[i]);
    instance->call_seconds =
        metric_get(METRIC_PLUGIN_CALL_SECONDS, text, configured->name, NULL);
}

static sluice_status start_pool(struct instance *instance, struct error *err)
{
    int32_t mode = instance->derivation.mode;
    unsigned threads = mode == SLUICE_MODE_SERIAL ? 1 : PARALLEL_THREADS_MAX;

    if (mode != SLUICE_MODE_SERIAL && mode != SLUICE_MODE_PARALLEL)
        return SLUICE_OK;
    if (pool_new(instance->configured->name, threads, &instance->pool) != SLUICE_OK)
        return error_set(err, SLUICE_TEMP, "%s: out of memory", instance->configured->name);
    return SLUICE_OK;
}

static void set_sides(struct instance *instance)
{
    instance->base.ops = instance->derivation.base_ops;
    instance->derived.ops = instance->derivation.derived_ops;
    if (instance->derived.ops == NULL)
        return;
    instance->base_service = (struct sluice_base){
        .struct_size = sizeof(instance->base_service),
        .ops = instance->base.ops,
        .host = &instance->host.sdk,
    };
}

sluice_status instance_new(const struct config_instance *configured, struct instance **ret_instance,
                           struct error *err)
{
    struct instance *instance = calloc(1, sizeof(*instance));
    sluice_status st;

    if (instance == NULL ||
        asprintf(&instance->label, "%s %s", configured->plugin, configured->name) == -1) {
        free(instance);
        return error_set(err, SLUICE_TEMP, "%s: out of memory", configured->name);
    }
    instance->configured = configured;
    host_init(&instance->host, configured->name, instance->label);
    find_metrics(instance);
    st = derive_resolve(configured->plugin, configured->interface, &instance->derivation, err);
    if (st == SLUICE_OK)
        st = start_pool(instance, err);
    if (st != SLUICE_OK) {
        instance_free(instance);
        return st;
    }
    set_sides(instance);
    *ret_instance = instance;
    return SLUICE_OK;
}

void instance_free(struct instance *instance)
{
    if (instance == NULL)
        return;
    pool_free(instance->pool);
    host_done(&instance->host);
    derive_done(&instance->derivation);
    free(instance->label);
    free(instance);
}

const char *instance_name(const struct instance *instance)
{
    return instance->configured->name;
}

const char *instance_plugin(const struct instance *instance)
{
    return instance->configured->plugin;
}

const struct sluice_host *instance_host(const struct instance *instance)
{
    return &instance->host.sdk;
}

int32_t instance_mode(const struct instance *instance)
{
    return instance->derivation.mode;
}

struct pool *instance_pool(struct instance *instance)
{
    return instance->pool;
}

/* ---- sides ---------------------------------------------------------------------------------- */

const struct instance_side *instance_side(const struct instance *instance, size_t offset)
{
    if (instance->derived.ops != NULL && interface_has(instance->derived.ops, offset))
        return &instance->derived;
    return interface_has(instance->base.ops, offset) ? &instance->base : NULL;
}

/* ---- open and close ------------------------------------------------------------------------- */

/* A derived side without an open of its own works on its base. */
static sluice_status open_side(struct instance *instance, struct instance_side *side,
                               const char *argument, struct error *err)
{
    const struct config_instance *configured = instance->configured;
    sluice_status st;

    if (!interface_has_open(configured->interface, side->ops)) {
        side->self = &instance->base_service;
        return SLUICE_OK;
    }
    st = interface_open(configured->interface, side->ops, &instance->host.sdk, configured->options,
                        argument, err, &side->self);

    if (st != SLUICE_OK && (err == NULL || err->text[0] == '\0'))
        (void)error_set(err, st, "it gives no reason");
    return st;
}

static void close_side(const struct instance *instance, struct instance_side *side)
{
    interface_close(instance->configured->interface, side->ops, side->self);
    side->self = NULL;
}

sluice_status instance_open(struct instance *instance, const char *argument, struct error *err)
{
    sluice_status st = open_side(instance, &instance->base, argument, err);

    if (st != SLUICE_OK)
        return st;
    if (instance->derived.ops != NULL) {
        instance->base_service.self = instance->base.self;
        instance->host.base = &instance->base_service;
        st = open_side(instance, &instance->derived, argument, err);
    }
    if (st != SLUICE_OK) {
        close_side(instance, &instance->base);
        instance->host.base = NULL;
        return st;
    }
    instance->is_open = true;
    return SLUICE_OK;
}

void instance_close(struct instance *instance)
{
    if (instance == NULL || !instance->is_open)
        return;
    if (instance->derived.ops != NULL)
        close_side(instance, &instance->derived);
    close_side(instance, &instance->base);
    instance->host.base = NULL;
    instance->is_open = false;
}

/* ---- calls ---------------------------------------------------------------------------------- */

void instance_enter(struct instance_call *call, struct instance *instance, int64_t deadline_ms)
{
    call->instance = instance;
    call->started_us = clock_monotonic_us();
    call->activity = task_set_activity(instance->label);
    if (instance->pool == NULL)
        call->limit_ms =
            task_set_limit(deadline_ms < CLOCK_NEVER - GRACE_MS ? deadline_ms + GRACE_MS : CLOCK_NEVER);
}

static void complain_if_slow(struct instance *instance, int64_t time_ms)
{
    if (instance->derivation.mode == SLUICE_MODE_INLINE && time_ms >= LOOP_PATIENCE_MS)
        complain(&instance->slow, LOG_LEVEL_WARNING, "%s: a call held everybody up for %lld ms",
                 instance->label, (long long)time_ms);
}

void instance_leave(struct instance_call *call, sluice_status status)
{
    struct instance *instance = call->instance;
    int64_t time_us = clock_monotonic_us() - call->started_us;

    (void)task_set_activity(call->activity); /* ours goes */
    if (instance->pool == NULL)
        (void)task_set_limit(call->limit_ms);
    metric_add(instance->calls[status_known(status)], 1);
    metric_observe(instance->call_seconds, METRIC_PLUGIN_CALL_SECONDS, (uint64_t)time_us);
    complain_if_slow(instance, time_us / 1000);
}
