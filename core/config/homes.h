/* SPDX-License-Identifier: ISC */
/*
 * homes: the lookup processes, and which tables each of them has. Tables that are shared have one home
 * together, and each that is isolated has one of its own.
 *
 * Master, lookup and who asks find the homes in the configuration each for itself.
 */
#ifndef CONFIG_HOMES_H
#define CONFIG_HOMES_H

#include "config/config.h"

#define HOMES_MAX 16 /* tables beyond that are shared */
#define HOME_NONE HOMES_MAX /* who wants to know opens the table itself */

/* The index of a lookup process is that of its home. */
unsigned homes_count(const struct config *config);
/* The home of that table, an instance of config's. */
unsigned home_of_table(const struct config *config, const struct config_instance *table);

#endif
