/* SPDX-License-Identifier: 0BSD */
/*
 * audited: the smtp transport, which also logs what became of each recipient.
 *
 *   transports     = ( { name = "audited"; plugin = "audited"; } );
 *   transport_maps = [ "hash:/etc/sluice/transport" ];     # customer.tld  audited:[mail.customer.tld]
 *
 * The template of a derived plugin: it names its base and brings the operations that differ. All the
 * rest, options included, is the base's.
 */
#include <sluice/transport.h>

#include <stdio.h>

/* What deliver() of the base reports goes through here, on its way to the host. */
struct tap {
    struct sluice_report report; /* first: the base gets a pointer to it and hands it back */
    const struct sluice_report *host_report;
    const char *recipients; /* recipient_size bytes apart: a newer host's may be larger */
    size_t recipient_size;
    const struct sluice_host *host;
};

static void log_result(const struct tap *tap, struct sluice_span address, sluice_status status,
                       const char *text)
{
    const struct sluice_log *log = tap->host->get_service(tap->host, SLUICE_LOG_ID);
    char line[512];

    if (log == NULL) /* a host need not have every service */
        return;
    (void)snprintf(line, sizeof(line), "audit rcpt=<%.*s> status=%d text=%s", (int)address.len,
                   address.ptr, (int)status, text != NULL ? text : "");
    log->write(tap->host, SLUICE_LOG_NOTICE, line);
}

static void tap_recipient(const struct sluice_report *report, size_t index, sluice_status status,
                          const char *dsn, const char *text)
{
    const struct tap *tap = (const struct tap *)report;
    const void *at = tap->recipients + index * tap->recipient_size;
    const struct sluice_recipient *recipient = at;

    log_result(tap, recipient->address, status, text);
    tap->host_report->recipient(tap->host_report, index, status, dsn, text);
}

static void tap_remaining(const struct sluice_report *report, sluice_status status, const char *dsn,
                          const char *text)
{
    const struct tap *tap = (const struct tap *)report;

    log_result(tap, sluice_span_of("all others"), status, text);
    tap->host_report->remaining(tap->host_report, status, dsn, text);
}

/* The only operation that is ours. As open() is not, the first argument is the base. */
static int32_t deliver(struct sluice_transport *transport, struct sluice_connection *connection,
                       const struct sluice_message *message,
                       const struct sluice_recipient *recipients, size_t count,
                       size_t recipient_size, int64_t deadline_ms,
                       const struct sluice_report *report)
{
    const struct sluice_base *base = (const struct sluice_base *)(const void *)transport;
    const struct sluice_transport_ops *smtp = base->ops;
    struct tap tap = {
        .report = {.struct_size = sizeof(tap.report),
                   .recipient = tap_recipient,
                   .remaining = tap_remaining},
        .host_report = report,
        .recipients = (const char *)recipients,
        .recipient_size = recipient_size,
        .host = base->host,
    };

    return smtp->deliver(base->self, connection, message, recipients, count, recipient_size,
                         deadline_ms, &tap.report);
}

static const struct sluice_transport_ops ops = {.struct_size = sizeof(ops), .deliver = deliver};

static const struct sluice_derive derive = {
    .struct_size = sizeof(derive),
    .base = "transport/smtp",
    .interface = SLUICE_TRANSPORT_ID,
    .ops = &ops,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_DERIVE_ID) == 0 ? &derive : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/audited",
    .version = "1.0.0",
    .license = "0BSD",
    .summary = "SMTP that logs what became of each recipient",
    .mode = SLUICE_MODE_TASK, /* as the base */
    .option_size = sizeof(struct sluice_option),
    .get_interface = get_interface,
};

const struct sluice_plugin_desc *sluice_plugin_entry_v1(void)
{
    return &desc;
}
