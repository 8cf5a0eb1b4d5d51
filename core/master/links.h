/* SPDX-License-Identifier: ISC */
/*
 * links: sockets between receive and deliver and those that they need: queue, whatever their generations, and
 * lookup; as soon as both ends are ready.
 */
#ifndef MASTER_LINKS_H
#define MASTER_LINKS_H

#include "master/child.h"

/* The child has become ready, or has lost a link: a new link to each peer of that role that is ready; empty:
 * of any role. */
void links_make(struct child *child, struct sluice_span role);

#endif
