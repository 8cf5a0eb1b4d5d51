/* SPDX-License-Identifier: ISC */
/*
 * rights: whose rights a thread, or a command, has while it works for a recipient. For transports in
 * the deliver process of user = "recipient", which has CAP_SETUID and CAP_SETGID; elsewhere nobody's
 * rights can be had but the process's own. Linux: each thread has rights of its own, and so glibc's
 * functions, which change them all, are of no use here.
 */
#ifndef SLUICE_TRANSPORT_RIGHTS_H
#define SLUICE_TRANSPORT_RIGHTS_H

#include <sys/types.h>

struct rights {
    uid_t uid;
    gid_t gid;
};

/*
 * From now on this thread meets the file system with these rights and no other group, until
 * rights_return. 0, or an errno and nothing has changed: EPERM also for uid 0, as whom nothing is
 * delivered. On a task nothing may wait before rights_return: other tasks share the thread. What others
 * may do to this process stays as it is: only files see the change.
 */
int rights_take(const struct rights *rights);
/* Back to the process's own. Ends the process if that cannot be. */
void rights_return(void);

/* Becomes that user for good, without any capability; NULL: stays who it is. For a child before exec:
 * async-signal-safe. 0 or an errno. */
int rights_become(const struct rights *rights);
/* A signal for a process group of that user. rights NULL: of our own. */
void rights_signal(const struct rights *rights, pid_t group, int signal);

#endif
