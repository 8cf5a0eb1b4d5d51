/* SPDX-License-Identifier: ISC */
/*
 * account: a user of this machine, wherever users are kept: looked up on a thread, as that may take long.
 */
#ifndef SLUICE_LOCAL_ACCOUNT_H
#define SLUICE_LOCAL_ACCOUNT_H

#include "deposit.h"

#define ACCOUNT_NAME_MAX 256

struct account {
    char name[ACCOUNT_NAME_MAX];
    struct rights rights;
    char *home;
    char *shell;
};

/* In any case, as the name of an account is lower case. OK: the caller calls account_done. NOT_FOUND: there is no such user. TEMP with the result.
 * [task: waits] */
sluice_status account_find(const struct station *station, const char *name, int64_t deadline_ms,
                           struct account *ret_account, struct result *result);
/* The same at once, without a text. [main] */
sluice_status account_look_up(const char *name, struct account *ret_account);
void account_done(struct account *account); /* of one that is zero, too */

#endif
