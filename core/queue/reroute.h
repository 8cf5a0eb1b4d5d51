/* SPDX-License-Identifier: ISC */
/*
 * reroute: mail that is queued goes somewhere else: in the log, its record and the schedule.
 */
#ifndef QUEUE_REROUTE_H
#define QUEUE_REROUTE_H

#include "base/error.h"
#include "ipc/envelope.h"

struct active;
struct job;

/* The recipient has another route now, which must stay as long as the envelope; it may go at once. */
void reroute_recipient(const struct active *active, struct envelope_recipient *recipient,
                       struct sluice_span transport, struct sluice_span nexthop);
/* The message goes where its envelope's recipients now do. Nothing of it may be in flight. TEMP: no
 * memory, all stays as it was. */
sluice_status reroute_message(struct active *active, const struct envelope *envelope);

/*
 * We are the best mail exchanger of the job's site (SITE_OURS): its mail goes to best_mx_transport,
 * and no attempt is counted. While others of the message are in flight it stays where it is, for a
 * moment. The job has no units afterwards.
 */
void reroute_to_best_mx(struct job *job);

#endif
