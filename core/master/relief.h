/* SPDX-License-Identifier: ISC */
/*
 * relief: what the master does about processes that crash or hang, beside starting them again: queue
 * hears how a deliver process ended, suspects get a deliver process of their own, and one whose
 * threads hang gets a successor. Only child.c uses it.
 */
#ifndef MASTER_RELIEF_H
#define MASTER_RELIEF_H

#include "master/child.h"

/* dead is a deliver process that has ended, and is not freed yet. */
void relief_tell_queue(const struct child *dead, bool is_crash);
/* Queue's ISOLATE. PERM: it makes no sense. */
sluice_status relief_isolate(struct child *queue, struct sluice_span body);
/* A role's REPLACE. PERM: it makes no sense. */
sluice_status relief_replace(struct child *child, struct sluice_span body);

#endif
