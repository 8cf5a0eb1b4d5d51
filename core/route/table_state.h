/* SPDX-License-Identifier: ISC */
/*
 * table_state: one number for what several tables have, so that who keeps what they said finds out
 * when that may be another.
 */
#ifndef ROUTE_TABLE_STATE_H
#define ROUTE_TABLE_STATE_H

#include "route/table.h"

struct table_state {
    uint64_t number; /* another one when one of the tables has changed; the same in all processes */
    bool is_whole;   /* each of the tables could tell; else changes of some are not in the number */
};

#define TABLE_STATE_INIT                                                                           \
    {                                                                                              \
        .number = UINT64_C(14695981039346656037), .is_whole = true                                 \
    }

/* TEMP: the table cannot be asked now, and the state is not known. [task] */
sluice_status table_state_add(struct table_state *state, struct table *table);
/* The same for all of a list. */
sluice_status table_state_add_list(struct table_state *state, const struct table_list *list);

#endif
