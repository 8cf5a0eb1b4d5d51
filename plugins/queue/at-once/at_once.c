/* SPDX-License-Identifier: ISC */
/*
 * at-once: tries again at once, always. For tests, where nobody wants to wait: a host that is down
 * would be tried without end.
 */
#include "sluice/deferral.h"

static sluice_status at_once_open(const struct sluice_host *host,
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

static void at_once_close(struct sluice_deferral *deferral)
{
    (void)deferral;
}

static int32_t at_once_next(struct sluice_deferral *deferral,
                            const struct sluice_unit_history *unit,
                            const struct sluice_site_history *site, int64_t now_ms,
                            int64_t *ret_at_ms)
{
    (void)deferral;
    (void)unit;
    (void)site;
    (void)now_ms;
    (void)ret_at_ms;
    return SLUICE_DEFER_GO;
}

static const struct sluice_deferral_ops ops = {
    .struct_size = sizeof(ops),
    .open = at_once_open,
    .close = at_once_close,
    .next = at_once_next,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DEFERRAL_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "queue/at-once",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Tries again at once, always: for tests",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
