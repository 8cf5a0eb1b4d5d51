/* SPDX-License-Identifier: ISC */
/*
 * credit: a stock of bytes or messages that tasks take from and wait for. First come, first
 * served; a large request is not overtaken for ever by small ones.
 */
#ifndef TASK_CREDIT_H
#define TASK_CREDIT_H

#include "task/task.h"

struct credit_waiter;

struct credit {
    uint64_t available;
    struct credit_waiter *waiters;
};

/* Zero it to initialise: a stock of nothing. */
void credit_give(struct credit *credit, uint64_t amount);
/* Takes all of amount at once or nothing; nothing too while others wait. */
bool credit_try(struct credit *credit, uint64_t amount);
/* Waits until amount can be taken: OK, or TEMP with nothing taken. [task: waits] */
sluice_status credit_take(struct credit *credit, uint64_t amount, int64_t deadline_ms);

#endif
