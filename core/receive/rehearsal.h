/* SPDX-License-Identifier: ISC */
/*
 * rehearsal: receive's part of `sluice explain`. A session with nobody at the other end, in which the
 * commands of a message are played: HELO, MAIL, RCPT, what is judged at DATA and at its end. The
 * session's own code answers them, tables and name servers are asked; the task notes all of that
 * (task/explain.h). Nothing is sent, logged, counted or given to the queue.
 *
 * Without a client's address it is a program of this machine that would send the message.
 *
 * The answer: {"client": "host.example[192.0.2.1]" or "local", "verdict": "accept" | "reject" | "defer",
 * "reply": TEXT, "text": why, "is_held": true, "is_discarded": true, "steps": [...]}, with the last reply
 * (of what is accepted, the one to RCPT) and a step "recipient" for each place where the message would go.
 */
#ifndef RECEIVE_REHEARSAL_H
#define RECEIVE_REHEARSAL_H

#include "base/error.h"

#include <stdint.h>

struct receiver;
struct rehearsal;
struct session;

/* Begins one: PERM: the request makes no sense. The answer goes to the queue under that ref, now or later
 * (intake_explained). */
sluice_status rehearsal_start(struct receiver *receiver, uint64_t ref, struct sluice_span body);
/* For session.c: plays it and answers. [task: waits] */
void rehearsal_play(struct rehearsal *rehearsal, struct session *session);
void rehearsal_free(struct rehearsal *rehearsal); /* after its session */

#endif
