/* SPDX-License-Identifier: ISC */
/*
 * daemon: how the master looks from outside: in the background or not, and who is told that it is
 * ready.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

/*
 * Goes into the background: returns in a process of its own session. The process that was started
 * stays until daemon_report, and exits with what is reported; standard error is the caller's until
 * then. Returns the descriptor for daemon_report, or -1 with errno.
 */
int daemon_detach(void);
/* Ends the wait of the process that was started. With 0 standard input, output and error become
 * /dev/null. -1: nobody waits. */
void daemon_report(int report_fd, int exit_status);
/* Tells the service manager, if there is one (NOTIFY_SOCKET): "READY=1", "STOPPING=1". */
void daemon_notify(const char *state);

#endif
