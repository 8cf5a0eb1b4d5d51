/* SPDX-License-Identifier: ISC */
/*
 * users: a list of users of this machine, such as authorized_mailq_users: names, !name, and
 * static:anyone. The first that fits decides; nobody else is in it.
 *
 * Names become numbers when the list is read, once, because that may ask a directory and wait: a
 * user who is made later is known after a reload.
 */
#ifndef QUEUE_USERS_H
#define QUEUE_USERS_H

#include "config/config.h"

#include <sys/types.h>

struct user_rule {
    uid_t uid;
    bool is_anyone;
    bool is_excluded;
};

struct users {
    struct user_rule *rules;
    size_t count;
};

/* The parameter of that name. A user who is not known is reported in the log and left out. TEMP: no
 * memory. [main: may wait] */
sluice_status users_read(struct users *users, const struct config *config, const char *parameter);
void users_done(struct users *users);
bool users_have(const struct users *users, uid_t uid);

#endif
