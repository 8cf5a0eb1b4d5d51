/* SPDX-License-Identifier: ISC */
/*
 * transport/smtp: the SMTP client (RFC 5321). This file: its options and the plugin's operations;
 * smtp.h says what is where.
 */
#include "smtp.h"

#include "handshake.h"
#include "session.h"
#include "transaction.h"

#include <stdio.h>
#include <stdlib.h>

#define HOST_NAME_MAX_LEN 255
#define REASON_MAX 200
/* How long the host may have to wait for QUIT to leave: a transfer is over, nobody needs an answer. */
#define QUIT_PATIENCE_MS 2000

static const struct sluice_option options[] = {
    {"myhostname", SLUICE_OPT_STRING, SLUICE_OPT_REQUIRED | SLUICE_OPT_GLOBAL, NULL, NULL,
     "Our name"},
    {"smtp_helo_name", SLUICE_OPT_STRING, SLUICE_OPT_GLOBAL, "", NULL,
     "Name sent with EHLO and HELO; empty: myhostname"},
    {"smtp_tcp_port", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL, "25", "1..65535",
     "Port of destinations that name none"},
    {"smtp_connect_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "30s", "1s..",
     "For a TCP connection"},
    {"smtp_helo_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "300s", "1s..",
     "For the greeting, and for the answer to EHLO or HELO"},
    {"smtp_mail_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "300s", "1s..",
     "For the answer to MAIL"},
    {"smtp_rcpt_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "300s", "1s..",
     "For the answer to each RCPT"},
    {"smtp_data_init_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "120s", "1s..",
     "For the answer to DATA"},
    {"smtp_data_xfer_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "180s", "1s..",
     "For each 64 KiB of content to be taken"},
    {"smtp_data_done_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "600s", "1s..",
     "For the answer to the end of data"},
    {"smtp_rset_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "20s", "1s..",
     "For the answer to RSET"},
    {"smtp_quit_timeout", SLUICE_OPT_DURATION, SLUICE_OPT_GLOBAL, "300s", "1s..",
     "For QUIT to be taken, at most 2s; its answer is not waited for"},
    {"smtp_skip_5xx_greeting", SLUICE_OPT_BOOLEAN, SLUICE_OPT_GLOBAL, "true", NULL,
     "Take a 5xx greeting as temporary"},
    {"smtp_line_length_limit", SLUICE_OPT_INTEGER, SLUICE_OPT_GLOBAL, "0", "0..1048576",
     "Break longer lines of content with CRLF SPACE; 0: leave them whole"},
    {"fallback_relay", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, "", NULL,
     "The older name of smtp_fallback_relay"},
    {"smtp_fallback_relay", SLUICE_OPT_LIST, SLUICE_OPT_GLOBAL, NULL, NULL,
     "Next hops to try when those of the mail were not found or failed for now; not set: "
     "fallback_relay"},
    {"protocol", SLUICE_OPT_ENUM, 0, "smtp", "smtp|lmtp",
     "LMTP (RFC 2033) differs in LHLO, and in a reply for each recipient after the content"},
    {"smtp_8bit_without_8bitmime", SLUICE_OPT_ENUM, SLUICE_OPT_GLOBAL, "send", "send|reject",
     "8-bit content for a server without 8BITMIME: send it unchanged, or fail for good"},
};

/* ---- open and close ------------------------------------------------------------------------- */

static sluice_status config_error(const struct sluice_errors *errors, const char *text)
{
    errors->explain(errors, "4.3.5", text);
    return SLUICE_CONFIG;
}

/* A host name goes into commands: nothing but printable characters without blanks. */
static int is_host_name(const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] <= 0x20 || name[i] >= 0x7f)
            return 0;
    }
    return len >= 1 && len <= HOST_NAME_MAX_LEN;
}

static void get_timeouts(const struct sluice_config *config, struct smtp_timeouts *timeouts)
{
    timeouts->connect_ms = config->get_number(config, "smtp_connect_timeout");
    timeouts->helo_ms = config->get_number(config, "smtp_helo_timeout");
    timeouts->mail_ms = config->get_number(config, "smtp_mail_timeout");
    timeouts->rcpt_ms = config->get_number(config, "smtp_rcpt_timeout");
    timeouts->data_init_ms = config->get_number(config, "smtp_data_init_timeout");
    timeouts->data_xfer_ms = config->get_number(config, "smtp_data_xfer_timeout");
    timeouts->data_done_ms = config->get_number(config, "smtp_data_done_timeout");
    timeouts->rset_ms = config->get_number(config, "smtp_rset_timeout");
    timeouts->quit_ms = config->get_number(config, "smtp_quit_timeout");
    if (timeouts->quit_ms > QUIT_PATIENCE_MS)
        timeouts->quit_ms = QUIT_PATIENCE_MS;
}

