/* SPDX-License-Identifier: ISC */
/*
 * judge: whether the client may do what a command asks for, by lists of restrictions.
 *
 *   struct ruling ruling;
 *   ruling_begin(&ruling, session, "RCPT", SLUICE_STAGE_RCPT, recipient);
 *   ruling.facts = SLUICE_FACT_...;
 *   ok = ruling_ask(&ruling, RESTRICTIONS_RELAY) && ... && ruling_end(&ruling);
 *
 * A list ends at the first verdict; the next list is asked all the same unless that was a refusal.
 * What is to be refused "if" something comes later is remembered over all lists of a ruling (spec
 * M-37, M-38). Whoever gets false has been told why, and so has the log.
 */
#ifndef RECEIVE_JUDGE_H
#define RECEIVE_JUDGE_H

#include "receive/restrictions.h"
#include "receive/session.h"

struct ruling {
    struct session *session;
    const char *command;        /* for the log: "RCPT" */
    int32_t stage;              /* SLUICE_STAGE_... */
    uint64_t facts;             /* SLUICE_FACT_... */
    struct sluice_span subject; /* the recipient without quotes, or ETRN's domain */
    struct sluice_span recipient; /* RCPT: as the log has it; the caller sets it */
    const struct route *route;  /* RCPT: the recipient's; else NULL */
    bool knows_sender;          /* SLUICE_FACT_SENDER_OURS has been found out */
    uint64_t size;              /* of the message */
    struct access_verdict defer_if_reject; /* verdict NONE: there is none */
    struct access_verdict defer_if_permit;
    bool is_warning; /* the next word refuses nobody: warn_if_reject */
    unsigned depth;
};

void ruling_begin(struct ruling *ruling, struct session *session, const char *command,
                  int32_t stage, struct sluice_span subject);
/* False: refused. [task: may wait] */
bool ruling_ask(struct ruling *ruling, enum restriction_list_id id);
/* False: refused by one of the lists, on the condition that nobody else refuses. */
bool ruling_end(struct ruling *ruling);
/* Refuses; not for good where a look-up of this command was answered by an old answer (task/doubt.h). False, for
 * convenience. */
bool ruling_refuse(struct ruling *ruling, const struct access_verdict *verdict);
/* Tells the client that something could not be looked up, and the log what and why. False. */
bool ruling_fail(struct ruling *ruling, const struct error *err);

/* One list about the message as a whole: at DATA, or when its content is there, with its size. */
bool judge_content(struct session *session, const char *command, int32_t stage,
                   enum restriction_list_id id, uint64_t size);

#endif
