/* SPDX-License-Identifier: ISC */
/*
 * homes: see homes.h.
 */
#include "config/homes.h"

#include "sluice/lookup.h"

#include <string.h>

static bool is_on(const struct config_instance *table, const char *key)
{
    return strcmp(table->interface, SLUICE_LOOKUP_ID) == 0 &&
           table->options->get_number(table->options, key) != 0;
}

static bool is_sharing(const struct config_instance *table)
{
    return is_on(table, "shared") && !is_on(table, "isolate");
}

/* The first home is that of the shared ones, if there is any. */
static unsigned first_own(const struct config *config)
{
    size_t isolated = 0;

    for (size_t i = 0; i < config_instance_count(config); i++) {
        const struct config_instance *table = config_instance_at(config, i);

        if (is_sharing(table) || (is_on(table, "isolate") && ++isolated >= HOMES_MAX))
            return 1;
    }
    return 0;
}

/* Counts homes up to the table's; NULL: all of them. */
static unsigned count_homes(const struct config *config, const struct config_instance *table)
{
    unsigned own = first_own(config);
    unsigned count = own;

    for (size_t i = 0; i < config_instance_count(config); i++) {
        const struct config_instance *other = config_instance_at(config, i);
        bool has_own = is_on(other, "isolate") && count < HOMES_MAX;

        if (other == table)
            return has_own ? count : 0;
        count += has_own ? 1 : 0;
    }
    return count;
}

unsigned homes_count(const struct config *config)
{
    return count_homes(config, NULL);
}

unsigned home_of_table(const struct config *config, const struct config_instance *table)
{
    if (!is_on(table, "shared") && !is_on(table, "isolate"))
        return HOME_NONE;
    return is_sharing(table) ? 0 : count_homes(config, table);
}
