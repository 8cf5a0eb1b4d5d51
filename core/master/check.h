/* SPDX-License-Identifier: ISC */
/*
 * check: the role that reads and validates the configuration, at start and for `sluiced -t`.
 *
 * It runs in a process of its own, in the working directory of the daemon's start and with its
 * standard error, where everything that does not check is said with file and line. Where the
 * configuration checks it answers over ROLE_MASTER_FD (a channel), in this order:
 *
 *   SNAPSHOT "master"
 *   SNAPSHOT "receive", then a PLUGIN frame for every plugin file that this role may load
 *   SNAPSHOT "queue", likewise
 *   SNAPSHOT "deliver", likewise
 *   CHECKED
 *
 * and leaves once the master has closed the channel. A plugin that several roles need is sent
 * once for each of them; the base of a derived plugin is sent too.
 */
#ifndef MASTER_CHECK_H
#define MASTER_CHECK_H

#include <stdbool.h>

/* is_test_only: there is no channel, only messages. Returns the exit status: 0, EX_CONFIG where the
 * configuration does not check, EX_TEMPFAIL or EX_OSERR where the machine does not let it. */
int check_main(const char *config_path, bool is_test_only);

#endif
