/* SPDX-License-Identifier: ISC */
/*
 * table_name: how tables are named where they are used.
 *
 * Postfix asks "proxy:type:name" through a server of its own, where a process may not open the table
 * itself. Here each role opens what it needs, and the prefix stands for the table itself.
 */
#ifndef CONFIG_TABLE_NAME_H
#define CONFIG_TABLE_NAME_H

#include "sluice/types.h"

#include <string.h>

/* The table that is meant; part of name. */
static inline const char *table_name_plain(const char *name)
{
    static const char proxy[] = "proxy:";

    return strncmp(name, proxy, sizeof(proxy) - 1) == 0 ? name + sizeof(proxy) - 1 : name;
}

/* What the braces enclose where the argument of a table is a list of others, for list_next(); else
 * nothing. */
static inline struct sluice_span table_names_inside(const char *argument)
{
    size_t len = strlen(argument);
    struct sluice_span inside = {argument + 1, len - 2};

    if (len < 2 || argument[0] != '{' || argument[len - 1] != '}')
        inside = (struct sluice_span){argument, 0};
    return inside;
}

#endif
