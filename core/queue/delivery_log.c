/* SPDX-License-Identifier: ISC */
/*
 * delivery_log: see delivery_log.h. All of it is logged here, by one process, so that the lines of a
 * message are in their order; under the names of those programs whose lines the tools look for.
 * It is counted here, too.
 */
#include "queue/delivery_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/span.h"
#include "base/text.h"

#include <stdio.h>

#define CLIENT_SIZE 512
#define PROTOCOL_SIZE 32
#define RELEASE_SIZE 512

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

static const struct log_event expired_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "expired",
    .text = "{queue_id}: from=<{from}>, status={status}, returned to sender",
};

static const struct log_event notification_event = {
    .level = LOG_LEVEL_NOTICE,
    .component = "bounce",
    .name = "notification",
    .text = "{queue_id}: {to} {kind}: {new_id}",
};

static const struct log_event release_event = {
    .level = LOG_LEVEL_NOTICE,
    .name = "release",
    .text = "release: <{released}>, {count} messages, by {by}",
};

static const char *status_word(const struct delivery_line *line)
{
    if (line->status == SLUICE_OK)
        return line->is_verify ? "deliverable" : "sent";
    if (line->status == SLUICE_PERM)
        return line->is_verify ? "undeliverable" : "bounced";
    return line->is_verify ? "delayed" : "deferred";
}

static void count_accepted(const struct envelope *envelope)
{
    char protocol[PROTOCOL_SIZE];

    text_copy_span(protocol, sizeof(protocol), envelope->protocol);
    metric_add(metric_get(METRIC_MESSAGES_ACCEPTED, protocol, NULL, NULL), 1);
    metric_add(metric_get(METRIC_BYTES_ACCEPTED, NULL, NULL, NULL), envelope->content_size);
}

void delivery_log_accepted(uint64_t id, const struct envelope *envelope)
{
    char client[CLIENT_SIZE];

    count_accepted(envelope);
    struct text text = text_open(client, sizeof(client)); /* cut is fine */
    text_add_span(&text, envelope->client_name);
    text_add(&text, "[");
    text_add_span(&text, envelope->client_address);
    text_add(&text, "]");
    if (envelope->client_address.len > 0)
        log_event(&client_event, log_id("queue_id", id), log_text("client", client),
                  log_span_if("login", envelope->login), log_span("proto", envelope->protocol),
                  log_span("helo", envelope->helo));
    log_event(&active_event, log_id("queue_id", id), log_span("from", envelope->sender),
              log_number("size", envelope->content_size),
              log_number("nrcpt", envelope->recipient_count));
}

static uint64_t to_us(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms * 1000 : 0; /* less than nothing: a clock that was set */
}

/* What is only told to wait is no attempt. */
static void count_attempt(const struct delivery_line *line, int64_t delay_ms)
{
    if (line->started_ms == 0)
        return;
    metric_add(metric_get(METRIC_DELIVERY_ATTEMPTS, line->transport, status_word(line), NULL), 1);
    if (line->status == SLUICE_OK && !line->is_verify)
        metric_observe(metric_get(METRIC_DELIVERY_DELAY_SECONDS, line->transport, NULL, NULL),
                       METRIC_DELIVERY_DELAY_SECONDS, to_us(delay_ms));
}

void delivery_log_job(const char *transport, int64_t duration_ms)
{
    metric_observe(metric_get(METRIC_DELIVERY_SECONDS, transport, NULL, NULL),
                   METRIC_DELIVERY_SECONDS, to_us(duration_ms));
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

    count_attempt(line, delay_ms);
    log_event(&event, log_id("queue_id", line->id), log_span("to", recipient->address),
              log_span_if("orig_to", is_rewritten ? recipient->original : SPAN_EMPTY),
              log_span("relay", line->relay.len > 0 ? line->relay : none),
              log_seconds("delay", &delay_ms, 1), log_seconds("delays", delays_ms, 4),
              log_span("dsn", line->dsn), log_text("status", status_word(line)),
              log_span("text", line->text), log_text("transport", line->transport));
}

void delivery_log_expired(uint64_t id, const struct envelope *envelope)
{
    log_event(&expired_event, log_id("queue_id", id), log_span("from", envelope->sender),
              log_text("status", "expired"));
}

void delivery_log_notification(uint64_t id, const char *to, const char *kind, uint64_t new_id)
{
    log_event(&notification_event, log_id("queue_id", id), log_text("to", to),
              log_text("kind", kind), log_id("new_id", new_id));
}

void delivery_log_removed(uint64_t id)
{
    metric_add(metric_get(METRIC_MESSAGES_REMOVED, NULL, NULL, NULL), 1);
    log_event(&removed_event, log_id("queue_id", id));
}

void delivery_log_release(const char *prefix, struct sluice_span name, const char *by,
                          uint64_t count)
{
    char text[RELEASE_SIZE];

    if (count == 0)
        return; /* anybody may ask for nothing, and often */
    metric_add(metric_get(METRIC_RELEASES, NULL, NULL, NULL), 1);
    metric_add(metric_get(METRIC_MESSAGES_RELEASED, NULL, NULL, NULL), count);
    (void)snprintf(text, sizeof(text), "%s%.*s", prefix, SPAN_ARGS(name)); /* cut is fine */
    log_event(&release_event, log_text("released", text),
              log_number("count", count), log_text("by", by));
}
