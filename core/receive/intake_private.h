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
    uint64_t oldest_id;      /* that this link has leased; UINT64_MAX: none yet */
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
    struct pool *disk;
};

/* TEMP: there is no link, or no memory. */
sluice_status intake_send(struct intake *intake, uint16_t type, uint64_t ref,
                          const struct sluice_span *parts, size_t count, int fd);

#endif
