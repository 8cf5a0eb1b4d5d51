/* SPDX-License-Identifier: ISC */
/*
 * null: one restriction, "no_opinion", that never has one. The smallest access plugin.
 */
#include "sluice/access.h"

static sluice_status null_open(const struct sluice_host *host, const struct sluice_config *config,
                               const struct sluice_errors *errors,
                               struct sluice_access **ret_access)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_access = NULL; /* nothing to remember */
    return SLUICE_OK;
}

static void null_close(struct sluice_access *access)
{
    (void)access;
}

static sluice_status null_decide(struct sluice_access *access, const char *restriction,
                                 const struct sluice_access_request *request, int64_t deadline_ms,
                                 const struct sluice_access_sink *sink,
                                 const struct sluice_errors *errors)
{
    (void)access;
    (void)request;
    (void)deadline_ms;
    (void)sink; /* no call is no verdict */
    if (strcmp(restriction, "no_opinion") == 0)
        return SLUICE_OK;
    errors->explain(errors, "4.3.5", "null: asked for a restriction that it does not have");
    return SLUICE_TEMP;
}

static const struct sluice_restriction restrictions[] = {
    {"no_opinion", 0, 0, "Does nothing"},
};

static const struct sluice_access_ops ops = {
    .struct_size = sizeof(ops),
    .restrictions = restrictions,
    .restriction_count = sizeof(restrictions) / sizeof(restrictions[0]),
    .restriction_size = sizeof(restrictions[0]),
    .open = null_open,
    .close = null_close,
    .decide = null_decide,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_ACCESS_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "access/null",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "A restriction that never decides",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
