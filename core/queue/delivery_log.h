/* SPDX-License-Identifier: ISC */
/*
 * delivery_log: what becomes of a message and its recipients, in the lines that the field's tools
 * read: who gave it to us, when it became active, each attempt, its end.
 */
#ifndef QUEUE_DELIVERY_LOG_H
#define QUEUE_DELIVERY_LOG_H

#include "ipc/envelope.h"

struct delivery_line {
    uint64_t id;
    const char *transport;
    const struct envelope_recipient *recipient;
    bool is_verify;           /* of the message */
    struct sluice_span relay; /* empty: none */
    int64_t arrival_ms;       /* of the message */
    int64_t started_ms;       /* of the attempt, wall clock; 0: there was none */
    int64_t connect_ms;
    int64_t transfer_ms;
    sluice_status status;
    struct sluice_span dsn;
    struct sluice_span text;
};

/* The message is durable: from whom it came, and that it is active. */
void delivery_log_accepted(uint64_t id, const struct envelope *envelope);
void delivery_log(const struct delivery_line *line);
/* Its time is over. */
void delivery_log_expired(uint64_t id, const struct envelope *envelope);
/* A report on it is a message now: to "sender" or "postmaster". */
void delivery_log_notification(uint64_t id, const char *to, const char *kind, uint64_t new_id);
/* One delivery is over, however it ended; duration_ms: connecting and transferring. */
void delivery_log_job(const char *transport, int64_t duration_ms);
void delivery_log_removed(uint64_t id);
/* A pass that let mail go. prefix and name: a domain, "@domain", "#queue", a site, an id or "ALL"; by:
 * who wanted it; count: of messages. */
void delivery_log_release(const char *prefix, struct sluice_span name, const char *by,
                          uint64_t count);

#endif
