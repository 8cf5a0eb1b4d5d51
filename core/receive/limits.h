/* SPDX-License-Identifier: ISC */
/*
 * limits: what one client may have and do at a time (spec M-74), across all receive processes.
 * Exceptions (mynetworks, by default) are looked up only for a client that is over a limit.
 */
#ifndef RECEIVE_LIMITS_H
#define RECEIVE_LIMITS_H

#include "receive/session.h"

/* Counts the connection. False: too many, the client has been told. [task: may wait] */
bool limits_enter(struct session *session);
/* It ends; whatever limits_enter said. */
void limits_leave(struct session *session);
/* Counts a message or a recipient. False: too many, the client has been told. [task: may wait] */
bool limits_allow(struct session *session, enum client_event event);

#endif
