/* SPDX-License-Identifier: ISC */
/* table_state: see table_state.h. */
#include "route/table_state.h"

sluice_status table_state_add(struct table_state *state, struct table *table)
{
    uint64_t generation = 0;
    sluice_status st = table_generation(table, &generation);

    if (st == SLUICE_UNSUPPORTED) {
        state->is_whole = false;
        return SLUICE_OK;
    }
    state->number = (state->number ^ generation) * UINT64_C(1099511628211); /* as FNV-1a */
    return st;
}

sluice_status table_state_add_list(struct table_state *state, const struct table_list *list)
{
    sluice_status st = SLUICE_OK;

    for (size_t i = 0; st == SLUICE_OK && i < list->count; i++)
        st = table_state_add(state, list->tables[i]);
    return st;
}
