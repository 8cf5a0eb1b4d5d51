/* SPDX-License-Identifier: ISC */
/*
 * batch: one message of local submission as a file: its sender's half of the SMTP dialogue.
 *
 *     MAIL FROM:<sender> ...
 *     RCPT TO:<recipient> ...      each on a line; "DONE TO:..." once the daemon has taken it
 *     DATA
 *     content, dots at the beginning of lines doubled
 *     .
 *
 * Lines end in CRLF. sendmail writes it, and plays it to the daemon; when the daemon is not there it
 * lies in the maildrop until receive plays it to itself. There is one protocol for all of that, and
 * who writes a batch can do no more than who connects to the socket.
 *
 * Both functions block: for a command, or a thread of a pool. The file is read by its position, and
 * its owner's position in it is not kept.
 */
#ifndef NET_BATCH_H
#define NET_BATCH_H

#include "base/error.h"

/* Whether it begins and ends as a batch does: a half-written one does not. PERM: no; TEMP: it cannot
 * be read. */
sluice_status batch_check(int batch_fd, struct error *err);

/*
 * Plays it to the daemon that is connected to the socket; stays the caller's, both. A daemon that
 * takes not all recipients at a time gets the others with the next transaction (RFC 5321 4.5.3.1.10);
 * those that have been taken are marked in the file, so that they are not sent again whatever comes.
 * OK: the daemon has all of it. PERM: it is refused, or is no batch; the text is the reply. TEMP: try
 * again.
 */
sluice_status batch_play(int socket_fd, int batch_fd, struct error *err);

#endif
