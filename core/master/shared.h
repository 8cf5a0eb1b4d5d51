/* SPDX-License-Identifier: ISC */
/*
 * shared: memory that role processes share, made once in the daemon's life: it outlives every process
 * and every generation, so that what is counted there goes on across crashes and reloads. The master
 * reads none of it.
 */
#ifndef MASTER_SHARED_H
#define MASTER_SHARED_H

#include "base/error.h"

#include <stdbool.h>

struct shared_memory {
    const char *name;
    int fd;
};

struct shared {
    struct shared_memory *list;
    size_t count;
};

/* All of it, zeroed and of fixed size: nobody can shrink it under the others. TEMP with a text. */
sluice_status shared_open(struct shared *ret_shared, struct error *err);
/* For the master itself; it stays mapped. NULL: it cannot be had. */
void *shared_map(const struct shared *shared, const char *name, size_t *ret_size);
void shared_close(struct shared *shared);
/* True if processes of that role get that memory. */
bool shared_is_for(const struct shared_memory *memory, const char *role);

#endif
