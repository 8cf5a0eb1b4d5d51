/* SPDX-License-Identifier: ISC */
/*
 * transport/relay: smtp under a second name, for mail to the domains that we relay for.
 *
 * It sends as smtp does. What differs is that it is a transport of its own: mail for relay_domains
 * (relay_transport) has its own sites, limits and back-off, so that neither a flood of mail to the
 * internet nor a customer's dead server holds up the other; and it has no fallback relay of others.
 *
 * A plugin like this is constant data; there is nothing to call. To make one of your own, copy this
 * file, give it your name, and name in overrides the options of smtp whose defaults you want to
 * change:
 *
 *   static const struct sluice_override overrides[] = {
 *       { "smtp_connect_timeout", "5s" },
 *   };
 *
 * What the configuration sets for the instance still counts more than an override, also at its top
 * level; an option declared anew, as below, takes nothing from there. To change an operation as well,
 * see ops in struct sluice_derive.
 */
#include "sluice/transport.h"

/* fallback_relay is for mail to the internet. Ours goes to a site that may be down for long, or send
 * to the fallback relay itself: mail would leave the queue that keeps it, or go in circles. So only the
 * transport's own group sets these, where the parameters of smtp count for all of its kind. */
static const struct sluice_option options[] = {
    {"fallback_relay", SLUICE_OPT_LIST, 0, "", NULL, "The older name of smtp_fallback_relay"},
    {"smtp_fallback_relay", SLUICE_OPT_LIST, 0, NULL, NULL,
     "Next hops to try when those of the mail were not found or failed for now; not set: "
     "fallback_relay"},
};

static const struct sluice_derive derive = {
    .struct_size = sizeof(derive),
    .base = "transport/smtp",
    .interface = SLUICE_TRANSPORT_ID,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DERIVE_ID) == 0 ? &derive : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/relay",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "SMTP to the domains that we relay for",
    .mode = SLUICE_MODE_TASK,
    .option_size = sizeof(struct sluice_option),
    .option_count = sizeof(options) / sizeof(options[0]),
    .options = options,
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
