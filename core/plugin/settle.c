/* SPDX-License-Identifier: ISC */
/*
 * settle: see settle.h.
 */
#include "plugin/settle.h"

#include "plugin/derive.h"

#include <string.h>

static void *copy(struct draft *draft, const void *from, size_t size)
{
    void *to = arena_alloc(&draft->arena, size);

    if (size > 0)
        memcpy(to, from, size);
    return to;
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
