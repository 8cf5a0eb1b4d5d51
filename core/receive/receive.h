/* SPDX-License-Identifier: ISC */
/*
 * receive: the role that talks to the internet, inbound.
 */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

/* The life of a receive process; returns its exit status. */
int receive_main(void);

#endif
