/* SPDX-License-Identifier: ISC */
/*
 * transaction: one message over one connection: MAIL, RCPT for each recipient, DATA, the content
 * and the end of data, with each reply's meaning kept for the recipients that it is about. Where the
 * host only wants to know whether they would be taken: MAIL, RCPT for each, RSET.
 */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include "session.h"

/* What there is to do: the arguments of sluice_transport_ops.deliver. Borrowed for the call. */
struct transaction_job {
    const struct sluice_message *message;
    const struct sluice_recipient *recipients; /* recipient_size bytes apart */
    size_t count;
    size_t recipient_size;
    const struct sluice_report *report;
};

static inline const struct sluice_recipient *
transaction_recipient(const struct transaction_job *job, size_t index)
{
    const char *first = (const char *)job->recipients;

    return (const struct sluice_recipient *)(const void *)(first + index * job->recipient_size);
}

/* Reports on each recipient; returns the connection's fate. [task: waits] */
int32_t transaction_run(struct sluice_connection *session, const struct transaction_job *job);

#endif /* SMTP_TRANSACTION_H */
