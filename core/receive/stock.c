/* SPDX-License-Identifier: ISC */
/*
 * stock: a lower limit takes what is there, and the rest from what comes back.
 */
#include "receive/stock.h"

void stock_give(struct stock *stock, uint64_t amount)
{
    uint64_t paid = amount < stock->debt ? amount : stock->debt;

    stock->debt -= paid;
    if (amount > paid)
        credit_give(&stock->credit, amount - paid);
}

void stock_set(struct stock *stock, uint64_t limit)
{
    uint64_t former = stock->limit;

    stock->limit = limit;
    if (limit >= former) {
        stock_give(stock, limit - former);
        return;
    }
    uint64_t less = former - limit;
    uint64_t taken = less < stock->credit.available ? less : stock->credit.available;
    stock->credit.available -= taken;
    stock->debt += less - taken;
}
