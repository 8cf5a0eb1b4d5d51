/* SPDX-License-Identifier: ISC */
/*
 * table_private: what a table is, for table.c (opening), table_find.c (asking) and table_content.c (what
 * it has) alone.
 */
#ifndef ROUTE_TABLE_PRIVATE_H
#define ROUTE_TABLE_PRIVATE_H

#include "route/table.h"

#include "base/hash.h"
#include "base/log.h"
#include "plugin/instance.h"

struct table {
    char *name;
    const char *argument;       /* what follows the colon in the name */
    struct instance *instance;  /* NULL: came with tables_add */
    struct instance_side added; /* then these are its operations */
    struct pool *pool;          /* NULL: asked on the caller's task */
    struct remote_table *remote; /* NULL: it is open here; else where it is */
    uint32_t remote_flags;      /* SLUICE_LOOKUP_... of what is open there */
    const struct table *first;  /* of a table that asks others: the first of them; else NULL */
    bool is_open;
    int64_t next_open_ms;
    struct error closed_because;
    struct complaint complaint;
    bool is_listed; /* what the table with that generation has is known */
    bool may_have_addresses;
    uint64_t generation;
    UT_hash_handle hh;
};

/* The side that answers; its ops also carry the table's flags. NULL: it is not open here. */
const struct instance_side *table_side(const struct table *table);
/* SLUICE_LOOKUP_... */
uint32_t table_flags(const struct table *table);
/* Opens a table again that could not be opened, if that is due. */
bool table_is_available(struct table *table);

#endif
