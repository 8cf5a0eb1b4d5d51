/* SPDX-License-Identifier: ISC */
/*
 * delivery_log: see delivery_log.h. All of it is logged here, by one process, so that the lines of a
 * message are in their order; under the names of those programs whose lines the tools look for.
 */
#include "queue/delivery_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/span.h"

#include <stdio.h>

#define CLIENT_SIZE 512

static const struct log_event client_event = {
    .level = LOG_LEVEL_INFO,
    .component = "smtpd",
    .name = "client",
    .text = "{queue_id}: client={client}{, sasl_username=|login|}",
};

static const struct log_event active_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "active",
    .text = "{queue_id}: from=<{from}>, size={size}, nrcpt={nrcpt} (queue active)",
};

static const struct log_event removed_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "removed",
    .text = "{queue_id}: removed",
};

static const char *status_word(sluice_status status)
{
    if (status == SLUICE_OK)
        return "sent";
    return status == SLUICE_PERM ? "bounced" : "deferred";
}

void delivery_log_accepted(uint64_t id, const struct envelope *envelope)
{
    char client[CLIENT_SIZE];

    (void)snprintf(client, sizeof(client), "%.*s[%.*s]", SPAN_ARGS(envelope->client_name),
                   SPAN_ARGS(envelope->client_address)); /* cut is fine */
    if (envelope->client_address.len > 0)
        log_event(&client_event, log_id("queue_id", id), log_text("client", client),
                  log_span_if("login", envelope->login), log_span("proto", envelope->protocol),
                  log_span("helo", envelope->helo));
    log_event(&active_event, log_id("queue_id", id), log_span("from", envelope->sender),
              log_number("size", envelope->content_size),
              log_number("nrcpt", envelope->recipient_count));
}

/* Delays: before the queue (nothing: receive hands over at once), in the queue, connecting,
 * transferring. */
void delivery_log(const struct delivery_line *line)
{
    const struct envelope_recipient *recipient = line->recipient;
    bool is_rewritten = !span_equal(recipient->original, recipient->address);
    struct sluice_span none = SPAN_LITERAL("none");
    int64_t now_ms = clock_wall_ms();
    int64_t started_ms = line->started_ms > 0 ? line->started_ms : now_ms;
    int64_t delay_ms = now_ms - line->arrival_ms;
    int64_t delays_ms[] = {0, started_ms - line->arrival_ms, line->connect_ms, line->transfer_ms};
    struct log_event event = {
        .level = LOG_LEVEL_NOTICE,
        .component = line->transport,
        .name = "delivery",
        .text = "{queue_id}: to=<{to}>,{ orig_to=<|orig_to|>,} relay={relay}, delay={delay}, "
                "delays={delays}, dsn={dsn}, status={status} ({text})",
    };

    log_event(&event, log_id("queue_id", line->id), log_span("to", recipient->address),
              log_span_if("orig_to", is_rewritten ? recipient->original : SPAN_EMPTY),
              log_span("relay", line->relay.len > 0 ? line->relay : none),
              log_seconds("delay", &delay_ms, 1), log_seconds("delays", delays_ms, 4),
              log_span("dsn", line->dsn), log_text("status", status_word(line->status)),
              log_span("text", line->text), log_text("transport", line->transport));
}

void delivery_log_removed(uint64_t id)
{
    log_event(&removed_event, log_id("queue_id", id));
}
