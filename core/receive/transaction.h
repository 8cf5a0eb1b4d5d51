/* SPDX-License-Identifier: ISC */
/*
 * transaction: the envelope of the message that a client is about to send, from MAIL to the reply to
 * its content. It owns all that its envelope's spans point to.
 */
#ifndef RECEIVE_TRANSACTION_H
#define RECEIVE_TRANSACTION_H

#include "ipc/envelope.h"
#include "receive/effects.h"
#include "receive/esmtp.h"
#include "route/mailbox.h"
#include "route/route.h"

/* An envelope must fit into a frame beside the content. */
#define TRANSACTION_SIZE_MAX ((size_t)2 * 1024 * 1024)

/* What each may have for itself, and what all of a process may have beyond that together: else some
 * thousand sessions with a thousand recipients each would need gigabytes. */
#define TRANSACTION_OWN_MAX ((size_t)16 * 1024)
#define TRANSACTION_SHARED_MAX ((size_t)64 * 1024 * 1024)

struct transaction {
    struct envelope envelope;
    struct transaction_block *blocks; /* what the envelope points to: one for the sender, one for
                                         each recipient */
    size_t size;                      /* of all that, as it is sent */
    size_t memory;                    /* and as it is kept */
    size_t *shared;                   /* memory of all transactions beyond TRANSACTION_OWN_MAX */
    struct sluice_span given_sender;  /* as the client said it; restrictions are for that */
    struct sluice_span given_recipient; /* the first that the client named */
    size_t given_count;                 /* how many it named */
    struct sluice_span plain_sender;  /* the same without quotes: for rules and replies */
    struct effects effects;
    bool is_unchanged;                /* a local client's message is passed on as it is */
    struct sluice_span full_name;     /* of the local user who sends, as xtext; empty: not said */
};

/* NULL: no memory. given: as the client said it; sender: the one that takes its place, or the same.
 * shared: one number for all transactions, 0 at first. */
struct transaction *transaction_new(const struct mailbox *given, const struct mailbox *sender,
                                    const struct esmtp_mail *parameters, size_t *shared);
void transaction_free(struct transaction *transaction); /* accepts NULL */
/* TEMP: no memory; PERM: the envelope would be too large. */
sluice_status transaction_add(struct transaction *transaction, const struct mailbox *recipient,
                              const struct route *route, const struct esmtp_rcpt *parameters);
/* The client has named one more, and what was added from that place on stands for it. */
void transaction_end_given(struct transaction *transaction, size_t first);
/* Takes the last ones back, so that count are left. */
void transaction_take_back(struct transaction *transaction, size_t count);
/* One that cannot be delivered: listed as failed, with why. TEMP, PERM: as above. */
sluice_status transaction_add_failed(struct transaction *transaction, struct sluice_span address,
                                     const struct esmtp_rcpt *parameters, const char *dsn,
                                     const char *text);

#endif
