/* SPDX-License-Identifier: ISC */
/*
 * homes: see homes.h.
 */
#include "config/homes.h"

#include "config/draft.h"

#define MEMORY_BESIDE ((int64_t)32 * 1024 * 1024)

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

/* What is kept of answers is the least that it needs. */
static void check_memory(struct draft *draft, const struct draft_instance *table)
{
    const struct value *memory = draft_instance_value(table, "isolate_memory");
    const struct value *kept = draft_instance_value(table, "cache_bytes");

    if (table->is_isolated && memory != NULL && kept != NULL &&
        memory->number - kept->number < MEMORY_BESIDE)
        report_error(&draft->report, draft_error_place(draft, table, "cache_bytes"),
                     "%s: isolate_memory must be larger than cache_bytes by %d MB at least",
                     table->name, (int)(MEMORY_BESIDE >> 20));
}

void homes_find(struct draft *draft, struct draft_instance *table)
{
    unsigned home;

    table->is_isolated = is_on(table, "isolate");
    if (!table->is_isolated && !is_on(table, "shared"))
        return;
    check_memory(draft, table);
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
