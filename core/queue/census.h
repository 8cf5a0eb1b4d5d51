/* SPDX-License-Identifier: ISC */
/*
 * census: how much is in the queue, for the metrics.
 */
#ifndef QUEUE_CENSUS_H
#define QUEUE_CENSUS_H

struct queue;

/* Looks at every site; does nothing where no metrics are wanted. */
void census_take(const struct queue *queue);

#endif
