/* SPDX-License-Identifier: ISC */
/*
 * links: sockets between queue and all others, whatever their generations, as soon as both ends are
 * ready.
 */
#ifndef MASTER_LINKS_H
#define MASTER_LINKS_H

#include "master/child.h"

/* The child has become ready, or has lost its link: a new link to each peer that is ready. */
void links_make(struct child *child);

#endif
