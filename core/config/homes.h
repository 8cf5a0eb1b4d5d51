/* SPDX-License-Identifier: ISC */
/*
 * homes: the lookup processes, and which tables each of them has. Tables that are shared have one home
 * together, and each that is isolated has one of its own. Check finds them, and says so in the snapshots; the
 * index of a lookup process is that of its home, which has a snapshot of its own.
 */
#ifndef CONFIG_HOMES_H
#define CONFIG_HOMES_H

#define HOMES_MAX 16
#define HOME_NONE HOMES_MAX /* who wants to know opens the table itself */

struct draft;
struct draft_instance;

/* Gives a table whose options are known the home that they ask for, if any. */
void homes_find(struct draft *draft, struct draft_instance *table);

#endif
