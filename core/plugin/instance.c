/* SPDX-License-Identifier: ISC */
/*
 * instance: see instance.h.
 */
#include "plugin/instance.h"

#include "base/clock.h"
#include "base/log.h"
#include "plugin/derive.h"
#include "plugin/host.h"
#include "plugin/interface.h"
#include "plugin/load.h"
#include "task/pool.h"
#include "task/task.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARALLEL_THREADS_MAX 8
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
    _Atomic uint64_t calls;
    _Atomic uint64_t time_ms;
    _Atomic uint64_t statuses[INSTANCE_STATUSES];
};

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

static void log_counts(const struct instance *instance)
{
    struct instance_counts counts;

    instance_get_counts(instance, &counts);
    log_debug("%s: %llu calls took %llu ms, %llu were TEMP", instance->label,
              (unsigned long long)counts.calls, (unsigned long long)counts.time_ms,
              (unsigned long long)counts.statuses[SLUICE_TEMP]);
}

void instance_close(struct instance *instance)
{
    if (instance == NULL || !instance->is_open)
        return;
    log_counts(instance);
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
    call->started_ms = clock_monotonic_ms();
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
    int64_t time_ms = clock_monotonic_ms() - call->started_ms;

    (void)task_set_activity(call->activity); /* ours goes */
    if (instance->pool == NULL)
        (void)task_set_limit(call->limit_ms);
    atomic_fetch_add(&instance->calls, 1);
    atomic_fetch_add(&instance->time_ms, time_ms > 0 ? (uint64_t)time_ms : 0);
    atomic_fetch_add(&instance->statuses[status_known(status)], 1);
    complain_if_slow(instance, time_ms);
}

void instance_get_counts(const struct instance *instance, struct instance_counts *ret_counts)
{
    ret_counts->calls = atomic_load(&instance->calls);
    ret_counts->time_ms = atomic_load(&instance->time_ms);
    for (size_t i = 0; i < INSTANCE_STATUSES; i++)
        ret_counts->statuses[i] = atomic_load(&instance->statuses[i]);
}
