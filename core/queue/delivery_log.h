/* SPDX-License-Identifier: ISC */
/*
 * delivery_log: the line that says what became of a recipient, in the format that the field's tools
 * read: ID: to=<r>, relay=HOST[IP]:PORT, delay=S, delays=a/b/c/d, dsn=X.Y.Z, status=sent (TEXT)
 */
#ifndef QUEUE_DELIVERY_LOG_H
#define QUEUE_DELIVERY_LOG_H

#include "ipc/envelope.h"

#define DELIVERY_LOG_ADDRESS_SIZE 321 /* RFC 5321 4.5.3.1: 64 + 1 + 255, and a NUL */

struct delivery_line {
    uint64_t id;
    const struct envelope_recipient *recipient;
    struct sluice_span relay; /* empty: none */
    int64_t arrival_ms;       /* of the message */
    int64_t started_ms;       /* of the attempt, wall clock; 0: there was none */
    int64_t connect_ms;
    int64_t transfer_ms;
    sluice_status status;
    struct sluice_span dsn;
    struct sluice_span text;
};

void delivery_log(const struct delivery_line *line);

#endif
