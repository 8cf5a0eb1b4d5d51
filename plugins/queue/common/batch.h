/* SPDX-License-Identifier: ISC */
/*
 * batch: the changes of one apply(), looked at as a whole before any of them is made.
 */
#ifndef SLUICE_STORE_BATCH_H
#define SLUICE_STORE_BATCH_H

#include <stdbool.h>

#include "sluice/queue.h"

struct batch {
    const struct sluice_queue_change *changes;
    size_t count;
    size_t change_size; /* the stride: a newer host's changes may be longer than ours */
};

const struct sluice_queue_change *batch_get(const struct batch *batch, size_t index);

bool batch_has_put(const struct batch *batch);

/* What the changes carry in memory: all records, and contents without a file of their own. */
uint64_t batch_bytes(const struct batch *batch);

/* Whether the store has that id now. OK, NOT_FOUND, or what went wrong. */
typedef sluice_status batch_exists(void *user, uint64_t id);

/*
 * OK if all changes can be made in their order: PERM for a PUT of an id that is there, and for
 * UPDATE and REMOVE of one that is not; UNSUPPORTED for a change of an unknown kind. Asks exists
 * once for each id.
 */
sluice_status batch_check(const struct batch *batch, batch_exists *exists, void *user,
                          const struct sluice_errors *errors);

#endif
