/* SPDX-License-Identifier: ISC */
/*
 * listener: accepts connections on one listening socket and starts sessions for them.
 */
#ifndef RECEIVE_LISTENER_H
#define RECEIVE_LISTENER_H

#include "receive/receiver.h"

struct listener;

/* address: for the log; it and the socket stay the caller's. TEMP: no memory. */
sluice_status listener_start(struct receiver *receiver, const char *address, int fd,
                             struct listener **ret_listener);
/* Accepts nothing any more; accepts NULL. [task: waits] */
void listener_stop(struct listener *listener);

#endif