static sluice_status get_names(struct sluice_transport *transport,
                               const struct sluice_config *config,
                               const struct sluice_errors *errors)
{
    const char *myhostname = config->get_text(config, "myhostname");
    const char *helo_name = config->get_text(config, "smtp_helo_name");

    if (helo_name == NULL || *helo_name == '\0')
        helo_name = myhostname;
    if (!is_host_name(myhostname))
        return config_error(errors, "myhostname is not a host name");
    if (!is_host_name(helo_name))
        return config_error(errors, "smtp_helo_name is not a host name");
    transport->myhostname = strdup(myhostname);
    transport->helo_name = strdup(helo_name);
    if (transport->myhostname == NULL || transport->helo_name == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    return SLUICE_OK;
}

/* As one text; an empty value is a value. */
static sluice_status get_fallback(struct sluice_transport *transport,
                                  const struct sluice_config *config,
                                  const struct sluice_errors *errors)
{
    const char *key = config->is_set(config, "smtp_fallback_relay") != 0 ? "smtp_fallback_relay"
                                                                         : "fallback_relay";
    size_t count = config->get_count(config, key), size = 1, len = 0;

    for (size_t i = 0; i < count; i++)
        size += strlen(config->get_item(config, key, i)) + 1;
    transport->fallback = calloc(1, size);
    if (transport->fallback == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(transport->fallback + len, size - len, "%s%s", i > 0 ? "," : "",
                                config->get_item(config, key, i));
    return SLUICE_OK;
}

static sluice_status configure(struct sluice_transport *transport,
                               const struct sluice_config *config,
                               const struct sluice_errors *errors)
{
    const struct sluice_host *host = transport->host;
    const char *policy = config->get_text(config, "smtp_8bit_without_8bitmime");
    const char *protocol = config->get_text(config, "protocol");

    transport->io = host->get_service(host, SLUICE_IO_ID);
    transport->clock = host->get_service(host, SLUICE_CLOCK_ID);
    if (transport->io == NULL || transport->clock == NULL)
        return config_error(errors, "needs the services sluice.io/1 and sluice.clock/1");
    get_timeouts(config, &transport->timeouts);
    transport->port = (uint32_t)config->get_number(config, "smtp_tcp_port");
    transport->line_length_limit = (size_t)config->get_number(config, "smtp_line_length_limit");
    if (transport->line_length_limit == 1)
        return config_error(errors, "smtp_line_length_limit is 0 or at least 2");
    transport->is_lmtp = protocol != NULL && strcmp(protocol, "lmtp") == 0;
    transport->skips_5xx_greeting = config->get_number(config, "smtp_skip_5xx_greeting") != 0;
    transport->rejects_8bit_without_8bitmime = policy != NULL && strcmp(policy, "reject") == 0;
    if (get_fallback(transport, config, errors) != SLUICE_OK)
        return SLUICE_TEMP;
    return get_names(transport, config, errors);
}

static void smtp_close(struct sluice_transport *transport)
{
    if (transport == NULL)
        return;
    free(transport->myhostname);
    free(transport->helo_name);
    free(transport->fallback);
    free(transport);
}

static sluice_status smtp_open(const struct sluice_host *host, const struct sluice_config *config,
                               const struct sluice_errors *errors,
                               struct sluice_transport **ret_transport)
{
    struct sluice_transport *transport = calloc(1, sizeof(*transport));
    sluice_status st;

    if (transport == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    transport->host = host;
    st = configure(transport, config, errors);
    if (st != SLUICE_OK) {
        smtp_close(transport);
        return st;
    }
    *ret_transport = transport;
    return SLUICE_OK;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Where the host's io explains itself to us. */
struct reason {
    struct sluice_errors errors;
    char *text; /* of REASON_MAX */
};

static void reason_explain(const struct sluice_errors *errors, const char *dsn, const char *text)
{
    const struct reason *reason = (const struct reason *)(const void *)errors;

    (void)dsn; /* of a connection that cannot be had it is always 4.4.1 */
    (void)snprintf(reason->text, REASON_MAX, "%s", text);
}

static sluice_status open_stream(struct sluice_connection *session,
                                 const struct sluice_target *target, uint32_t port,
                                 struct session_verdict *verdict)
{
    const struct sluice_transport *transport = session->transport;
    char text[REASON_MAX] = "no connection";
    struct reason reason = {
        .errors = {.struct_size = sizeof(reason.errors), .explain = reason_explain},
        .text = text,
    };
    struct sluice_endpoint to = {
        .struct_size = sizeof(to), .port = port, .address = target->address};
    int64_t limit_ms =
        transport->clock->monotonic_ms(transport->host) + transport->timeouts.connect_ms;

    if (limit_ms > session->deadline_ms)
        limit_ms = session->deadline_ms;
    if (transport->io->connect(transport->host, &to, limit_ms, &reason.errors, &session->stream) ==
        SLUICE_OK)
        return SLUICE_OK;
    session->stream = NULL;
    if (target->address.len > 0 && target->address.ptr[0] == '/')
        session_verdict_set(verdict, SLUICE_TEMP, "4.4.1", "connect to %s: %s", session->label,
                            text);
    else
        session_verdict_set(verdict, SLUICE_TEMP, "4.4.1", "connect to %s:%u: %s", session->label,
                            (unsigned)port, text);
    return SLUICE_TEMP;
}

static sluice_status smtp_connect(struct sluice_transport *transport,
                                  const struct sluice_target *target, int64_t deadline_ms,
                                  const struct sluice_errors *errors,
                                  struct sluice_connection **ret_connection)
{
    struct sluice_connection *session = session_new(transport, target);
    uint32_t port = target->port != 0 ? target->port : transport->port;
    struct session_verdict verdict;
    sluice_status st;

    if (session == NULL) {
        errors->explain(errors, "4.3.0", "out of memory");
        return SLUICE_TEMP;
    }
    session_begin(session, deadline_ms);
    st = open_stream(session, target, port, &verdict);
    if (st == SLUICE_OK)
        st = handshake(session, target, port == SMTP_PORT, &verdict);
    if (st != SLUICE_OK) {
        errors->explain(errors, verdict.dsn, verdict.text);
        session_free(session);
        return st;
    }
    *ret_connection = session;
    return SLUICE_OK;
}

static int32_t smtp_deliver(struct sluice_transport *transport,
                            struct sluice_connection *connection,
                            const struct sluice_message *message,
                            const struct sluice_recipient *recipients, size_t count,
                            size_t recipient_size, int64_t deadline_ms,
                            const struct sluice_report *report)
{
    struct transaction_job job = {message, recipients, count, recipient_size, report};

    (void)transport;
    session_begin(connection, deadline_ms);
    return transaction_run(connection, &job);
}

static void smtp_disconnect(struct sluice_transport *transport,
                            struct sluice_connection *connection)
{
    if (connection == NULL)
        return;
    if (!connection->is_finished) {
        session_begin(connection, INT64_MAX);
        /* RFC 5321 4.1.1.10 wants the answer awaited; it would tell us nothing. */
        (void)session_send(connection, sluice_span_of("QUIT\r\n"), transport->timeouts.quit_ms);
    }
    session_free(connection);
}

static uint32_t smtp_port(struct sluice_transport *transport)
{
    return transport->port;
}

static struct sluice_span smtp_fallback(struct sluice_transport *transport)
{
    return sluice_span_of(transport->fallback);
}

/* ---- the plugin ----------------------------------------------------------------------------- */

static const struct sluice_transport_ops ops = {
    .struct_size = sizeof(ops),
    .flags = SLUICE_TRANSPORT_VERIFIES,
    .open = smtp_open,
    .close = smtp_close,
    .connect = smtp_connect,
    .deliver = smtp_deliver,
    .disconnect = smtp_disconnect,
    .port = smtp_port,
    .fallback = smtp_fallback,
};

static const void *get_interface(const char *id)
{
    return strcmp(id, SLUICE_TRANSPORT_ID) == 0 ? &ops : NULL;
}

static const struct sluice_plugin_desc desc = {
    .struct_size = sizeof(desc),
    .abi_minor = SLUICE_ABI_MINOR,
    .name = "transport/smtp",
    .version = "0.1.0",
    .license = "ISC",
    .summary = "Delivers by SMTP",
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
