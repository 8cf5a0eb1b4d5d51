/* SPDX-License-Identifier: ISC */
/*
 * deferral: asks the plugins, and bounds what they answer.
 */
#include "queue/deferral.h"

#include "base/clock.h"
#include "plugin/instance.h"

#include <stdlib.h>
#include <string.h>

struct deferral {
    struct instance *instance; /* NULL: made by deferral_new */
    struct instance_side next;
    struct instance_side site_next; /* its ops are NULL: there is none */
    int64_t minimal_ms;
    int64_t maximal_ms;
};

struct deferral *deferral_new(const struct sluice_deferral_ops *ops, struct sluice_deferral *self,
                              int64_t minimal_ms, int64_t maximal_ms)
{
    struct deferral *deferral = calloc(1, sizeof(*deferral));

    if (deferral == NULL)
        return NULL;
    deferral->next = (struct instance_side){.ops = ops, .self = self};
    if (ops != NULL && SLUICE_HAS(struct sluice_deferral_ops, ops, site_next))
        deferral->site_next = deferral->next;
    deferral->minimal_ms = minimal_ms;
    deferral->maximal_ms = maximal_ms;
    return deferral;
}

void deferral_free(struct deferral *deferral)
{
    if (deferral == NULL)
        return;
    if (deferral->instance != NULL)
        instance_close(deferral->instance);
    instance_free(deferral->instance);
    free(deferral);
}

static sluice_status open_plugin(struct deferral *deferral,
                                 const struct config_instance *configured, struct error *err)
{
    const struct instance_side *side;
    sluice_status st = instance_new(configured, &deferral->instance, err);

    if (st == SLUICE_OK)
        st = instance_open(deferral->instance, NULL, err);
    if (st != SLUICE_OK)
        return st;
    deferral->next = *INSTANCE_SIDE(deferral->instance, struct sluice_deferral_ops, next);
    side = INSTANCE_SIDE(deferral->instance, struct sluice_deferral_ops, site_next);
    if (side != NULL)
        deferral->site_next = *side;
    return SLUICE_OK;
}

static sluice_status open_configured(const struct config *config,
                                     const struct config_instance *configured,
                                     struct deferral **ret_deferral, struct error *err)
{
    struct deferral *deferral =
        deferral_new(NULL, NULL, config_number(config, "minimal_backoff_time"),
                     config_number(config, "maximal_backoff_time"));
    if (deferral == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    sluice_status st = open_plugin(deferral, configured, err);
    if (st != SLUICE_OK) {
        error_prefix(err, "%s: deferral %s", configured->origin, configured->name);
        deferral_free(deferral);
        return st;
    }
    *ret_deferral = deferral;
    return SLUICE_OK;
}

sluice_status deferrals_open(const struct config *config, struct deferrals *ret_deferrals,
                             struct error *err)
{
    size_t count = config_instance_count(config);
    struct deferrals deferrals = {.list = calloc(count + 1, sizeof(struct deferral *))};
    sluice_status st = SLUICE_OK;

    if (deferrals.list == NULL)
        return error_set(err, SLUICE_TEMP, "out of memory");
    for (size_t i = 0; i < count && st == SLUICE_OK; i++) {
        const struct config_instance *configured = config_instance_at(config, i);

        if (strcmp(configured->interface, SLUICE_DEFERRAL_ID) != 0)
            continue;
        st = open_configured(config, configured, &deferrals.list[deferrals.count], err);
        deferrals.count += st == SLUICE_OK;
    }
    if (st == SLUICE_OK)
        *ret_deferrals = deferrals;
    else
        deferrals_close(&deferrals);
    return st;
}

void deferrals_close(struct deferrals *deferrals)
{
    for (size_t i = 0; i < deferrals->count; i++)
        deferral_free(deferrals->list[i]);
    free(deferrals->list);
    *deferrals = (struct deferrals){0};
}

struct deferral *deferrals_find(const struct deferrals *deferrals, const char *name)
{
    for (size_t i = 0; i < deferrals->count; i++) {
        if (strcmp(instance_name(deferrals->list[i]->instance), name) == 0)
            return deferrals->list[i];
    }
    return NULL;
}

/* An answer as a delay. What the host does not know counts as AT with the shortest wait; nothing but
 * a release waits longer than the longest. */
static int64_t to_delay(const struct deferral *deferral, int32_t answer, int64_t at_ms,
                        int64_t now_ms)
{
    int64_t delay_ms;

    if (answer == SLUICE_DEFER_GO)
        return 0;
    if (answer == SLUICE_DEFER_ON_RELEASE)
        return DEFERRAL_ON_RELEASE;
    if (answer != SLUICE_DEFER_AT)
        return deferral->minimal_ms;
    if (at_ms <= now_ms)
        return 0;
    if (__builtin_sub_overflow(at_ms, now_ms, &delay_ms) || delay_ms > deferral->maximal_ms)
        return deferral->maximal_ms;
    return delay_ms;
}

static void enter(const struct deferral *deferral, struct instance_call *call)
{
    if (deferral->instance != NULL)
        instance_enter(call, deferral->instance, CLOCK_NEVER);
}

static void leave(const struct deferral *deferral, struct instance_call *call)
{
    if (deferral->instance != NULL)
        instance_leave(call, SLUICE_OK); /* whatever it answers */
}

int64_t deferral_next(const struct deferral *deferral, const struct sluice_unit_history *unit,
                      const struct sluice_site_history *site, int64_t now_ms)
{
    struct instance_call call;
    int64_t at_ms = 0;

    enter(deferral, &call);
    int32_t answer = INSTANCE_OPS(&deferral->next, struct sluice_deferral_ops)
                         ->next(deferral->next.self, unit, site, now_ms, &at_ms);
    leave(deferral, &call);
    return to_delay(deferral, answer, at_ms, now_ms);
}

int64_t deferral_site_next(const struct deferral *deferral, const struct sluice_site_history *site,
                           int64_t now_ms)
{
    struct instance_call call;
    int64_t at_ms = 0;

    if (deferral->site_next.ops == NULL)
        return 0;
    enter(deferral, &call);
    int32_t answer = INSTANCE_OPS(&deferral->site_next, struct sluice_deferral_ops)
                         ->site_next(deferral->site_next.self, site, now_ms, &at_ms);
    leave(deferral, &call);
    return to_delay(deferral, answer, at_ms, now_ms);
}
