/* SPDX-License-Identifier: ISC */
/*
 * homes: see homes.h.
 */
#include "config/homes.h"

#include "config/draft.h"

static bool is_on(const struct draft_instance *table, const char *key)
{
    const struct value *value = draft_instance_value(table, key);

    return value != NULL && value->number != 0;
}

/* HOME_NONE: no table is shared so far. */
static unsigned shared_home(const struct draft *draft)
{
    for (size_t i = 0; i < draft->instance_count; i++) {
        if (draft->instances[i].home != HOME_NONE && !draft->instances[i].is_isolated)
            return draft->instances[i].home;
    }
    return HOME_NONE;
}

void homes_find(struct draft *draft, struct draft_instance *table)
{
    unsigned home;

    table->is_isolated = is_on(table, "isolate");
    if (!table->is_isolated && !is_on(table, "shared"))
        return;
    home = table->is_isolated ? HOME_NONE : shared_home(draft);
    if (home == HOME_NONE && draft->home_count == HOMES_MAX) {
        report_error(&draft->report, table->place, "%s: there cannot be more than %d lookup processes",
                     table->name, HOMES_MAX);
        return;
    }
    table->home = home == HOME_NONE ? draft->home_count++ : home;
    table->askers = DRAFT_RECEIVE | DRAFT_DELIVER;
    table->roles = DRAFT_HOME(table->home);
}
