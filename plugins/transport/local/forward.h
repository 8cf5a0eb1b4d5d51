/* SPDX-License-Identifier: ISC */
/*
 * forward: hands the message to the members of an alias, as a message of its own: through the socket that
 * sendmail uses, so that it is judged, routed and made durable as any other. It gets a Delivered-To line
 * with the alias, by which a loop is seen; else it stays as it is.
 */
#ifndef SLUICE_LOCAL_FORWARD_H
#define SLUICE_LOCAL_FORWARD_H

#include "deposit.h"
#include "members.h"

struct forward {
    const struct station *station;
    const char *socket; /* the path of the submission socket */
    const struct sluice_message *message;
    const struct sluice_recipient *recipient; /* the alias */
    const char *owner;                        /* the sender; NULL: the message's */
    const struct member_list *members;        /* those that are addresses count */
    int64_t deadline_ms;
};

/* OK with "forwarded as ID"; then it is durable. TEMP, PERM: nobody has it. [task: waits] */
sluice_status forward_send(const struct forward *forward, struct result *result);
/* True if what the sender wants to be told of passes on with it: a list with an owner ends that. */
bool forward_passes_dsn(const struct forward *forward);

#endif
