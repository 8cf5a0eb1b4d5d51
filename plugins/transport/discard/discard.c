/* SPDX-License-Identifier: ISC */
/*
 * transport/discard: mail that counts as delivered and goes nowhere. As Postfix's discard(8).
 */
#include "verdict.h"

const struct verdict verdict = {SLUICE_OK, "2.0.0"};

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/discard",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Throws mail away, with the next hop as the reason",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = verdict_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
