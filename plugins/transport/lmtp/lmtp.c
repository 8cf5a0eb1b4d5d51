/* SPDX-License-Identifier: ISC */
/*
 * transport/lmtp: delivery to a mail store by LMTP (RFC 2033), such as Dovecot's:
 *
 *   transports = ( { name = "lmtp"; plugin = "lmtp"; } );
 *
 * and then lmtp:unix:/run/dovecot/lmtp or lmtp:inet:store.isp.example:24 as a route. The dialogue is
 * smtp's, which speaks LMTP where the option protocol says so; this is that option, and the port.
 */
#include "sluice/transport.h"

static const struct sluice_override overrides[] = {
    {"protocol", "lmtp"},
    {"smtp_tcp_port", "24"},
};

/* What smtp falls back to is no mail store: only the transport's own group sets these. */
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
    .override_count = sizeof(overrides) / sizeof(overrides[0]),
    .overrides = overrides,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DERIVE_ID) == 0 ? &derive : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/lmtp",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "LMTP to a mail store",
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
