/* SPDX-License-Identifier: ISC */
/*
 * judge: whether the client may do what a command asks for, by a list of restrictions.
 */
#ifndef RECEIVE_JUDGE_H
#define RECEIVE_JUDGE_H

#include "receive/session.h"

/* What is asked about. */
struct question {
    const char *command;        /* for the log: "RCPT" */
    int32_t stage;              /* SLUICE_STAGE_... */
    uint64_t facts;             /* SLUICE_FACT_... */
    struct sluice_span subject; /* the recipient, or ETRN's domain */
};

/* True if no restriction is against it; else the client has been told. [task: may wait] */
bool judge(struct session *session, const struct access_list *list,
           const struct question *question);
/* Tells the client that something could not be looked up, and the log what and why. */
void judge_fail(struct session *session, const struct question *question, const struct error *err);

#endif
