/* SPDX-License-Identifier: ISC */
/*
 * table: the front end of lookup plugins. A table that cannot be opened is there all the same: it
 * answers TEMP with the reason, and is opened again when it is asked, at most once a second.
 *
 * Order: tables_new once in a process; tables_get for each name that a parameter mentions, before
 * the work begins; then table_find from tasks; tables_free after the last task.
 */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"
#include "sluice/lookup.h"

#include <stdbool.h>

#define TABLE_VALUE_MAX ((size_t)64 * 1024) /* all values of one key, joined */
#define TABLE_SINK_FLAGS SLUICE_SINK_NO_SUBSTITUTION /* those that plugins see */
/* Past what is kept of the table in its home; the core's own. */
#define TABLE_FRESH ((uint64_t)1 << 63)
#define TABLE_LIST_MAX 100000 /* entries that are looked through */

struct pool;
struct table;
struct tables;

/* config may be NULL: then only tables_add brings tables. TEMP: no memory. */
sluice_status tables_new(const struct config *config, struct tables **ret_tables);
void tables_free(struct tables *tables); /* accepts NULL; waits for threads of tables */
/*
 * For a role: tables that have a home (config/homes.h) are opened there and nowhere else, and asked over
 * the links to there. Before the first tables_get(). TEMP: no memory. [main]
 */
sluice_status tables_ask_homes(struct tables *tables);
/* A link to a home, which is taken over. [main] */
void tables_link(struct tables *tables, unsigned home, int fd);
/*
 * The table of that name ("hash:/etc/sluice/transport"), opened when it is asked for the first
 * time. CONFIG if it is not configured or its plugin cannot be loaded; that its data cannot be
 * opened is no error here. Stays the set's. [main]
 */
sluice_status tables_get(struct tables *tables, const char *name, struct table **ret_table,
                         struct error *err);
/* The same if it is there already; NULL: nobody has asked for it. */
const struct table *tables_find(const struct tables *tables, const char *name);
/* What tables_new was given. */
const struct config *tables_config(const struct tables *tables);
/* Puts a table in whose operations are at hand, opened already; self is closed with the set. pool:
 * the threads that it is asked on, which must outlive the set, or NULL. TEMP: no memory. [main] */
sluice_status tables_add(struct tables *tables, const char *name,
                         const struct sluice_lookup_ops *ops, struct sluice_lookup *self,
                         struct pool *pool);

const char *table_name(const struct table *table);
/* Why it could not be opened when that was tried last; NULL: it is open. */
const char *table_why_closed(const struct table *table);
/* True if keys are matched whole, so that asking for parts of an address makes no sense. */
bool table_has_patterns(const struct table *table);
/* True if keys are not folded to lower case. */
bool table_is_exact(const struct table *table);
/* True unless it is certain that the table has no key with an @, now. What cannot be listed may have
 * some, and what is too long to be looked through on the caller's task. */
bool table_may_have_addresses(struct table *table);
/*
 * Adds the value of key to value, several joined by commas. The key is folded to lower case unless
 * the table is exact. OK, NOT_FOUND, or TEMP with a text: whatever is not a clear answer (an empty
 * value too) is TEMP, and is complained about here. [task: may wait]
 */
sluice_status table_find(struct table *table, struct sluice_span key, int64_t deadline_ms,
                         struct buffer *value, struct error *err);

/* As table_find, with what the answer is for: SLUICE_SINK_..., and TABLE_FRESH. [task: may wait] */
sluice_status table_find_for(struct table *table, struct sluice_span key, uint64_t flags,
                             int64_t deadline_ms, struct buffer *value, struct error *err);

/* As table_find_for, without a step of its own in an explanation (task/explain.h). [task: may wait] */
sluice_status table_ask(struct table *table, struct sluice_span key, uint64_t flags,
                        int64_t deadline_ms, struct buffer *value, struct error *err);

/* A number that is another one when the table's content has changed. TEMP: it is not known now;
 * UNSUPPORTED: this table cannot tell, or is asked on threads. [task] */
sluice_status table_generation(struct table *table, uint64_t *ret_generation);

/* True if the table, which is open here, has something to do beside its look-ups. */
bool table_has_upkeep(const struct table *table);
/* Does it, until the table's plugin has enough or the task is cancelled; changed: what the table answers,
 * or its generation, may be another from now on. [task: waits] */
void table_maintain(struct table *table, void (*changed)(void *user), void *user);

/* The tables of one parameter, asked in order. Zero it to initialise. */
struct table_list {
    struct table **tables;
    size_t count;
    uint64_t sink_flags;   /* SLUICE_SINK_...: what its answers are for */
    const char *parameter; /* whose they are; NULL: none's */
};

/* Appends one table. CONFIG or TEMP with a text. [main] */
sluice_status table_list_add(struct table_list *list, struct tables *tables, const char *name,
                             struct error *err);
/* Appends those that the parameter names, which stays the caller's and there; the text of an error
 * begins with where it is set. [main] */
sluice_status table_list_read(struct table_list *list, struct tables *tables,
                              const struct config *config, const char *parameter,
                              struct error *err);
void table_list_done(struct table_list *list);
/*
 * Asks each table for one form of the key, until one has it; the first failure ends the search.
 * is_partial: the key is part of what is looked for (a parent domain, *): tables of patterns are
 * passed over. Answers as table_find. [task: may wait]
 */
sluice_status table_list_find(const struct table_list *list, struct sluice_span key,
                              bool is_partial, int64_t deadline_ms, struct buffer *value,
                              struct error *err);

#endif
