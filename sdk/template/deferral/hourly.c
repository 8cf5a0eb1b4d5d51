/* SPDX-License-Identifier: 0BSD */
/*
 * hourly: new mail goes at once; what is left is tried again at each full hour.
 *
 * The template of a deferral plugin. Its place is queue/, as the queue role loads it.
 */
#include <sluice/deferral.h>

#define HOUR_MS (INT64_C(3600) * 1000)

static sluice_status open_deferral(const struct sluice_host *host,
                                   const struct sluice_config *config,
                                   const struct sluice_errors *errors,
                                   struct sluice_deferral **ret_deferral)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_deferral = NULL; /* nothing to remember: all that counts comes with the question */
    return SLUICE_OK;
}

static void close_deferral(struct sluice_deferral *deferral)
{
    (void)deferral;
}

/* Pure: no clock, no memory. The same histories and the same now give the same answer. */
static int32_t next(struct sluice_deferral *deferral, const struct sluice_unit_history *unit,
                    const struct sluice_site_history *site, int64_t now_ms, int64_t *ret_at_ms)
{
    (void)deferral;
    if (unit->attempts == 0 && site->failures == 0)
        return SLUICE_DEFER_GO;
    *ret_at_ms = (now_ms / HOUR_MS + 1) * HOUR_MS;
    return SLUICE_DEFER_AT;
}

static const struct sluice_deferral_ops ops = {
    .struct_size = sizeof(ops),
    .open = open_deferral,
    .close = close_deferral,
    .next = next,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DEFERRAL_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/hourly",
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "Retries at each full hour",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
