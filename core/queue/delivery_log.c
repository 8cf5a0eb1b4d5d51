/* SPDX-License-Identifier: ISC */
/*
 * delivery_log: one line for each recipient and attempt.
 */
#include "queue/delivery_log.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/span.h"

#include <stdio.h>

#define SECONDS_SIZE 24
#define RELAY_SIZE 320
#define TEXT_SIZE 512

/* Two significant digits, as far as milliseconds go: "0.05", "1.2", "86". */
static const char *format_seconds(int64_t ms, char out[SECONDS_SIZE])
{
    int digits = ms >= 10000 ? 0 : ms >= 1000 ? 1 : ms >= 100 ? 2 : 3;

    if (ms <= 0)
        return "0";
    (void)snprintf(out, SECONDS_SIZE, "%.*f", digits, (double)ms / 1000);
    return out;
}

static const char *status_word(sluice_status status)
{
    if (status == SLUICE_OK)
        return "sent";
    return status == SLUICE_PERM ? "bounced" : "deferred";
}

static void format_original(const struct envelope_recipient *recipient, char *out, size_t size)
{
    char address[DELIVERY_LOG_ADDRESS_SIZE];

    out[0] = '\0';
    if (recipient->original.len == 0 || span_equal(recipient->original, recipient->address))
        return;
    (void)snprintf(out, size, " orig_to=<%s>,",
                   log_quote(recipient->original, address, sizeof(address)));
}

/* Delays: before the queue (nothing: receive hands over at once), in the queue, connecting,
 * transferring. */
static void format_delays(const struct delivery_line *line, char *out, size_t size)
{
    char total[SECONDS_SIZE];
    char queued[SECONDS_SIZE];
    char connect[SECONDS_SIZE];
    char transfer[SECONDS_SIZE];
    int64_t now_ms = clock_wall_ms();
    int64_t started_ms = line->started_ms > 0 ? line->started_ms : now_ms;

    (void)snprintf(
        out, size, "delay=%s, delays=0/%s/%s/%s", format_seconds(now_ms - line->arrival_ms, total),
        format_seconds(started_ms - line->arrival_ms, queued),
        format_seconds(line->connect_ms, connect), format_seconds(line->transfer_ms, transfer));
}

void delivery_log(const struct delivery_line *line)
{
    char id[ID_TEXT_SIZE];
    char address[DELIVERY_LOG_ADDRESS_SIZE];
    char original[DELIVERY_LOG_ADDRESS_SIZE + 16];
    char relay[RELAY_SIZE];
    char delays[5 * SECONDS_SIZE];
    char dsn[16];
    char text[TEXT_SIZE];

    format_original(line->recipient, original, sizeof(original));
    format_delays(line, delays, sizeof(delays));
    log_notice("%s: to=<%s>,%s relay=%s, %s, dsn=%s, status=%s (%s)", id_format(line->id, id),
               log_quote(line->recipient->address, address, sizeof(address)), original,
               line->relay.len > 0 ? log_quote(line->relay, relay, sizeof(relay)) : "none", delays,
               log_quote(line->dsn, dsn, sizeof(dsn)), status_word(line->status),
               log_quote(line->text, text, sizeof(text)));
}
