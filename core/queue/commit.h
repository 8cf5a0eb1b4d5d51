/* SPDX-License-Identifier: ISC */
/*
 * commit: one message on its way from a COMMIT into the store.
 */
#ifndef QUEUE_COMMIT_H
#define QUEUE_COMMIT_H

#include "ipc/messages.h"

struct intake_link;

/*
 * Hands the message to the group commit; COMMITTED follows. Takes *fd (sets it to -1), copies the
 * rest. PERM: the frame is nonsense, or beyond the link's credit: nothing is answered then.
 */
sluice_status commit_begin(struct intake_link *link, uint64_t id,
                           const struct message_commit *message, int *fd);
/* If its batch has not begun: drops it and answers TEMP. An unknown id is none. */
void commit_withdraw(struct intake_link *link, uint64_t id);
/* All of the link's. */
void commit_withdraw_all(struct intake_link *link);

#endif
