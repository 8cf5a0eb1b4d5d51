/* SPDX-License-Identifier: ISC */
/*
 * tables: the control commands "table ...": tables as the processes have them that look things up. Lines:
 *
 *   table list    each table: {"table", "plugin", "process": "lookup 0", or "each" that needs it,
 *                 "is_shared", "is_isolated", "open", "text": why not, or the last trouble, "failing_since":
 *                 it gives no answer, "stale_since": what it last said stands in (seconds since 1970)}.
 *                 No "open": no process has needed it so far
 *   table stat    table, or all: the same, and what has been counted of it (base/metrics.h): see tables.c
 *   table query   table, key, is_fresh: {"table", "key", "status", "value", "text", "steps"} of
 *                 route/table_report.h
 *   table flush   table and key, one of them, or none; is_deep: {"forgotten": answers}. With is_deep also
 *                 what would stand in during an outage. Sessions that began with a former configuration
 *                 keep the answers that they have
 *
 * Deliver is asked for what mail would get, lookup for what it has alone.
 */
#ifndef QUEUE_TABLES_H
#define QUEUE_TABLES_H

#include "queue/session.h"

/* [task: waits] */
sluice_status tables_send_list(struct session *session, json_t *request);
sluice_status tables_send_stat(struct session *session, json_t *request);
sluice_status tables_send_query(struct session *session, json_t *request);
sluice_status tables_flush(struct session *session, json_t *request);

/* Of those that lookup processes have, the lines that show trouble, without "plugin" and what is configured; and
 * {"process", "text"} for a process that does not answer, which is not waited for long. The caller's; NULL:
 * no memory. [task: waits] */
json_t *tables_in_trouble(struct queue *queue);

#endif
