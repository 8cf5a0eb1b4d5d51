/* SPDX-License-Identifier: ISC */
/*
 * reload: the control command. Its connection goes to the master and comes back with the answer at the
 * end of the reload, when perhaps another queue process is there.
 */
#ifndef QUEUE_RELOAD_H
#define QUEUE_RELOAD_H

#include "ipc/messages.h"
#include "queue/session.h"

struct queue;

/* Who asks has been found to be allowed to. */
sluice_status queue_reload_ask(struct session *session, json_t *request);
/* Answers who has asked, here or of a process before this one; takes asker_fd over. */
void queue_reload_answer(struct queue *queue, const struct message_reloaded *message,
                         int asker_fd);

#endif
