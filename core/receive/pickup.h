/* SPDX-License-Identifier: ISC */
/*
 * pickup: takes in what sendmail left in the maildrop while nobody answered on the submission socket.
 *
 * A file there is a batch (net/batch.h) of the user it belongs to; it is played to a session of our
 * own, and removed when the queue has all of it. After a crash in between it is played again: mail may
 * then come twice, and is never lost. What is refused for good, or is no batch, is kept under a name
 * that begins with "corrupt-", and the log says so.
 */
#ifndef RECEIVE_PICKUP_H
#define RECEIVE_PICKUP_H

#include "receive/receiver.h"

struct pickup;

/* The folder stays the caller's; it is watched until pickup_stop. TEMP: no memory. */
sluice_status pickup_start(struct receiver *receiver, int folder_fd, struct pickup **ret_pickup);
/* Begins with no file any more; accepts NULL. [task: waits] */
void pickup_stop(struct pickup *pickup);
/* Accepts NULL; after the last session has ended. [loop] */
void pickup_free(struct pickup *pickup);

#endif
