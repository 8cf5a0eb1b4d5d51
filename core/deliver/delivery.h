/* SPDX-License-Identifier: ISC */
/*
 * delivery: one call of a transport's deliver(): the message as the plugin sees it, the recipients
 * that are still open, and the results that it reports.
 *
 * It holds a reference to its job, so that a call that hangs on a thread never sees freed memory;
 * only delivery_settle, on the task, brings the results into the job.
 */
#ifndef DELIVER_DELIVERY_H
#define DELIVER_DELIVERY_H

#include "deliver/job.h"
#include "sluice/transport.h"

struct delivery {
    struct sluice_message message; /* first: the plugin hands it back to read() */
    struct sluice_report report;
    struct job *job;
    struct sluice_recipient *recipients;
    size_t *positions; /* of each recipient in the job's envelope */
    struct outcome *outcomes;
    size_t count;
    char id[ID_TEXT_SIZE];
};

/* For the job's recipients that are not settled; there is at least one. NULL: no memory. */
struct delivery *delivery_new(struct job *job);
void delivery_free(struct delivery *delivery); /* accepts NULL */
/* Brings what was reported into the job. */
void delivery_settle(struct delivery *delivery, const char *relay);
/* True if at least one recipient is settled. */
bool delivery_has_settled(const struct delivery *delivery);

#endif
