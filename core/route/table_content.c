/* SPDX-License-Identifier: ISC */
/*
 * table_content: what a table has, and whether that has changed.
 */
#include "route/table_private.h"

#include "base/clock.h"
#include "base/span.h"
#include "route/remote.h"
#include "task/task.h"

struct listing {
    struct sluice_lookup_entry_sink sdk;
    size_t count;
};

static sluice_status listing_entry(const struct sluice_lookup_entry_sink *sink,
                                   struct sluice_span key, struct sluice_span value)
{
    struct listing *listing = (struct listing *)(void *)(uintptr_t)sink;
    bool is_fine = span_find(key, '@') == key.len && ++listing->count <= TABLE_LIST_MAX;

    (void)value;
    return is_fine ? SLUICE_OK : SLUICE_NOT_FOUND; /* which ends it */
}

static bool can_be_listed(const struct table *table, const struct instance_side *side)
{
    const struct sluice_lookup_ops *ops =
        side != NULL ? INSTANCE_OPS(side, struct sluice_lookup_ops) : NULL;

    return ops != NULL && table->pool == NULL && !table_has_patterns(table) &&
           SLUICE_HAS(struct sluice_lookup_ops, ops, generation) &&
           SLUICE_HAS(struct sluice_lookup_ops, ops, list);
}

static bool has_only_domains(const struct instance_side *side)
{
    struct listing listing = {.sdk = {.struct_size = sizeof(listing.sdk), .entry = listing_entry}};
    struct error err = ERROR_INIT;
    struct error_sink sink;

    error_sink_init(&sink, &err);
    return INSTANCE_OPS(side, struct sluice_lookup_ops)
               ->list(side->self, &listing.sdk, &sink.sdk) == SLUICE_OK;
}

/* The list is as long as the table: each state of it is looked through once. */
static sluice_status look_through(struct table *table, const struct instance_side *side)
{
    uint64_t generation;
    sluice_status st =
        INSTANCE_OPS(side, struct sluice_lookup_ops)->generation(side->self, &generation);

    if (st != SLUICE_OK || (table->is_listed && generation == table->generation))
        return st;
    table->may_have_addresses = !has_only_domains(side);
    table->generation = generation;
    table->is_listed = true;
    return SLUICE_OK;
}

sluice_status table_generation(struct table *table, uint64_t *ret_generation)
{
    const struct instance_side *side = table_side(table);
    struct instance_call call;

    if (table->remote != NULL)
        return remote_generation(table->remote, ret_generation);
    if (table->pool != NULL)
        return SLUICE_UNSUPPORTED; /* asking might wait */
    if (!table_is_available(table))
        return SLUICE_TEMP;
    if (!SLUICE_HAS(struct sluice_lookup_ops, INSTANCE_OPS(side, struct sluice_lookup_ops),
                    generation))
        return SLUICE_UNSUPPORTED;
    if (table->instance != NULL)
        instance_enter(&call, table->instance, CLOCK_NEVER);
    sluice_status st = INSTANCE_OPS(side, struct sluice_lookup_ops)
                           ->generation(side->self, ret_generation);
    if (table->instance != NULL)
        instance_leave(&call, st);
    return st == SLUICE_OK || st == SLUICE_UNSUPPORTED ? st : SLUICE_TEMP;
}

bool table_may_have_addresses(struct table *table)
{
    const struct instance_side *side = table_side(table);
    struct instance_call call;

    if (!table_is_available(table) || table->remote != NULL || !can_be_listed(table, side))
        return true;
    if (table->instance != NULL)
        instance_enter(&call, table->instance, CLOCK_NEVER);
    sluice_status st = look_through(table, side);
    if (table->instance != NULL)
        instance_leave(&call, st);
    return st != SLUICE_OK || table->may_have_addresses;
}

/* ---- upkeep ---------------------------------------------------------------------------------- */

bool table_has_upkeep(const struct table *table)
{
    const struct instance_side *side = table_side(table);

    return table->pool == NULL && side != NULL &&
           SLUICE_HAS(struct sluice_lookup_ops, INSTANCE_OPS(side, struct sluice_lookup_ops),
                      maintain);
}

struct notice {
    struct sluice_lookup_notice sdk;
    void (*changed)(void *user);
    void *user;
};

static void notice_changed(const struct sluice_lookup_notice *sdk)
{
    const struct notice *notice = (const struct notice *)(const void *)sdk;

    notice->changed(notice->user);
}

/* No look-up: neither counted nor bounded as one. */
void table_maintain(struct table *table, void (*changed)(void *user), void *user)
{
    const struct notice notice = {
        .sdk = {.struct_size = sizeof(notice.sdk), .changed = notice_changed},
        .changed = changed,
        .user = user,
    };
    const struct instance_side *side = table_side(table);

    if (!table_is_available(table))
        return;

    const char *activity = task_set_activity(table->name);
    INSTANCE_OPS(side, struct sluice_lookup_ops)->maintain(side->self, &notice.sdk);
    (void)task_set_activity(activity); /* ours goes */
}
