/* SPDX-License-Identifier: ISC */
/*
 * unlisted: refusing recipients that cannot be delivered to, in the dialogue, instead of bouncing their
 * mail: those that the tables of their class do not have, and those whose route is an error (spec
 * M-33, M-34, R-24, R-70 to R-73).
 */
#ifndef RECEIVE_UNLISTED_H
#define RECEIVE_UNLISTED_H

#include "receive/judge.h"
#include "route/route.h"

/* False: the client has been told. [task: may wait] */
bool unlisted_check(struct session *session, const struct question *question,
                    const struct route *route);

#endif
