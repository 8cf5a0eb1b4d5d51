/* SPDX-License-Identifier: ISC */
/*
 * on-demand: never by itself. What is bound to it waits until somebody asks for it: ETRN,
 * sendmail -q, postqueue, sluice site release. After such an attempt it waits again.
 */
#include "sluice/deferral.h"

static sluice_status on_demand_open(const struct sluice_host *host,
                                    const struct sluice_config *config,
                                    const struct sluice_errors *errors,
                                    struct sluice_deferral **ret_deferral)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_deferral = NULL; /* nothing to remember */
    return SLUICE_OK;
}

static void on_demand_close(struct sluice_deferral *deferral)
{
    (void)deferral;
}

static int32_t on_demand_next(struct sluice_deferral *deferral,
                              const struct sluice_unit_history *unit,
                              const struct sluice_site_history *site, int64_t now_ms,
                              int64_t *ret_at_ms)
{
    (void)deferral;
    (void)unit;
    (void)site;
    (void)now_ms;
    (void)ret_at_ms;
    return SLUICE_DEFER_ON_RELEASE;
}

static const struct sluice_deferral_ops ops = {
    .struct_size = sizeof(ops),
    .open = on_demand_open,
    .close = on_demand_close,
    .next = on_demand_next,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DEFERRAL_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/on-demand",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Waits for a release: ETRN, sendmail -q and the like",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
