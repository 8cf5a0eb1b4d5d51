/* SPDX-License-Identifier: ISC */
/*
 * deliver: the role that takes messages to their next hosts. One task for each job; knows one
 * message at a time, and nothing of the queue.
 */
#ifndef DELIVER_DELIVER_H
#define DELIVER_DELIVER_H

/* The whole life of a deliver process; returns its exit status. */
int deliver_main(void);

#endif
