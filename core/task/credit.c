/* SPDX-License-Identifier: ISC */
/*
 * credit: giving serves the waiters from the front, as far as the stock goes. A waiter gets its
 * amount before it is woken, so that nobody can take it away in between.
 */
#include "task/credit.h"

#include <utlist.h>

/* On the stack of who waits. */
struct credit_waiter {
    struct task *task;
    uint64_t amount;
    bool is_served; /* and taken off the list */
    struct credit_waiter *prev;
    struct credit_waiter *next;
};

static void serve(struct credit *credit)
{
    struct credit_waiter *first;

    while ((first = credit->waiters) != NULL && first->amount <= credit->available) {
        credit->available -= first->amount;
        DL_DELETE(credit->waiters, first);
        first->is_served = true;
        task_wake(first->task);
    }
}

void credit_give(struct credit *credit, uint64_t amount)
{
    bool fits = amount <= UINT64_MAX - credit->available;

    credit->available = fits ? credit->available + amount : UINT64_MAX;
    serve(credit);
}

bool credit_try(struct credit *credit, uint64_t amount)
{
    if (credit->waiters != NULL || amount > credit->available)
        return false;
    credit->available -= amount;
    return true;
}

sluice_status credit_take(struct credit *credit, uint64_t amount, int64_t deadline_ms)
{
    struct credit_waiter waiter = {.task = task_self(), .amount = amount};
    sluice_status status = SLUICE_OK;

    if (task_is_cancelled())
        return SLUICE_TEMP;
    if (credit_try(credit, amount))
        return SLUICE_OK;
    DL_APPEND(credit->waiters, &waiter);
    while (!waiter.is_served && status == SLUICE_OK)
        status = task_park(deadline_ms);
    if (waiter.is_served)
        return SLUICE_OK; /* also when the deadline came with it */
    DL_DELETE(credit->waiters, &waiter);
    serve(credit); /* who stood behind may need less */
    return status;
}
