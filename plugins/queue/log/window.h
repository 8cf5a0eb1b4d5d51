/* SPDX-License-Identifier: ISC */
/*
 * window: a file that is read from front to back, in pieces.
 *
 * What is asked for lies in the window, or the window moves there: small pieces that follow each other
 * cost one read for many, and what is skipped is not read.
 */
#ifndef SLUICE_LOG_WINDOW_H
#define SLUICE_LOG_WINDOW_H

#include "sluice/types.h"

#include <stdbool.h>
#include <stdint.h>

struct window {
    int fd; /* borrowed */
    uint8_t *bytes;
    size_t capacity;
    size_t filled;
    uint64_t offset; /* of bytes in the file */
};

/* TEMP: no memory. */
sluice_status window_init(struct window *window, int fd);
void window_done(struct window *window);

/* size bytes of the file at offset, until the next call; NULL if the disk does not give them, or
 * there is no memory. */
const uint8_t *window_get(struct window *window, uint64_t offset, size_t size);

#endif
