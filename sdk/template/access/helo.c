/* SPDX-License-Identifier: 0BSD */
/*
 * helo: one restriction, reject_missing_helo, for clients that send mail without having greeted.
 *
 *   access_plugins               = [ "basic", "helo" ];
 *   smtpd_recipient_restrictions = [ "reject_missing_helo" ];
 *
 * The template of an access plugin.
 */
#include <sluice/access.h>

static sluice_status open_access(const struct sluice_host *host, const struct sluice_config *config,
                                 const struct sluice_errors *errors,
                                 struct sluice_access **ret_access)
{
    (void)host;
    (void)config;
    (void)errors;
    *ret_access = NULL; /* nothing to remember */
    return SLUICE_OK;
}

static void close_access(struct sluice_access *access)
{
    (void)access;
}

/* restriction is one of the words below. No verdict: the next word of the list is asked. TEMP tells
 * the client 451. */
static sluice_status decide(struct sluice_access *access, const char *restriction,
                            const struct sluice_access_request *request, int64_t deadline_ms,
                            const struct sluice_access_sink *sink,
                            const struct sluice_errors *errors)
{
    (void)access;
    (void)deadline_ms;
    if (strcmp(restriction, "reject_missing_helo") != 0) {
        errors->explain(errors, "4.3.5", "helo: asked about a restriction that it does not know");
        return SLUICE_TEMP;
    }
    if (request->helo.len == 0)
        sink->verdict(sink, SLUICE_VERDICT_REJECT, 503, "5.5.1", "Send HELO or EHLO first");
    return SLUICE_OK;
}

/* No SLUICE_RESTRICTION_REFUSES: who greets is let through, so that this word alone would not keep
 * the host from being an open relay. */
static const struct sluice_restriction restrictions[] = {
    {"reject_missing_helo", 0, 0, "Reject unless HELO or EHLO was sent"},
};

static const struct sluice_access_ops ops = {
    .struct_size = sizeof(ops),
    .restrictions = restrictions,
    .restriction_count = sizeof(restrictions) / sizeof(restrictions[0]),
    .restriction_size = sizeof(restrictions[0]),
    .open = open_access,
    .close = close_access,
    .decide = decide,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_ACCESS_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "access/helo",
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "Rejects clients that do not greet",
    .mode = SLUICE_MODE_INLINE,
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
