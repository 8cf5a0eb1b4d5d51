/* SPDX-License-Identifier: ISC */
/*
 * last_known: the last good answers of one table, values and misses (that it has none), in a file that outlives
 * the process. For the time in which the table itself gives none.
 *
 * Answers are put aside in memory and written together, on a thread, so that no look-up waits for a disk. What
 * cannot be written is not known, and nothing else comes of it.
 *
 * Order: last_known_open; put and find on the loop; now and then begin_write on the loop, write on a thread,
 * end_write on the loop; last_known_close.
 */
#ifndef LOOKUP_LAST_KNOWN_H
#define LOOKUP_LAST_KNOWN_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>

struct last_known;

struct last_known_limits {
    int64_t age_ms;   /* older answers are not given */
    size_t bytes_max; /* of values; misses may take a quarter of that, beside it; of each the oldest go first */
};

/*
 * A file that is damaged, on which a process has crashed, or which is no such file is renamed to path.damaged, which
 * the log says, and begun anew; one whose damage is found later is so with the next write. TEMP: it cannot be
 * opened or made, or no memory; a text says why. [main]
 */
sluice_status last_known_open(const char *path, const struct last_known_limits *limits,
                              struct last_known **ret_known, struct error *err);
void last_known_close(struct last_known *known); /* accepts NULL; what is not written is lost */
/* OK with its value, or NOT_FOUND; instead of what is known. TEMP: that is forgotten. False: it stays as it is,
 * without memory or because too much waits to be written. */
bool last_known_put(struct last_known *known, struct sluice_span key, sluice_status status,
                    struct sluice_span value, int64_t wall_ms);
/* Of all keys, what was put so far; with the next write, if that is one that ends well. */
void last_known_forget_all(struct last_known *known);
/* OK, and appends the value; NOT_FOUND: there was none; TEMP: nothing is known that is young enough. */
sluice_status last_known_find(struct last_known *known, struct sluice_span key, int64_t wall_ms,
                              struct buffer *value);
struct last_known_size {
    uint64_t entries;
    uint64_t bytes;
    int64_t oldest_ms; /* of the wall clock; 0: there is none */
};

/* Of the file: what waits to be written is not there yet. [any thread] */
void last_known_measure(struct last_known *known, struct last_known_size *ret_size);
/* Something is to be written. */
bool last_known_has_waiting(const struct last_known *known);
/* All is written, or could not be. */
bool last_known_is_settled(const struct last_known *known);
/*
 * Writing, in three steps: begin_write sets what was put aside for it (false: there is nothing to do, or one
 * is under way); write, on any thread, writes that, and removes what is too old or too much; end_write
 * ends it, and must follow. TEMP: it is not written, and a text says why.
 */
bool last_known_begin_write(struct last_known *known);
sluice_status last_known_write(struct last_known *known, int64_t wall_ms, struct error *err);
void last_known_end_write(struct last_known *known);

#endif
