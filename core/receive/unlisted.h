/* SPDX-License-Identifier: ISC */
/*
 * unlisted: addresses of ours that nobody has: those that the tables of their class do not have, and
 * those whose route is an error. They are refused in the dialogue, instead of bouncing their mail
 * (spec M-33, M-34, R-24, R-70 to R-73).
 */
#ifndef RECEIVE_UNLISTED_H
#define RECEIVE_UNLISTED_H

#include "receive/access.h"
#include "receive/session.h"
#include "route/route.h"

/* OK, with the verdict NONE where there is nothing against it; TEMP with a text. [task: may wait] */
sluice_status unlisted_recipient(const struct session *session, const struct route *route,
                                 struct access_verdict *ret_verdict, struct error *err);
/* The same, for an address that no alias stands for. */
sluice_status unlisted_route(const struct session *session, const struct route *route,
                             struct access_verdict *ret_verdict, struct error *err);
/* The same for the transaction's sender; a null sender, and one of a domain that is not ours, is
 * always there. */
sluice_status unlisted_sender(const struct session *session, struct access_verdict *ret_verdict,
                              struct error *err);

#endif
