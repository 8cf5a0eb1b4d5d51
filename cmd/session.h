/* SPDX-License-Identifier: ISC */
/*
 * session: sendmail -bs: standard input and output are joined with the daemon's submission socket, so
 * that a program can speak SMTP to its child instead of to a port.
 */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "mailq.h"

/* Until the daemon has said its last. Returns the exit code. */
int session_run(const struct mailq *mailq);

#endif
