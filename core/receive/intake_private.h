/* SPDX-License-Identifier: ISC */
/*
 * intake_private: what the files of intake share.
 */
#ifndef RECEIVE_INTAKE_PRIVATE_H
#define RECEIVE_INTAKE_PRIVATE_H

#include "receive/intake.h"
#include "receive/question.h"
#include "receive/stock.h"
#include "task/task.h"

struct intake {
    struct intake_limits limits;
    struct channel *link;
    bool is_held;       /* nothing may be asked: after PAUSE, and until the next link's RESUME */
    uint64_t handover;  /* the one that PAUSE has named; 0: none */
    uint64_t oldest_id; /* that this queue has leased; UINT64_MAX: none yet */
    struct task_queue ready; /* who waits for a link or an id */
    struct credit stages;    /* how many more may be asked for */
    struct credit releases;
    struct stock bytes;
    struct stock messages;
    struct message_lease lease;
    struct message_lease next_lease;
    bool is_lease_asked;
    struct message_space space;
    uint64_t release_count;
    struct question *questions;
    intake_explain_fn *explain;
    void *explain_user;
    struct pool *disk;
};

/* Until something may be asked of the queue; TEMP: not by the deadline. [task: waits] */
sluice_status intake_wait(struct intake *intake, int64_t deadline_ms);
/* TEMP: nothing may be asked now, or there is no memory. */
sluice_status intake_send(struct intake *intake, uint16_t type, uint64_t ref,
                          const struct sluice_span *parts, size_t count, int fd);

#endif
