/* SPDX-License-Identifier: ISC */
/*
 * transport/error: mail that nobody gets: the sender is told the next hop. As Postfix's error(8).
 */
#include "verdict.h"

const struct verdict verdict = {SLUICE_PERM, "5.0.0"};

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/error",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Returns mail to its sender, with the next hop as the reason",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = verdict_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
