/* SPDX-License-Identifier: ISC */
/*
 * large: message contents in files of their own, in the folder "large" of a store.
 *
 * Order: open -> sweep -> (stage | add* -> sync | find | remove)* -> done. A content is durable
 * after add and the sync that follows it, and only then may the store write down that the message
 * exists. A file whose message the store does not know is an orphan of a crash: sweep removes it.
 * stage and find from any thread.
 */
#ifndef SLUICE_STORE_LARGE_H
#define SLUICE_STORE_LARGE_H

#include <stdbool.h>

#include "sluice/queue.h"

#define LARGE_FOLDER "large"

struct large {
    int folder;
    size_t threshold; /* contents of more bytes get a file of their own */
};

/* Opens the folder "large" inside parent, making it if need be. */
sluice_status large_open(struct large *large, int parent, size_t threshold,
                         const struct sluice_errors *errors);
/* The same without making it: who looks for a content in none finds nothing. */
void large_open_to_read(struct large *large, int parent);
void large_done(struct large *large);

/* A PUT whose content goes into a file: it has one already, or is too long to be kept inline. */
bool large_wants(const struct large *large, const struct sluice_queue_change *put);

/* An unnamed file for the host to fill. The descriptor is closed after the call. */
sluice_status large_stage(const struct large *large, const struct sluice_queue_sink *sink,
                          const struct sluice_errors *errors);

/* Takes over the content of a PUT that large_wants, synced and under its name. */
sluice_status large_add(const struct large *large, const struct sluice_queue_change *put,
                        const struct sluice_errors *errors, uint64_t *ret_size);

/* Makes the names of all that was added durable. */
sluice_status large_sync(const struct large *large, const struct sluice_errors *errors);

/* Opens a content for reading; the caller closes it. NOT_FOUND if there is no such file; TEMP also
 * if it is not of that size. */
sluice_status large_find(const struct large *large, uint64_t id, uint64_t size,
                         const struct sluice_errors *errors, int *ret_fd);

/* Best effort: what stays is an orphan. */
void large_remove(const struct large *large, uint64_t id);

/* Removes the files whose id is not wanted. CONFIG, before anything is removed, if a file there is
 * not of this module's. */
sluice_status large_sweep(const struct large *large, bool (*is_wanted)(void *user, uint64_t id),
                          void *user, const struct sluice_errors *errors);

#endif
