/* SPDX-License-Identifier: ISC */
/*
 * schedule_state: what a schedule knows beyond the records of its messages, as bytes, for the queue
 * process that takes over: what was learned about sites, which releases have passed over which
 * domains, and what they have let go and has not been attempted yet.
 *
 * Times are of the machine's monotonic clock, which both processes read. Each load takes what its
 * save has written, into a schedule that has the messages; what is gone meanwhile is skipped. PERM:
 * the bytes make no sense, TEMP: no memory; what was loaded before that stays. [loop]
 */
#ifndef QUEUE_SCHEDULE_STATE_H
#define QUEUE_SCHEDULE_STATE_H

#include "queue/schedule.h"

#include "base/buffer.h"

void schedule_save_sites(const struct schedule *schedule, struct buffer *buffer);
sluice_status schedule_load_sites(struct schedule *schedule, struct sluice_span bytes,
                                  int64_t now_ms);
void schedule_save_passes(const struct schedule *schedule, struct buffer *buffer);
sluice_status schedule_load_passes(struct schedule *schedule, struct sluice_span bytes);
void schedule_save_released(const struct schedule *schedule, struct buffer *buffer);
sluice_status schedule_load_released(struct schedule *schedule, struct sluice_span bytes,
                                     int64_t now_ms);

#endif
