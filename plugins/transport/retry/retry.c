/* SPDX-License-Identifier: ISC */
/*
 * transport/retry: mail that waits, with the next hop as the reason. As Postfix's retry service.
 */
#include "verdict.h"

const struct verdict verdict = {SLUICE_TEMP, "4.0.0"};

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/retry",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Keeps mail in the queue, with the next hop as the reason",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = verdict_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
