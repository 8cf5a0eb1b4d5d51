/* SPDX-License-Identifier: ISC */
/*
 * handshake: from a fresh connection to one that is ready for a message: greeting, EHLO or HELO,
 * and what the server can do.
 */
#ifndef SMTP_HANDSHAKE_H
#define SMTP_HANDSHAKE_H

#include "session.h"

/*
 * OK: ready. TEMP: another host may do better; PERM: no host will. In both cases *verdict says why.
 * loops_are_checked: the port is 25, where a server with our own name is ourselves. [task: waits]
 */
sluice_status handshake(struct sluice_connection *session, const struct sluice_target *target,
                        int loops_are_checked, struct session_verdict *verdict);

/* What the reply to EHLO announces. For unit tests. */
void handshake_parse_ehlo(const struct reply *reply, struct session_peer *ret_peer);

#endif /* SMTP_HANDSHAKE_H */
