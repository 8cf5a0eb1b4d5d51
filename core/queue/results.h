/* SPDX-License-Identifier: ISC */
/*
 * results: what an attempt came to: into the message's record, the log, the site and the schedule.
 */
#ifndef QUEUE_RESULTS_H
#define QUEUE_RESULTS_H

#include "ipc/messages.h"

struct job;

/* The job's units are settled or wait again afterwards, and its site has room again. */
void results_apply(struct job *job, const struct message_result *result);
/* The attempt did not take place: its units wait for delay_ms, and nothing is counted. */
void results_return(struct job *job, int64_t delay_ms);

/* Deliver crashed: what is known of the message is recorded, and why it is still here. The units are
 * still the job's. */
void results_crash(struct job *job, const char *text, bool is_held);

#endif
