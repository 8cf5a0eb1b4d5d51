/* SPDX-License-Identifier: ISC */
/*
 * bdat: BDAT (RFC 3030, spec M-55): a message in chunks, whose bytes are never taken for commands.
 */
#ifndef RECEIVE_BDAT_H
#define RECEIVE_BDAT_H

#include "receive/session.h"

/* True where the chunks of a message have begun to come, so that the command is out of place: the
 * client has been told. */
bool bdat_refuses(struct session *session, const char *command);

#endif
