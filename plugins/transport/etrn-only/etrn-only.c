/* SPDX-License-Identifier: ISC */
/*
 * transport/etrn-only: smtp under a name to hold mail back by.
 *
 * Nothing in here makes mail wait. Mail waits because the configuration says
 *
 *   defer_transports = [ "etrn-only" ];
 *
 * which binds the transport of that name to the on-demand deferral, as it would any other. Once the
 * mail is released (ETRN, sendmail -q, ...) it is sent as smtp sends. The plugin exists so that such
 * mail has a transport, and with it sites and limits, of its own; and no fallback relay of others.
 *
 * relay.c next door says how to make a plugin like this of your own.
 */
#include "sluice/transport.h"

/* A site that is not there is why its mail is kept here: it must not leave for a fallback relay that
 * is meant for mail to the internet. Only the transport's own group sets these. */
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
    .name = "transport/etrn-only",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "SMTP to sites that ask for their mail",
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
