/* SPDX-License-Identifier: ISC */
/*
 * queue: the role that holds every accepted message and decides what is attempted when.
 *
 *   intake    receive's links: leases of ids, commits, releases        (intake.h, lease.h)
 *   store     the plugin that keeps the messages, and the group commit (store.h)
 *   schedule  units, sites, domains: what goes next                    (schedule.h, release.h)
 *   dispatch  deliver's links: jobs out, results in                    (dispatch.h, active.h)
 *   control   the local socket for sluice, mailq, postqueue, sendmail  (control.h)
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

struct role_ops;

/* The life of a queue process; returns its exit status. */
int queue_main(void);
/* The role's operations, for tests that play the master. */
const struct role_ops *queue_role_ops(void);

#endif
