/* SPDX-License-Identifier: ISC */
/*
 * askers: the connections of control commands that wait for the answer to a reload.
 */
#ifndef MASTER_ASKERS_H
#define MASTER_ASKERS_H

#include "master/reload.h"

#define ASKERS_MAX 16 /* at a time: further ones get no answer */

struct askers {
    int fds[ASKERS_MAX];
    size_t count;
};

/* Takes the connection over. */
void askers_add(struct askers *askers, int fd);
/* All of them; who comes now waits for the next reload. */
struct askers askers_take(struct askers *askers);
/* Through queue. generation: the number of the one that runs now. */
void askers_answer(struct askers *askers, const struct children *children,
                   const struct reload *reload, uint64_t generation);
/* Without an answer, which they see. */
void askers_close(struct askers *askers);

#endif
