/* SPDX-License-Identifier: ISC */
/*
 * table_report: what `sluice table` asks of a process that looks things up for mail: which tables there
 * are, and what a key maps to, as mail would have it. Answers are JSON:
 *
 *   TABLES_LIST    a list of {"table", "plugin", "home": index of the lookup process that has it, or none,
 *                  "is_shared", "is_isolated", "open": if this process has it, "text": why it is not open}
 *   TABLES_QUERY   {"status": as sluice_status is called, "value", "text", "steps": [how it was found,
 *                  as explanations have it (task/explain.h)]}
 */
#ifndef ROUTE_TABLE_REPORT_H
#define ROUTE_TABLE_REPORT_H

#include "route/table.h"

#include <jansson.h>

/* NULL: no memory. The caller's. On the loop's thread. */
json_t *table_report_list(struct tables *tables);
/* Appends the answer to such a request (ipc/messages.h); nothing where there is no memory, or it makes no
 * sense. [task: may wait] */
void table_report_answer(struct tables *tables, struct sluice_span request, struct buffer *answer);

#endif
