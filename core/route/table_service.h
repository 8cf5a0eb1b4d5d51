/* SPDX-License-Identifier: ISC */
/*
 * table_service: the process's tables for its plugins: sluice.tables/1.
 */
#ifndef ROUTE_TABLE_SERVICE_H
#define ROUTE_TABLE_SERVICE_H

#include "route/table.h"

/* From now on plugins of this process find keys in these tables; NULL: in none. tables must stay
 * until then. [main] */
void table_service_provide(struct tables *tables);

#endif
