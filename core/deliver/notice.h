/* SPDX-License-Identifier: ISC */
/*
 * notice: who is told what became of a message. From the queue's REPORT frame to the new messages
 * that it comes to, each with its route: none where nobody wants to know.
 *
 *   the sender         failures and delays unless NOTIFY says otherwise, successes that it asks for
 *                      and what became of its recipients, of a message that only asks for that
 *   the postmaster     a copy with the header alone, of what notify_classes names; and failures that
 *                      cannot be given to a sender (2bounce), whole
 *
 * Reports to senders have the null sender, those to the postmaster double_bounce_sender; a failure of
 * either is never told to anybody but, of the former, to the postmaster.
 *
 * Order: notices_open once; notice_new -> notice_run -> notice_free for each frame; notices_close.
 */
#ifndef DELIVER_NOTICE_H
#define DELIVER_NOTICE_H

#include "config/config.h"
#include "ipc/messages.h"

struct notice;
struct notices;
struct routes;

/* config and routes must stay. TEMP: no memory. [main] */
sluice_status notices_open(const struct config *config, const struct routes *routes,
                           struct notices **ret_notices, struct error *err);
void notices_close(struct notices *notices); /* accepts NULL */

/* From a frame; takes its descriptor. PERM: the frame makes no sense; TEMP: no memory. */
sluice_status notice_new(struct channel_frame *frame, struct notice **ret_notice,
                         struct error *err);
void notice_free(struct notice *notice); /* accepts NULL */
uint64_t notice_message_id(const struct notice *notice);

/* Takes a REPORTED frame with a message; fd: -1, or its content, which stays the caller's. */
typedef sluice_status notice_send(void *user, const struct message_reported *reported, int fd);
/* Composes everything, then sends it. TEMP: it cannot be had now, and what was sent is void.
 * [task: may wait] */
sluice_status notice_run(const struct notices *notices, const struct notice *notice,
                         notice_send *send, void *user, struct error *err);

#endif
