/* SPDX-License-Identifier: ISC */
/*
 * stress: a receive process under stress has next to no places for sessions left, or next to no
 * memory for transactions. Then the limits of clients are others ($stress in the configuration,
 * settings.h), and for a new client that finds no place the session that has been idle longest is
 * ended, as by its time-out: who sits there and does nothing keeps nobody out.
 *
 * Sessions that wait for their clients are in two lists, each with the longest wait first: those that
 * are idle, outside of transactions, and the others.
 */
#ifndef RECEIVE_STRESS_H
#define RECEIVE_STRESS_H

#include "receive/session.h"

/* How many sessions the process may have, from the descriptors that it may have. */
size_t stress_session_max(void);

/* The session begins to wait for its client, to read or to write; and ends. The number of sessions or
 * their memory may have changed before either. */
void stress_wait_begins(struct session *session, bool is_idle);
void stress_wait_ends(struct session *session);
/* Under stress: ends what has been waiting for too long, and makes a place if there is none. The
 * sessions end in their own time. */
void stress_relieve(struct receiver *receiver);
/* Ends the waits of all idle sessions. */
void stress_end_idle(struct receiver *receiver);

#endif
