/* SPDX-License-Identifier: ISC */
/*
 * id_ranges: message ids that a receive process may use.
 */
#ifndef QUEUE_ID_RANGES_H
#define QUEUE_ID_RANGES_H

#include "base/buffer.h"

#include <stdbool.h>

struct id_range {
    uint64_t first;
    uint64_t count;
};

/* Zero it to initialise: no ids. */
struct id_ranges {
    struct id_range *list;
    size_t count;
};

/* False: no memory. */
bool id_ranges_add(struct id_ranges *ranges, uint64_t first, uint64_t count);
bool id_ranges_have(const struct id_ranges *ranges, uint64_t id);
void id_ranges_done(struct id_ranges *ranges);

void id_ranges_encode(const struct id_ranges *ranges, struct buffer *buffer);
/* Adds what the bytes say. PERM: they make no sense; TEMP: no memory. */
sluice_status id_ranges_decode(struct sluice_span bytes, struct id_ranges *ranges);

#endif
