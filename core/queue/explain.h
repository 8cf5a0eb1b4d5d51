/* SPDX-License-Identifier: ISC */
/*
 * explain: the control command "explain": what would happen to a message, and why. Members of the
 * request: address, and client, sender, helo or none.
 *
 * A receive process plays the dialogue (receive/rehearsal.h) and says where the message would go; for
 * each site a deliver process says which hosts it would try (deliver/attempt.h), and the queue itself
 * when. Lines of the answer:
 *
 *   {"explain": "message", "address", "sender", and what the rehearsal says}
 *   {"explain": "site", "site", "transport", "nexthop", "recipients": [ADDRESS, ...],
 *    "when": "now" | "at" | "on_release" | "on_resume" | "on_unhold", "at": seconds since 1970,
 *    "queue": the site's line, as site show has it, if it is known; "steps": what deliver says}
 *
 * On the loop's thread.
 */
#ifndef QUEUE_EXPLAIN_H
#define QUEUE_EXPLAIN_H

#include "queue/session.h"

#define EXPLAIN_SITES_MAX 50 /* of one message; {"explain": "cut"} says that there are more */

/* [task: waits] */
sluice_status explain_send(struct session *session, json_t *request);

#endif
