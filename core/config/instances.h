/* SPDX-License-Identifier: ISC */
/*
 * instances: which instances of plugins a configuration asks for: those that are always there, those
 * of the groups transports, tables and queue_store, and those that lists name ("hash:/etc/x").
 */
#ifndef CONFIG_INSTANCES_H
#define CONFIG_INSTANCES_H

#include "config/draft.h"

void instances_find(struct draft *draft);
/* transports, tables, queue_store. */
bool instances_is_name(const char *name);

#endif
