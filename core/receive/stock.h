/* SPDX-License-Identifier: ISC */
/*
 * stock: credit whose giver may say another amount at any time, also less than is out.
 */
#ifndef RECEIVE_STOCK_H
#define RECEIVE_STOCK_H

#include "task/credit.h"

/* Zero it to initialise: nothing may be taken. */
struct stock {
    struct credit credit;
    uint64_t limit; /* what the giver takes at a time */
    uint64_t debt;  /* what is out beyond that; paid before anything can be taken again */
};

/* A new limit replaces the former. */
void stock_set(struct stock *stock, uint64_t limit);
/* Brings back what was taken. */
void stock_give(struct stock *stock, uint64_t amount);

#endif
