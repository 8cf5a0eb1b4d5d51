/* SPDX-License-Identifier: ISC */
/*
 * settle: see settle.h.
 */
#include "plugin/settle.h"

#include "config/options.h"
#include "config/table_name.h"
#include "plugin/derive.h"
#include "sluice/lookup.h"

#include <string.h>

static void *copy(struct draft *draft, const void *from, size_t size)
{
    void *to = arena_alloc(&draft->arena, size);

    if (size > 0)
        memcpy(to, from, size);
    return to;
}

/* A table that asks others names them: they become instances too, and their turn comes. It has no home of its
 * own: no group of options has such a name. */
static void add_tables(struct draft *draft, const struct draft_instance *instance)
{
    struct sluice_span rest = table_names_inside(instance->argument);
    struct place place = instance->place; /* adding moves the instances */
    uint32_t roles = instance->roles;
    struct sluice_span item;

    if ((instance->table_flags & SLUICE_LOOKUP_OF_TABLES) == 0)
        return;
    while (list_next(&rest, &item))
        (void)draft_add_table(draft, arena_text(&draft->arena, item), place, roles);
}

static void settle_table(struct draft *draft, struct draft_instance *instance,
                         const struct derivation *derivation)
{
    const struct sluice_lookup_ops *ops = derivation->base_ops;

    if (strcmp(instance->interface, SLUICE_LOOKUP_ID) != 0)
        return;
    instance->table_flags = ops->flags;
    homes_find(draft, instance);
    add_tables(draft, instance);
}

static void settle(struct draft *draft, struct draft_instance *instance)
{
    struct derivation derivation;
    struct error err = ERROR_INIT;
    const struct sluice_option *table;

    if (derive_resolve(instance->plugin, instance->interface, &derivation, &err) != SLUICE_OK) {
        report_error(&draft->report, instance->place, "%s: %s", instance->name, err.text);
        instance->is_missing = true;
        return;
    }
    /* Both live as long as the draft: values point to the keys. */
    table = copy(draft, derivation.options, derivation.option_count * sizeof(*table));
    instance->plugins =
        copy(draft, derivation.plugins, derivation.plugin_count * sizeof(derivation.plugins[0]));
    instance->plugin_count = derivation.plugin_count;
    draft_declare(draft, instance->plugin, table, derivation.option_count);
    draft_settle(draft, instance, table, derivation.option_count);
    settle_table(draft, instance, &derivation);
    derive_done(&derivation);
}

void settle_instances(struct draft *draft)
{
    bool is_complete = true;

    for (size_t i = 0; i < draft->instance_count; i++) {
        if (!draft->instances[i].is_missing)
            settle(draft, &draft->instances[i]);
        if (draft->instances[i].is_missing)
            is_complete = false;
    }
    /* A plugin that is missing could have known what is unknown otherwise. */
    if (is_complete)
        draft_finish(draft);
}
